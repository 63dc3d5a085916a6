"""What analyses found, as a section of the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from clipbench.report.leaderboard import make_board
from clipbench.report.page import environment, render
from clipbench.report.sections.comparisons import section as comparisons
from clipbench.report.text import numbers
from clipbench.results.folder import Results
from clipbench.results.records import Record, Table

from .fitted import difference, finding
from .made_up import HOSTILE, classification
from .test_page import Outline

Make = Callable[..., Results]

BOARD = make_board(
    [
        *(classification(model, "d10", 0.5) for model in ("b", "a")),
        classification("a", "d2", 0.5),
        classification("a", "d1", 0.5, regime="shift"),
    ]
)


def markup(*sections: comparisons.Section) -> str:
    template = environment().get_template("comparisons.html.j2")
    return template.render(comparisons=sections, series={}, coloured=False)


def test_differences_are_points_with_a_sign_and_bold_where_zero_is_left_out() -> None:
    found = [
        finding("a", "d2", [difference(0.042, 0.021, 0.063)]),
        finding("b", "d10", [difference(-0.0131, -0.05, 0.02)]),
    ]
    (section,) = comparisons.sections(found, BOARD)
    assert section.title == "Linear probe against zero-shot"
    assert [head.text for head in section.heads] == ["top-1 difference, points"]
    assert [[(cell.text, cell.interval, cell.clear) for cell in row.cells] for row in section.rows] == [
        [("+4.2", "[+2.1, +6.3]", True)],
        [("−1.3", "[−5.0, +2.0]", False)],
    ]


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "0.0"), (-0.0001, "0.0"), (0.00051, "+0.1"), (-0.5, "−50.0"), (None, "–")]
)
def test_a_difference_of_nothing_has_no_sign(value: float | None, shown: str) -> None:
    assert numbers.number(value, "difference") == shown


def test_findings_stand_by_regime_data_set_and_model() -> None:
    found = [finding(model, name, [difference(0.1, 0, 0.2)]) for model in "ba" for name in ("d10", "d2", "d1")]
    (section,) = comparisons.sections(found, BOARD)
    assert [(row.finding.dataset, row.finding.model) for row in section.rows] == [
        ("d2", "a"),
        ("d2", "b"),
        ("d10", "a"),
        ("d10", "b"),
        ("d1", "a"),
        ("d1", "b"),
    ]


def test_a_number_that_is_not_reached_leaves_its_cell_open() -> None:
    reached = Record("shots_to_match", 3.96, "examples per class", 2.0, 5.2, 0.95, "bootstrap", 300)
    found = [
        finding("a", "d2", [difference(0.1, 0.05, 0.2), reached]),
        finding("b", "d2", [replace(reached, value=None, low=None, high=None)], notes=("more than 16",)),
    ]
    (section,) = comparisons.sections(found, BOARD)
    assert [head.text for head in section.heads][1] == "labels to match zero-shot, examples per class"
    assert [(cell.text, cell.interval) for cell in section.rows[0].cells][1] == ("4.0", "[2.0, 5.2]")
    assert [cell.text for cell in section.rows[1].cells] == ["–", "–"]


def test_any_analysis_has_its_section() -> None:
    other = replace(finding("a, b", "d2", [Record("kendall_tau", 0.875, "tau")]), task="rank_stability")
    sections = comparisons.sections([finding("a", "d2", [difference(0.1, 0, 0.2)]), other], BOARD)
    assert [section.title for section in sections] == ["Linear probe against zero-shot", "Rank stability"]
    assert [head.text for head in sections[1].heads] == ["agreement of orders, tau"]


def test_the_page_says_what_was_found_between_leaderboard_and_data_sets(fitted: Results) -> None:
    page = render(fitted)
    assert page.index('id="leaderboard"') < page.index('id="comparisons"') < page.index('id="sets"')
    assert '<a href="#comparisons">Comparisons</a>' in page
    text = Outline(page).text
    assert "labelled examples a class" in text
    assert "linear probe against zero-shot (photo)" in text
    assert "Accuracy by labelled examples" in text
    assert "95 % paired bootstrap" in text
    assert "95 % t-interval over random draws of the training examples" in text


def test_without_findings_there_is_no_section(plausible: Results) -> None:
    page = render(plausible)
    assert 'id="comparisons"' not in page
    assert 'href="#comparisons"' not in page


def test_jobs_that_cannot_be_set_side_by_side_are_listed_with_the_reason(fitted: Results) -> None:
    for path in (fitted.folder / "examples").glob("*.parquet"):
        path.unlink()
    text = Outline(render(fitted)).text
    assert text.count("Not compared:") == 6
    assert "per-example table is missing" in text


def test_an_analysis_that_broke_is_said_and_hides_no_other() -> None:
    broken = replace(finding("", "", []), status="failed", error="KeyError: 'label'")
    other = replace(finding("a", "d2", [Record("kendall_tau", 0.875, "tau")]), task="rank_stability")
    first, second = comparisons.sections([broken, other], BOARD)
    assert (first.errors, first.rows) == (("KeyError: 'label'",), ())
    assert [row.finding for row in second.rows] == [other]
    assert "Not made: KeyError: 'label'" in Outline(markup(first)).text


def test_hostile_findings_stay_texts() -> None:
    texts = list(HOSTILE.values())
    extra = Table((texts[0], texts[1]), ((texts[2], texts[3]),))
    found = replace(
        finding(texts[0], texts[1], [Record(texts[7], 0.5, texts[2])], tables={texts[4]: extra}, notes=tuple(texts)),
        variant=texts[5],
        task=texts[3],
    )
    outline = Outline(markup(*comparisons.sections([found], BOARD)))
    assert not [tag for tag, _ in outline.elements if tag in {"script", "img", "svg", "b"}]
    assert all(" ".join(text.split()) in outline.text for text in texts)
