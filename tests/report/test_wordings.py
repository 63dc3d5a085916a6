"""Figures and tables of prompt sensitivity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from clipbench.report.figures.curve import Curve
from clipbench.report.page import render
from clipbench.report.sections.prompts.figures import prompt_curves
from clipbench.results.folder import Results
from clipbench.results.records import JobResult, Pedigree, Record, Table

from .boxes import unfolded
from .made_up import HOSTILE
from .test_page import Outline

TEMPLATES = Table(
    ("position", "template", "family", "role", "first_prompt", "top1", "low", "high"),
    (
        (0, "a photo of a {}.", "noise", "", "a photo of a cat.", 0.6, 0.55, 0.65),
        (1, "a <b>phto</b> of a {}.", "", "", "a phto of a cat.", 0.62, 0.57, 0.67),
        (2, "not a {}.", "noise", "control", "not a cat.", 0.7, 0.65, 0.75),
        (3, "{}", "", "baseline", "cat", 0.5, None, None),
    ),
)
FAMILIES = Table(
    ("family", "plain", "template", "difference", "low", "high"),
    (
        ("noise", "a photo of a {}.", "a phto of a {}.", 0.1, 0.05, 0.15),
        ("noise", "a photo of a {}.", "a pohto of a {}.", -0.01, -0.05, 0.03),
    ),
)
FAMILY_EFFECTS = Table(
    ("family", "plain", "others", "difference", "low", "high"),
    (
        ("plural", "a photo of a {}.", 4, -0.4, -0.45, -0.35),
        ("case", "a photo of a {}.", 3, 0.001, -0.01, 0.01),
    ),
)
GAINS = Table(
    ("gain", "plain", "better", "difference", "low", "high"),
    (
        ("a photo over the bare name", "{}", "a photo of a {}.", 0.1, 0.05, 0.15),
        ("all templates over a photo", "a photo of a {}.", "all 2 templates", -0.01, -0.05, 0.03),
    ),
)
NAMES = Table(
    ("how", "top1", "difference", "low", "high"),
    (
        ("canonical names", 0.6, None, None, None),
        ("names 1", 0.5, -0.1, -0.15, -0.05),
        ("all names averaged", 0.62, 0.02, -0.02, 0.06),
        ("the best name counts", 0.61, 0.01, -0.03, 0.05),
    ),
)
CHOICE = Table(
    ("how", "top1", "low", "high", "templates", "chosen_on"),
    (
        ("best on validation", 0.6, 0.55, 0.65, "a photo of a {}.", "validation"),
        ("best on test (optimistic)", 0.62, 0.57, 0.67, "a picture of a {}.", "test"),
        ("mean of templates", 0.61, 0.56, 0.66, "all 2", ""),
    ),
)
VARIANCE = Table(
    ("component", "value", "low", "high"),
    (
        ("template", -0.01, -0.02, 0.005),
        ("example", 0.16, None, None),
        ("template x names", 0.05, 0.04, 0.06),
    ),
)
NOTES = ("The best is optimistic.",)


def job(**tables: Table) -> JobResult:
    records = (
        Record("mean", 0.6, "fraction", 0.55, 0.65, n=1000, main=True, params={"templates": 3}, chance=0.5),
        Record("template_spread", 0.1, "fraction", 0.08, 0.13, n=1000),
        Record("range", 0.2),
        Record("best", 0.7, "fraction", 0.6, 0.8, params={"template": "a {}"}, chance=0.5),
        Record("worst", 0.5, params={"template": "{}"}),
        Record("flip_share", 0.25),
        Record("ensemble_top1", 0.66, n=100),
    )
    name = "prompt_sensitivity"
    return JobResult("h", "m", "toys", "test", name, "wording", "done", Pedigree(), records, tables=tables)


def drawn(name: str, table: Table) -> Curve:
    return prompt_curves(job(**{name: table}))[name]


def test_templates_are_drawn_best_first_beside_the_ensemble_of_those_that_count():
    curve = drawn("templates", TEMPLATES)
    points, ensemble = curve.figure.spec["data"]
    assert (points["x"], ensemble["x"]) == ([0.7, 0.62, 0.6, 0.5], [0.66, 0.66])
    ticks = curve.figure.spec["layout"]["yaxis"]["ticktext"]
    assert ticks == ["not a {}.", "a &lt;b&gt;phto&lt;/b&gt; of a {}.", "a photo of a {}.", "{}"]
    assert points["error_x"]["array"][3] is None
    assert points["meta"]["hollow"] == [True, False, False, False]
    assert points["marker"]["symbol"] == ["circle", "circle", "circle", "diamond"]
    marks = "; hollow: controls, meant to be worse; diamonds: baselines. These count in no mean and no ensemble"
    assert curve.legend.endswith(marks)
    summary = "top-1 of 2 templates, from 62.0\u202f% to 60.0\u202f%"
    assert curve.figure.summary == f"{summary}; beside them 2 that count in no mean"
    # Without roles no mark is explained.
    plain = drawn("templates", Table(TEMPLATES.columns, TEMPLATES.rows[:2]))
    assert plain.figure.summary == summary
    assert plain.legend == curve.legend.removesuffix(marks)


@pytest.mark.parametrize(
    ("name", "table", "x", "hollow", "legend"),
    [
        ("families", FAMILIES, [0.1, -0.01], [False, True], "intervals that hold for all 2 together"),
        ("family_effects", FAMILY_EFFECTS, [-0.4, 0.001], [False, True], "intervals that hold for all 2 together"),
        ("gains", GAINS, [0.1, -0.01], [False, True], "filled: the interval leaves out zero"),
        ("names", NAMES, [-0.1, 0.02, 0.01], [False, True, True], "against canonical names (60.0\u202f%), each with"),
        ("names", NAMES, [-0.1, 0.02, 0.01], [False, True, True], "intervals that hold for all 3 together"),
        ("choice", CHOICE, [0.6, 0.62, 0.61], [False, True, False], "so optimistic"),
        ("choice", CHOICE, [0.6, 0.62, 0.61], [False, True, False], "intervals; chance 50.0\u202f%"),
    ],
)
def test_what_may_be_chance_or_is_optimistic_is_hollow(
    name: str, table: Table, x: list[float], hollow: list[bool], legend: str
) -> None:
    curve = drawn(name, table)
    (points,) = curve.figure.spec["data"]
    assert (points["x"], points["meta"]["hollow"]) == (x, hollow)
    assert legend in curve.legend


def test_at_chance_no_difference_is_filled():
    low = with_record(job(gains=GAINS), "best", low=0.5)
    for found, hollow in ((low, [False, True]), (with_record(low, "mean", low=0.5), [True, True])):
        assert prompt_curves(found)["gains"].figure.spec["data"][0]["meta"]["hollow"] == hollow


def test_a_family_is_named_with_the_number_of_its_other_templates():
    figure = drawn("family_effects", FAMILY_EFFECTS).figure
    assert figure.spec["layout"]["yaxis"]["ticktext"] == ["plural (4)", "case (3)"]
    assert [note["text"] for note in figure.spec["layout"]["annotations"]] == ["−40.0", "+0.1"]
    assert figure.summary == "differences: plural (4) −40.0\u202fpoints; case (3) +0.1\u202fpoints"


def test_families_with_several_plain_templates_name_none_of_them():
    rows = (*FAMILIES.rows, ("language", "{}", "German: ein Foto von {}.", 0.0, -0.1, 0.1))
    assert "against the plain one of its family;" in drawn("families", Table(FAMILIES.columns, rows)).legend


def test_variance_components_are_shares_of_their_sum_and_may_be_below_zero():
    curve = drawn("variance", VARIANCE)
    (images,) = curve.figure.spec["data"]
    assert images["x"] == pytest.approx([-0.05, 0.8, 0.25])
    assert images["error_x"]["array"] == [pytest.approx(0.075), None, pytest.approx(0.05)]
    assert curve.figure.spec["layout"]["xaxis"]["range"][0] < -0.15
    assert curve.figure.summary == (
        "variance of right and wrong answers: template −5.0\u202f%; example 80.0\u202f%; template × names 25.0\u202f%"
    )


def test_a_job_shows_its_notes_and_what_images_were_taken_for(make_results: Callable[..., Results]):
    named = {"true_label": HOSTILE["script"], "prediction": "cat (3 of 4 templates), dog (1)"}
    picture = {"id": "1", "role": "flips between prompts", "thumb": "", **named}
    page = render(make_results(replace(job(templates=TEMPLATES), notes=NOTES, pictures=(picture,))))
    for said in (NOTES[0], "Flips between prompts", "cat (3 of 4 templates), dog (1)", HOSTILE["script"]):
        assert said in unfolded(page)[0]
    assert HOSTILE["script"] not in page


SPREADS = "10.0\u202fpoints [8.0, 13.0] over 3 templates (standard deviation without the noise of the images)."
MEAN = "Its mean is 60.0\u202f% [55.0, 65.0] (n = 1,000, chance 50.0\u202f%)"
MOVED = "on these images it goes from 50.0\u202f% ('{}') to 70.0\u202f% ('a {}')"
FLIPS = "25.0\u202f% of images change their prediction."
CHOSEN = {"best": "names 1", "worst": "canonical names", "lowest": 0.3}
WAYS = "Of 3 other ways to name the classes 1 differs from the canonical names beyond chance, all templates averaged"


def with_record(found: JobResult, name: str, **changes: Any) -> JobResult:
    """Change a record, or add it."""
    (known,) = [record for record in found.records if record.metric == name] or [Record(name, None)]
    others = tuple(record for record in found.records if record.metric != name)
    return replace(found, records=(*others, replace(known, **changes)))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (job(), f"Top-1 depends on the wording: it spreads by {SPREADS} {MEAN}; {MOVED}; {FLIPS}"),
        (
            with_record(job(), "template_spread", low=0.0),
            f"Top-1 is not shown to depend on the wording: it spreads by {SPREADS.replace('8.0', '0.0')} {MEAN}; "
            f"{MOVED}; {FLIPS}",
        ),
        (
            with_record(job(), "template_spread", low=None, high=None),
            f"These images do not say how far top-1 depends on the wording. {MEAN}; {MOVED}; {FLIPS}",
        ),
        (
            with_record(with_record(job(), "template_spread", low=None, high=None), "range", value=0.0),
            f"Top-1 is the same with each of 3 templates. {MEAN}; {FLIPS}",
        ),
        (
            with_record(with_record(job(), "mean", low=0.55, chance=0.55), "best", low=0.49),
            "None of 3 templates is shown to be above chance in top-1, so nothing is gained or lost with the wording. "
            f"{MEAN.replace('chance 50.0', 'chance 55.0')}; {MOVED}; {FLIPS}",
        ),
        (
            with_record(with_record(job(), "mean", commonest=0.61), "best", commonest=0.61),
            "None of 3 templates is shown to be above chance in top-1, so nothing is gained or lost with the wording. "
            f"{MEAN[:-1]}, commonest class 61.0\u202f%); {MOVED}; {FLIPS}",
        ),
        (
            replace(job(), pedigree=Pedigree(subset="limit 1000")),
            f"Top-1 depends on the wording: it spreads by {SPREADS} "
            f"{MEAN.replace('1,000', '1,000, limit 1000')}; {MOVED}; {FLIPS}",
        ),
        (
            with_record(job(names=NAMES), "names_range", value=0.1, params=CHOSEN),
            f"Top-1 depends on the wording: it spreads by {SPREADS} {MEAN}; {MOVED}; {FLIPS} "
            f"{WAYS}: on these images from 30.0\u202f% (canonical names) to 40.0\u202f% (names 1).",
        ),
        (
            with_record(job(names=NAMES), "names_range", value=0.0, params=CHOSEN),
            f"Top-1 depends on the wording: it spreads by {SPREADS} {MEAN}; {MOVED}; {FLIPS} {WAYS}.",
        ),
        (replace(job(), status="failed", records=()), None),
        (replace(job(), task="zero_shot"), None),
    ],
)
def test_what_was_found_is_said_before_its_tables(
    make_results: Callable[..., Results], found: JobResult, said: str | None
) -> None:
    page = render(make_results(found))
    if said is None:
        assert 'id="wording"' not in page
    else:
        line = page.split('<section id="wording">')[1].split("</li>")[0]
        assert Outline(line).text.endswith(" ".join(said.split()))


def without(table: Table, column: str) -> Table:
    return Table.of(table.frame().drop(columns=column))


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("choice", without(CHOICE, "how")),
        ("families", without(FAMILIES, "template")),
        ("variance", without(VARIANCE, "component")),
        ("templates", Table(TEMPLATES.columns, tuple((*row[:5], None, None, None) for row in TEMPLATES.rows))),
        ("names", Table(NAMES.columns, (NAMES.rows[0], ("names 1", 0.6, None, None, None)))),
        ("variance", Table(VARIANCE.columns, tuple((row[0], 0.0, None, None) for row in VARIANCE.rows))),
    ],
    ids=["no names", "no templates", "no components", "no numbers", "no other names", "sums to nothing"],
)
def test_tables_that_lack_what_is_drawn_are_not_drawn(name: str, table: Table) -> None:
    assert name not in prompt_curves(job(**{name: table}))
