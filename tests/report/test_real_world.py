"""The section 'What is left': a line for each model of its benchmark under shifts, corruptions and other wording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from clipbench.report.sections.real_world.section import RealWorldSection
from clipbench.report.sections.registry import load_sections
from clipbench.results.records import AnalysisResult, JobResult, Record

from .findings import corrupted, difference, on_shift, over_shifts, page_data, render, words
from .made_up import HOSTILE, classification, proportion
from .test_page import Outline
from .test_sentences import WHOLE, Claims, allowed, altered

SECTION = RealWorldSection()


def wording(
    model: str,
    dataset: str = "imagenet",
    *,
    templates: int = 25,
    prompts: str = "wording",
    gain: tuple[float, float] = (0.05, 0.01),
    subset: str = "",
) -> JobResult:
    """A job of prompt sensitivity: 60 % with all templates averaged, 55 % with one of them."""
    job = classification(model, dataset, 0.6, variant=prompts)
    mean = replace(proportion("mean", 0.55, main=True), params={"templates": templates})
    records = (
        mean,
        difference("template_spread", 0.04, 0.01),
        proportion("worst", 0.42),
        proportion("ensemble_top1", 0.6),
        difference("ensemble_gain", *gain),
    )
    pedigree = replace(job.pedigree, subset=subset)
    return replace(job, task="prompt_sensitivity", records=records, tables={}, pedigree=pedigree)


def shifted(model: str, reference: str = "imagenet", *, here: float = 0.7, prompts: str = "") -> AnalysisResult:
    """A model on two shifts of a benchmark."""
    return over_shifts(
        [on_shift(model, name, here, 0.4, reference=reference, prompts=prompts) for name in ("sketch", "rendition")]
    )


def show(*results: AnalysisResult, jobs: Sequence[JobResult] = ()) -> str:
    return words(render(SECTION, page_data(*results, jobs=jobs)))


def test_a_line_says_what_is_left_elsewhere_under_corruptions_and_with_other_wording() -> None:
    text = show(shifted("a"), corrupted("a", "imagenet", 0.9), jobs=[wording("a")])
    assert "40.0 % [39.0, 41.0] under natural shifts , in the mean of 2 sets; 70.0 % on the same classes" in text
    assert ": 30.0 points [29.0, 31.0] lost" in text
    assert "under corruptions , in the mean of" in text
    assert "; 90.0 % on the same images as they are:" in text
    assert "with one wording , in the mean of 25 templates of wording ; 60.0 % with them averaged" in text
    assert ": 5.0 points [4.0, 6.0] lost" in text
    assert "The worst template gets 42.0 % [39.0, 45.1]; the spread over templates is 4.0 points [3.0, 5.0]." in text


def test_what_was_not_measured_is_left_out_of_the_line_and_of_the_table() -> None:
    text = show(shifted("a"), jobs=[wording("a")])
    assert "corruptions," not in text
    assert "under corruptions" not in text
    assert "one template, %" in text
    text = show(shifted("a"), corrupted("a", "imagenet", 0.9), jobs=[wording("a", "digits")])
    assert "template" not in text


@pytest.mark.parametrize(
    ("results", "jobs"),
    [
        ((shifted("a"),), ()),
        ((shifted("a"),), (wording("b"), wording("a", "digits"))),
        ((shifted("a"), corrupted("a", "digits", 0.9)), ()),
        ((), (wording("a"),)),
    ],
    ids=["shifts alone", "another model's or set's wording", "another set's corruptions", "wording alone"],
)
def test_of_one_part_alone_nothing_is_said(results: Sequence[AnalysisResult], jobs: Sequence[JobResult]) -> None:
    assert SECTION.show(page_data(*results, jobs=jobs), 0) is None


def test_it_stands_before_the_sections_that_show_the_parts_at_length() -> None:
    assert next(section.name for section in load_sections()) == "real_world"


def test_models_stand_in_the_leaderboards_order_benchmark_by_benchmark() -> None:
    plain = [classification(model, "imagenet", share) for model, share in (("a", 0.2), ("b", 0.9))]
    results = [shifted(model, name) for name in ("photos", "imagenet") for model in "ab"]
    jobs = [wording(model, name) for name in ("photos", "imagenet") for model in "ab"]
    shown = SECTION.show(page_data(*results, jobs=[*plain, *jobs]), 0)
    assert shown is not None
    assert [(line.reference, line.model) for line in shown.lines] == [
        ("imagenet", "b"),
        ("imagenet", "a"),
        ("photos", "b"),
        ("photos", "a"),
    ]
    assert [table.caption for table in shown.tables] == ["What is left of imagenet", "What is left of photos"]


def test_the_wording_is_that_of_most_templates_and_of_whole_sets_before_parts() -> None:
    few, many = wording("a", templates=6, prompts="names"), wording("a")
    assert "25 templates of wording" in show(shifted("a"), jobs=[few, many])
    assert "6 templates of names" in show(
        shifted("a"), jobs=[few, replace(many, pedigree=wording("a", subset="limit 9").pedigree)]
    )


def test_several_prompts_are_lines_of_their_own_and_say_so() -> None:
    results = [shifted("a", prompts="photo"), shifted("a", here=0.8, prompts="own")]
    text = show(*results, jobs=[wording("a")])
    assert "on imagenet , test, photo" in text
    assert "on imagenet , test, own" in text
    assert "test, photo" not in show(results[0], jobs=[wording("a")])


def test_between_numbers_at_chance_nothing_is_lost() -> None:
    def guessed(record: Record) -> Record:
        return replace(record, chance=0.9) if record.metric in {"mean", "ensemble_top1", "worst"} else record

    job = wording("a")
    job = replace(job, records=tuple(map(guessed, job.records)))
    text = show(shifted("a"), jobs=[job])
    assert "60.0 % with them averaged: no better than chance on either side, so nothing is lost or gained" in text
    assert "The worst template gets 42.0 % [39.0, 45.1], not above chance" in text
    assert "5.0 points [4.0, 6.0] lost" not in text


def test_a_direction_is_said_only_where_an_interval_leaves_out_zero() -> None:
    random, seen = np.random.default_rng(0), set[str]()
    for _ in range(25):
        worlds = [altered(result, random) for result in (shifted("a"), corrupted("a", "imagenet", 0.9))]
        value = float(random.choice([-0.04, 0.0, 0.05]))
        job = wording("a", gain=(value, float(random.choice([0.002, 0.5]))))
        claims = Claims(render(SECTION, page_data(*worlds, jobs=[job])))
        assert claims.unfounded == []
        (gain,) = (record for record in job.records if record.metric == "ensemble_gain")
        of_wording = {"higher"} if (gain.low or 0) > 0 else {"lower"} if (gain.high or 0) < 0 else set[str]()
        assert claims.verdicts & {"higher", "lower"} <= set().union(of_wording, *map(allowed, worlds))
        assert all(world.about.subset in claims.text for world in worlds)
        if any(world.about.subset for world in worlds):
            assert not WHOLE.search(claims.text)
        seen |= claims.verdicts
    assert seen == {"higher", "lower", "not_distinguishable", "undefined"}


def test_names_are_text_never_markup() -> None:
    for text in HOSTILE.values():
        page = render(SECTION, page_data(shifted(text, text), jobs=[wording(text, text, prompts=text)]))
        outline = Outline(page)
        assert not [tag for tag, _ in outline.elements if tag in {"img", "svg", "b", "script"}]
        assert outline.text.count(" ".join(text.split())) > 2
