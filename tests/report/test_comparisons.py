"""What analyses found, as a section of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import pytest

from clipbench.report.figures.matrix import MOST, NUMBERED
from clipbench.report.page import render as render_page
from clipbench.report.sections.comparisons.section import ComparisonsSection, Part, matrix
from clipbench.report.sections.corruptions.section import CorruptionsSection
from clipbench.report.sections.error_consistency.section import ErrorConsistencySection
from clipbench.report.sections.robustness.section import RobustnessSection
from clipbench.results.folder import Results
from clipbench.results.records import AnalysisResult, Record, Subject
from clipbench.tasks.base import Condition

from .boxes import boxes, unfolded
from .findings import difference, finding, page_data, render, result, said, table
from .made_up import HOSTILE, classification
from .test_page import Outline

SECTION = ComparisonsSection()
JOBS = (
    *(classification(model, "d10", share) for model, share in (("b", 0.5), ("a", 0.6))),
    classification("a", "d2", 0.6),
    classification("a", "d1", 0.6, regime="shift"),
)
CURVE = {"what": "few_shot", "examples_per_class": 16, "top1": 0.4, "low": 0.3, "high": 0.5}


def parts(*results: AnalysisResult) -> tuple[Part, ...]:
    return SECTION.show(page_data(*results, jobs=JOBS), 0) or ()


def markup(*results: AnalysisResult) -> str:
    return render(SECTION, page_data(*results))


def probe(model: str, dataset: str, *records: Record) -> AnalysisResult:
    curve = table({**CURVE, "what": "zero_shot", "examples_per_class": 0, "top1": 0.9}, CURVE)
    measured = records or [difference("top1_difference", 0.1, 0.05)]
    return finding("probe_vs_zero_shot", [model], dataset, measured, tables={"shots_curve": curve})


def test_differences_are_points_with_a_sign_and_bold_where_zero_is_left_out() -> None:
    values = {"a": (0.042, 0.021), "b": (-0.0131, 0.035)}
    found = [probe(model, "d2", difference("top1_difference", *value)) for model, value in values.items()]
    (part,) = parts(*found)
    assert part.title == "Linear probe against zero-shot"
    assert [head.text for head in part.heads] == ["top-1 difference, points"]
    assert [[(cell.text, cell.small, cell.clear) for cell in row.cells] for row in part.rows] == [
        [("+4.2", "[+2.1, +6.3]", True)],
        [("−1.3", "[−4.8, +2.2]", False)],
    ]
    assert [sentence.partition(" (n")[0] for sentence in (said(found[0])[0], said(found[1])[0])] == [
        "The linear probe is 4.2\u202fpoints [2.1, 6.3] better than zero-shot in top-1",
        "The linear probe cannot be told apart from zero-shot in top-1 (difference −1.3\u202fpoints [−4.8, +2.2])",
    ]


def test_results_stand_by_regime_data_set_and_model() -> None:
    (part,) = parts(*(probe(model, name) for model in "ba" for name in ("d10", "d2", "d1")))
    order = [(row.result.about.dataset, row.result.about.model) for row in part.rows]
    assert order == [(name, model) for name in ("d2", "d10", "d1") for model in "ab"]


def test_a_number_that_is_not_reached_leaves_its_cell_open() -> None:
    reached = Record("shots_to_match", 4.0, "examples per class", 2.0, 6.0, 0.95, "images and draws", n=300)
    missed = replace(reached, value=None, low=None, high=None, params={"at_least": 16.0, "at_most": None})
    (part,) = parts(probe("a", "d2", difference("top1_difference", 0.1, 0.05), reached), probe("b", "d2", missed))
    assert part.heads[1].text == "labels to match zero-shot, examples per class"
    assert [(cell.text, cell.small) for cell in part.rows[0].cells][1] == ("4", "[2, 6]")
    assert [cell.text for cell in part.rows[1].cells] == ["–", "–"]


def test_what_is_compared_is_told_by_condition_and_prompts() -> None:
    plain, about = probe("b", "d2"), Subject(("a",), ("d2",), split="val", subset="limit 9")
    first = replace(plain, about=replace(about, prompts="photo", condition=Condition(head="C = 1")))
    told = [(row.subset, row.compared) for row in parts(first, plain)[0].rows]
    assert told == [("split test", ""), ("split val, limit 9", "C = 1, prompts photo")]


def test_an_analysis_without_a_section_has_its_part_after_the_others() -> None:
    known, unknown = parts(finding("nobodys", "ab", "d2", [Record("loudness", 0.5, "dB")]), probe("a", "d2"))
    assert (known.title, unknown.title) == ("Linear probe against zero-shot", "Nobodys")
    assert (unknown.heads[0].text, unknown.rows[0].cells[0].text) == ("loudness, dB", "0.5")


def test_the_page_says_what_was_found_between_leaderboard_and_data_sets(fitted: Results) -> None:
    page = render_page(fitted)
    assert page.index('id="leaderboard"') < page.index('id="comparisons"') < page.index('id="sets"')
    assert '<a href="#comparisons">Comparisons</a>' in page
    kinds = ("95 % interval over test images and random draws of the training examples together",)
    for words in ("labelled examples a class", "prompts photo", "Accuracy by labelled examples", *kinds):
        assert words in Outline(page).text


def test_without_results_there_is_no_section(plausible: Results) -> None:
    sections = (SECTION, RobustnessSection(), CorruptionsSection(), ErrorConsistencySection())
    assert [section.show(page_data(jobs=JOBS), 0) for section in sections] == [None] * 4
    page = render_page(plausible)
    assert 'id="comparisons"' not in page
    assert 'href="#comparisons"' not in page


def test_an_analysis_that_broke_is_said_and_hides_no_other() -> None:
    broken = result("probe_vs_zero_shot", Subject(), status="failed", error="KeyError: 'label'")
    whole = finding("nobodys", "a", "d2")
    first, second = parts(broken, whole)
    assert (first.errors, first.rows) == (("KeyError: 'label'",), ())
    assert [row.result for row in second.rows] == [whole]
    assert "Not made: KeyError: 'label'" in Outline(markup(broken, whole)).text


def test_hostile_results_stay_texts() -> None:
    texts = list(HOSTILE.values())
    extra = table({texts[0]: texts[2], texts[1]: texts[3]})
    records = [Record(texts[7], 0.5, texts[2])]
    found = finding(texts[3], [texts[0]], texts[1], records, tables={texts[4]: extra}, notes=tuple(texts))
    outline = Outline(markup(replace(found, about=replace(found.about, prompts=texts[5]))))
    assert not [tag for tag, _ in outline.elements if tag in {"img", "svg", "b"}]
    assert len(list(outline.all("script"))) == 1
    assert all(" ".join(text.split()) in outline.text for text in texts)


# Which models change places with the wording.

AHEAD = {"first_ahead": 8, "second_ahead": 2, "ties": 0, "first_significant": 5, "second_significant": 1}


def flips(models: Sequence[str], shares: Sequence[float] | None = None, low: float = 0.05) -> AnalysisResult:
    """Nothing is measured, so that no sentence beside the matrix is made."""
    known = {**AHEAD, "difference": 0.1, "low": low, "high": 0.2}
    pairs = list(combinations(models, 2))
    rows = [
        {"first": first, "second": second, "flip_share": share, "survives": "no" if share else "yes"} | known
        for (first, second), share in zip(pairs, shares or [0.0] * len(pairs), strict=True)
    ]
    return finding("rank_stability", models, "toys", tables={"rank_flips": table(*rows)})


def test_a_pair_has_its_share_on_both_sides_of_an_empty_diagonal() -> None:
    found = flips("bac", [0.25, 0.0, 0.5])
    made = matrix(found)
    assert [model for model, _ in made.models] == ["b", "a", "c"]
    assert [[cell.text for cell in row] for row in made.rows] == [
        ["", "25.0", "0.0"],
        ["25.0", "", "50.0"],
        ["0.0", "50.0", ""],
    ]
    assert [cell.shade for cell in made.rows[1]] == [0.5, 0.0, 1.0]
    ahead = "a ahead with 8 templates, c ahead with 2, equal with 0; beyond chance with 5 and 1"
    assert made.rows[2][1].hover == f"50.0\u202f%: {ahead}"
    assert made.sentence == "Most often a and c: 50.0\u202f%; 1 of 3 pairs never changes places."
    assert matrix(flips("abc")).sentence == "None of 3 pairs changes places."
    # In the table below the largest share comes first.
    (grid,) = parts(found)[0].rows[0].tables
    largest = {head.text: (entry.text, entry.small) for head, entry in zip(grid.heads, grid.rows[0], strict=True)}
    assert largest["order flips"] == ("50.0\u202f%", "")
    assert largest["difference, points"] == ("+10.0", "[+5.0, +20.0]")


@pytest.mark.parametrize(("low", "firm"), [(0.05, [False, False, True]), (0.0, [False] * 3)])
def test_bold_is_a_claim_that_holds_with_every_template_and_leaves_out_zero(low: float, firm: list[bool]) -> None:
    made = matrix(flips("abc", [0.25, 0.0, 0.5], low))
    assert [cell.firm for cell in made.rows[0]] == firm
    assert not any(cell.firm for cell in made.rows[1])


def test_two_models_and_results_without_the_table_have_no_matrix() -> None:
    assert matrix(flips("ab")) is None
    assert matrix(finding("rank_stability", "abc", "toys")) is None


def test_with_many_models_the_matrix_is_in_a_closed_box() -> None:
    few, many = (markup(flips([f"m{place}" for place in range(count)])) for count in (NUMBERED, NUMBERED + 1))
    assert ['class="heat matrix"' in page for page in (few, many)] == [True, False]
    assert [block[3] for (block,) in boxes(many) if block[0] == "matrix"] == [0]
    assert ["Bold: one is ahead" in page for page in (few, many)] == [True, False]
    assert "m0 ahead with 8 templates, m1 ahead with 2" in unfolded(many)[0]


def test_of_more_models_than_it_has_room_for_the_best_are_shown() -> None:
    found = flips([f"m{place}" for place in range(MOST + 3)])
    assert (len(matrix(found).models), len(matrix(found).rows)) == (MOST, MOST)
    assert "3 more models are left out." in markup(found)


def test_names_are_text_and_long_ones_are_cut_and_stand_whole_in_the_title() -> None:
    names = [f"open_clip:a-very-long-architecture-{place}/laion2b_s34b_b79k" for place in range(3)]
    assert f'<bdi title="{names[0]}">a-very-long-architecture-0</bdi>' in markup(flips(names))
    page = markup(flips(["a", HOSTILE["quotes"], HOSTILE["script"]]))
    assert not [text for text in (HOSTILE["script"], "<svg/onload") if text in page]


def test_of_many_data_sets_the_first_are_open() -> None:
    page = markup(*[flips("abc")] * 8)
    assert page.count('class="chart pairs"') == 8
    assert "<summary>2 more data sets</summary>" in page
