"""The section 'Benchmark and reality': what is said of shifts, and that nothing is hidden or compared silently."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from clipbench.analyses.registry import load_analysis
from clipbench.metrics.specs import Declared
from clipbench.reference.published import PublishedPair
from clipbench.report.page import render as render_page
from clipbench.report.sections.robustness import baseline
from clipbench.report.sections.robustness.section import RobustnessSection
from clipbench.report.tables import leaderboard
from clipbench.results.folder import Results
from clipbench.results.records import AnalysisResult, Subject, Table

from .findings import (
    OWN,
    PUBLISHED,
    logit,
    on_shift,
    over_shifts,
    page_data,
    pair,
    published,
    published_model,
    render,
    result,
    specs,
    view_job,
    words,
)
from .made_up import HOSTILE, classification, failure
from .test_page import Outline

Behind = Callable[[PublishedPair], None]

SHIFTS = {"sketch": 0.42, "photos": 0.61, "films": 0.55}
TRAININGS = ("standard", "standard", "standard", "more_data", "zero_shot", "something new")
MODELS = tuple(
    published_model(f"published-{place}", 0.55 + place * 0.03, 0.15 + place * 0.03, training)
    for place, training in enumerate(TRAININGS)
)


def show(*results: AnalysisResult, figures: int = 200) -> str:
    return render(RobustnessSection(), page_data(*results), figures)


def three_shifts(model: str, here: float = 0.63, worse: float = 0.0, baseline: str = "") -> list[AnalysisResult]:
    shifts = [on_shift(model, name, here, there - worse, baseline=baseline) for name, there in SHIFTS.items()]
    return [*shifts, over_shifts(shifts)]


def roles(spec: dict[str, Any]) -> list[str]:
    return [trace["meta"].get("role", "") for trace in spec["data"]]


def points(spec: dict[str, Any], kind: str = "outlined") -> list[dict[str, Any]]:
    return [trace for trace in spec["data"] if kind in trace["meta"]]


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> Behind:
    """A function that puts published models behind every shift."""
    return lambda models: monkeypatch.setattr(baseline, "published_pair", lambda *_: models)


def summed(*shifts: AnalysisResult, half: float = 0.01) -> list[AnalysisResult]:
    return [*shifts, over_shifts(shifts, half)]


@pytest.mark.parametrize(
    ("results", "said"),
    [
        (
            [*three_shifts("b", 0.63), *three_shifts("a", 0.7)],
            [
                "70.0 % on imagenet",
                "63.0 % on imagenet , 52.7 % on the same classes elsewhere (mean of 3 shifts): 10.3 points [9.3, 11.3] "
                "lost . No baseline says what was to be expected.",
                "mean shift",
                "mean over 3 shifts",
            ],
        ),
        (
            summed(on_shift("a", "sketch", 0.6, 0.62, baseline=PUBLISHED), half=0.03),
            [
                "62.0 % on the same classes of sketch",
                "neither a loss nor a gain can be told (reference minus shift −2.0 points [−5.0, +1.0])",
                "That is 43.2 points [41.2, 45.2] more than is expected of a model as accurate on imagenet",
            ],
        ),
        (
            [
                *summed(on_shift("a", "sketch", 0.6, 0.4)),
                *summed(on_shift("a", "sketch", 0.6, 0.4, reference="photographs")),
            ],
            ["a imagenet 60.0 % on imagenet", "a photographs 60.0 % on photographs"],
        ),
    ],
    ids=["a sentence a model", "gains and expectations", "several references"],
)
def test_the_section_begins_with_sentences(results: list[AnalysisResult], said: list[str]) -> None:
    text = words(show(*results))
    assert [text.index(part) for part in said] == sorted(text.index(part) for part in said)


def test_between_two_numbers_at_chance_nothing_is_lost_or_gained() -> None:
    about = {"reference_top1": 0.125, "shift_top1": 0.125}
    shift = on_shift("a", "sketch", 0.121, 0.115, baseline=PUBLISHED)
    records = [replace(record, chance=about.get(record.metric)) for record in shift.records]
    text = words(show(*summed(replace(shift, records=tuple(records)), half=0.001)))
    assert "no better than chance on either side, so nothing is lost or gained" in text
    assert not [said for said in ("] lost", "] gained", "than is expected of") if said in text]
    assert "Without looking: chance 12.5 % on imagenet; chance 12.5 % on sketch." in text


def test_without_an_interval_no_direction_is_said() -> None:
    shift = on_shift("a", "sketch", 0.6, 0.4, baseline=PUBLISHED)
    results = [
        replace(found, records=tuple(replace(record, low=None, high=None) for record in found.records))
        for found in summed(shift)
    ]
    text = words(show(*results))
    assert "neither a loss nor a gain can be told (reference minus shift +20.0 points)" in text
    assert "That lies within what is expected" not in text
    assert "what is expected of a model as accurate on imagenet cannot be told from so few images" in text


def test_what_a_statement_rests_on_is_said() -> None:
    shift = on_shift("a", "sketch", 0.6, 0.4, subset="limit 500")
    shift = replace(shift, about=replace(shift.about, n=500))
    text = words(show(*summed(shift)))
    assert "lost . No baseline says what was to be expected. ( n = 500, limit 500 or more on each set)" in text


def test_each_shift_has_its_numbers_with_intervals_in_points_and_percent() -> None:
    text = words(show(on_shift("a", "sketch", 0.633, 0.4229, baseline=PUBLISHED, relative=-0.02)))
    heads = ("imagenet, %", "sketch, %", "gap, points", "expected top-1, %")
    assert " ".join((*heads, "effective robustness, points", "relative robustness, points")) in text
    for shown in ("21.0 [19.6, 22.4]", "+21.2 [+19.2, +23.2]", "−2.0 [−3.0, −1.0]", "R² 0.87", "relative gap, %"):
        assert shown in text
    assert "10,000 and 2,000 images of the same 200 classes" in text
    assert "lowest on the reference 40.0 %" in text.replace("\u202f", " ")


def test_without_baseline_there_are_only_the_models_and_y_equals_x() -> None:
    reason = ("No baseline: nothing is published.",)
    page = show(on_shift("a", "sketch", 0.6, 0.4, notes=reason), on_shift("b", "sketch", 0.7, 0.5, notes=reason))
    (spec,) = specs(page, "shift-")
    assert roles(spec) == ["second", "", ""]
    assert [trace["text"] for trace in points(spec)] == [["a"], ["b"]]
    assert words(page).count(reason[0]) == 1


def test_a_model_alone_has_its_numbers_and_no_scatter() -> None:
    page = show(*three_shifts("a"))
    assert specs(page, "shift-") == []
    assert len(specs(page, "gaps-")) == 1
    for said in ("imagenet → sketch", "21.0 [19.6, 22.4]"):
        assert said in words(page)
    for left_out in ("Dashed: y = x", "more figures"):
        assert left_out not in words(page)


def test_a_point_stands_at_its_logits_with_errors_both_ways() -> None:
    (spec,) = specs(show(on_shift("a", "sketch", 0.6, 0.4), on_shift("b", "sketch", 0.5, 0.3)), "shift-")
    point, _ = points(spec)
    assert point["x"] == pytest.approx([logit(0.6)])
    assert point["y"] == pytest.approx([logit(0.4)])
    assert point["error_y"]["arrayminus"] == pytest.approx([logit(0.4) - logit(0.4 - 0.0215)], abs=0.01)
    assert point["error_x"]["array"][0] > 0
    for line in ("imagenet: 60.0", "sketch: 40.0", "gap: 20.0", "n = 10,000 and 2,000"):
        assert line in point["customdata"][0]


def test_the_axes_count_in_percent_and_y_equals_x_crosses_the_figure() -> None:
    (spec,) = specs(show(*(on_shift(model, "sketch", 0.8, 0.02) for model in "ab")), "shift-")
    (identity,) = (trace for trace in spec["data"] if trace["meta"].get("role") == "second")
    assert identity["x"] == identity["y"] == pytest.approx(spec["layout"]["xaxis"]["range"], abs=1e-4)
    axis = spec["layout"]["yaxis"]
    assert axis["range"][0] < logit(0.02) < logit(0.8) < axis["range"][1]
    percents = [float(text.removesuffix("\u202f%")) for text in axis["ticktext"]]
    assert percents == sorted(percents)
    assert axis["tickvals"] == pytest.approx([logit(percent / 100) for percent in percents])


def test_published_models_are_told_by_training_and_hollow_where_not_class_matched(behind: Behind) -> None:
    behind(published("sketch", MODELS))
    page = show(on_shift("a", "sketch", 0.63, 0.42, baseline=PUBLISHED))
    (spec,) = specs(page, "shift-")
    by_training = {trace["meta"]["training"]: trace for trace in points(spec, "training")}
    assert {number: len(trace["x"]) for number, trace in by_training.items()} == {0: 3, 1: 1, 4: 1, 5: 1}
    assert by_training[4]["meta"]["hollow"] == [True]
    assert "among all its classes" in by_training[4]["customdata"][0][-1]
    assert by_training[0]["meta"]["hollow"] == [False] * 3
    assert by_training[0]["customdata"][0][-1] == ", in the baseline"
    assert roles(spec)[:3] == ["band", "second", "baseline"]
    text = words(page)
    for said in ("standard (3)", "more data (1)", "zero-shot (1)", "other or undeclared (1)", "not class-matched"):
        assert said in text
    assert "fitted to 87 models of the ImageNet testbed" in text


def test_the_packaged_models_stand_behind_the_run_s() -> None:
    page = words(show(on_shift("m", "imagenet-r", 0.86, 0.69, baseline=PUBLISHED)))
    for said in ("standard (82)", "not class-matched", "Taori et al. 2020", "licence: MIT", "And: open_clip results;"):
        assert said in page


def test_points_without_a_logit_stand_at_the_edge_and_are_named(behind: Behind) -> None:
    behind(published("a", (*MODELS, published_model("resnet50", 0.6, 0.0))))
    page = show(on_shift("m", "a", 1.0, 0.5, baseline=PUBLISHED))
    (spec,) = specs(page, "shift-")
    standard = next(trace for trace in spec["data"] if trace["meta"].get("training") == 0)
    assert standard["y"][-1] == pytest.approx(spec["layout"]["yaxis"]["range"][0], abs=1e-4)
    (model,) = points(spec)
    assert model["x"] == pytest.approx([spec["layout"]["xaxis"]["range"][1]])
    assert "have no place on such an axis: m, resnet50" in words(page)


def test_weak_published_models_do_not_take_the_room(behind: Behind) -> None:
    behind(published("sketch", (*MODELS, published_model("linear", 0.01, 0.001, ""))))
    page = show(on_shift("m", "sketch", 0.63, 0.4, baseline=PUBLISHED))
    (spec,) = specs(page, "shift-")
    assert spec["layout"]["xaxis"]["range"][0] > logit(0.4)
    assert '["linear"' not in page
    assert "1 published models with less on imagenet lie outside the figure" in words(page)


def test_lines_of_the_run_have_no_published_models_and_those_that_differ_are_said() -> None:
    lines = (
        on_shift(name, "imagenet-r", 0.63, 0.42, baseline=OWN, intercept=-1.9 + 0.1 * (name == "b")) for name in "ab"
    )
    page = show(*lines)
    assert "fitted to 87 models of this run" in words(page)
    assert "The line is that of a; those of other models differ." in words(page)
    assert not points(specs(page, "shift-")[0], "training")


def test_gaps_are_sorted_with_the_mean_and_the_worst_shift_marked() -> None:
    page = show(*three_shifts("a"), *three_shifts("b", worse=0.3))
    first, second = specs(page, "gaps-")
    bars, mean = first["data"]
    assert bars["x"] == pytest.approx([0.21, 0.08, 0.02])
    assert first["layout"]["yaxis"]["ticktext"] == ["<b>sketch</b>", "films", "photos"]
    assert mean["x"] == pytest.approx([0.63 - (0.42 + 0.61 + 0.55) / 3] * 2)
    assert first["layout"]["xaxis"]["range"] == second["layout"]["xaxis"]["range"]
    assert "mean 10.3 points [9.3, 11.3]" in words(page).replace("\u202f", " ")


def test_prompt_sets_and_subsets_are_figures_of_their_own() -> None:
    ways = ({"prompts": "photo"}, {"prompts": "name"}, {"prompts": "photo", "subset": "limit 100"})
    page = show(*(on_shift(model, "sketch", 0.6, 0.4, **way) for way in ways for model in "ab"))
    assert len(specs(page, "shift-")) == 3
    for said in ("sketch photo ", "sketch name ", "sketch photo, limit 100"):
        assert said in words(page)


def test_a_note_of_all_models_is_said_once_and_that_of_one_with_its_name() -> None:
    notes = ("Labels differ.", "Below the line's range.")
    text = words(
        show(*(on_shift(name, "sketch", 0.6, 0.4, notes=notes[:count]) for name, count in (("a", 2), ("b", 1))))
    )
    assert text.count("Labels differ.") == 1
    assert "a : Below the line's range." in text
    assert "a, b : Labels differ." not in text


def test_what_cannot_be_compared_or_broke_is_said() -> None:
    about = Subject(("a",), ("sketch",), reference="imagenet")
    silent = result("robustness", about, notes=("Not compared: prompts differ.",))
    text = words(show(silent, result("robustness", Subject(), status="failed", error="KeyError: 'x'")))
    assert "a on sketch against imagenet : Not compared: prompts differ." in text
    assert "Not made: KeyError: 'x'" in text


def test_classes_that_only_one_set_has_are_listed() -> None:
    text = words(show(on_shift("a", "sketch", 0.6, 0.4, unmatched=145)))
    assert "class 0 imagenet class 1 imagenet" in text
    assert "100 of 145 rows; the others are in the results folder." in text


@pytest.mark.parametrize(("count", "named"), [(4, True), (9, False)])
def test_names_stand_clear_of_each_other_and_of_many_models_there_are_none(count: int, named: bool) -> None:
    results = (on_shift(f"m{place}", "sketch", 0.6 + place / 100, 0.4 + place / 200) for place in range(count))
    (spec,) = specs(show(*results), "shift-")
    assert len(points(spec)) == count
    assert (len({trace.get("textposition") for trace in points(spec)}) > 1) == named
    assert all(("text" in trace) == named for trace in points(spec))


def test_a_pair_is_shown_with_the_share_closed_and_the_way_between() -> None:
    rows = [("sketch", 0.42, 0.31, 0.21, 0.44, 1 - 0.21 / 0.44), ("photos", 0.7, 0.36, -0.06, 0.4, 1.15)]
    assert specs(show(pair("a", [("sketch", 0.42, 0.31, 0.0, -0.1, None)], way=False)), "way-") == []
    page = show(pair("a", rows))
    (spec,) = specs(page, "pair-")
    assert [trace.get("name", "") for trace in spec["data"]] == ["", "zero-shot", "fitted head"]
    assert spec["data"][1]["x"] == [0.42, 0.7]
    (way,) = specs(page, "way-")
    assert len(way["data"][0]["x"]) == 11
    for said in (
        *("gap of fitted head, points share closed", "52.3 %", "115.0 %"),
        "gains 15.0 points [13.0, 17.0] there and makes no difference that can be told (−4.0 points [−10.0, +2.0])",
        "on 2 shifts",
    ):
        assert said in words(page)


def test_the_published_pair_is_shown_with_its_notes() -> None:
    analysis = load_analysis("published_pair")
    (finding,) = analysis.analyse(None, None)  # type: ignore[arg-type]
    tables = {name: Table.of(frame) for name, frame in finding.tables.items()}
    page = show(result("published_pair", finding.about, tables=tables, notes=finding.notes))
    (spec,) = specs(page, "pair-")
    assert [trace.get("name", "") for trace in spec["data"]] == ["", "zero-shot CLIP", "ResNet-101"]
    for said in ("133.0 %", "up to 75 %", "not class-matched"):
        assert said in words(page)


@pytest.mark.parametrize(("room", "shifts", "panels"), [(2, 2, 0), (3, 3, 0), (5, 3, 2)])
def test_figures_beyond_the_limit_leave_their_numbers(room: int, shifts: int, panels: int) -> None:
    page = show(*three_shifts("a"), *three_shifts("b"), figures=room)
    assert (len(specs(page, "shift-")), len(specs(page, "gaps-"))) == (shifts, panels)
    assert (f"{5 - room} more figures are left out" in words(page)) == (room < 5)
    assert words(page).count("imagenet →") == 3


def test_hostile_results_stay_texts(behind: Behind) -> None:
    texts = list(HOSTILE.values())
    evil = on_shift(texts[0], texts[1], 0.6, 0.4, reference=texts[2], baseline=texts[3], notes=tuple(texts))
    evil = replace(
        evil, tables={**evil.tables, "unmatched_classes": Table((texts[4], texts[5]), ((texts[6], texts[7]),))}
    )
    more = on_shift(texts[0], texts[3], 0.6, 0.3, reference=texts[2])
    summary = replace(over_shifts([evil, more]), notes=tuple(texts))
    models = replace(published(texts[1], [published_model(texts[1], 0.5, 0.4, texts[0])]), citation=texts[0])
    behind(models)
    page = show(evil, more, summary, pair(texts[0], [(texts[1], 0.4, 0.3, 0.1, 0.2, 0.5)]))
    outline = Outline(page)
    assert not [tag for tag, _ in outline.elements if tag in {"img", "b"}]
    assert {attributes.get("class", "")[:5] for attributes in outline.all("svg")} == {"glyph"}
    for spec in specs(page, "(?:shift|gaps|pair)-"):
        assert "<script" not in json.dumps(spec)
        assert "onerror=alert(1)>" not in json.dumps(spec)
    assert all(" ".join(text.split()) in outline.text for text in texts)


def test_a_table_that_is_damaged_costs_this_section_alone(
    make_results: Callable[..., Results], found: Callable[..., None]
) -> None:
    shift, results = on_shift("a", "sketch", 0.6, 0.4, baseline=PUBLISHED), make_results(classification("a", "d", 0.6))
    found(shift)
    page = render_page(results)
    assert page.index('id="leaderboard"') < page.index('id="robustness"') < page.index('id="details"')
    assert 'id="comparisons"' not in page
    found(replace(shift, tables={"baseline": Table(("source",), ((PUBLISHED,),))}))
    page = render_page(results)
    assert "This section could not be made" in page
    assert 'id="details"' in page


def test_jobs_on_views_and_matched_classes_stay_out_of_the_board_but_not_out_of_the_page(
    make_results: Callable[..., Results],
) -> None:
    whole = classification("a", "imagenet", 0.6)
    matched = replace(whole, hash="m" * 32, matched="sketch")
    failed = replace(failure("a", "imagenet", "out of disk"), hash="f" * 32, view="fog/3")
    results = make_results(whole, matched, view_job("a", "imagenet", "fog/2", 0.3), failed)
    assert leaderboard(results).shape == (1, 1)
    text = Outline(render_page(results)).text
    assert "2 on changed images and 1 among the classes of another set" in text
    assert "a on imagenet, fog/3: out of disk" in text


FRACTION, GAP, DIFFERENCE = ("fraction", True), ("gap", False), ("difference", True)
SPECS = {
    "robustness": {
        **dict.fromkeys(("gap", "mean_gap"), GAP),
        **dict.fromkeys(("effective_robustness", "mean_effective_robustness", "relative_robustness"), DIFFERENCE),
        **dict.fromkeys(("reference_top1", "shift_top1", "worst_shift_top1", "mean_shift_top1"), FRACTION),
        "relative_gap": ("fraction", False),
        "logit_gap": ("logit", False),
        "expected_top1": ("fraction", None),
    },
    "robustness_pair": dict.fromkeys(("reference_gain", "mean_shift_gain"), DIFFERENCE),
    "corruption_error": {
        **dict.fromkeys(("mce", "mce_14", "relative_mce", "relative_mce_14"), ("fraction", False)),
        **dict.fromkeys(("clean_top1", "corrupted_top1"), FRACTION),
        "corruption_gap": GAP,
    },
}


@pytest.mark.parametrize("analysis", SPECS)
def test_every_metric_has_a_unit_a_direction_and_a_meaning(analysis: str) -> None:
    specs = [Declared.by(load_analysis(analysis)).metric(metric) for metric in SPECS[analysis]]
    assert {spec.name: (spec.unit, spec.higher_is_better) for spec in specs} == SPECS[analysis]
    assert all(spec.definition for spec in specs)
    assert [spec.label for spec in specs if spec.name == "relative_mce_14"] in ([], ["relative mCE-14"])
