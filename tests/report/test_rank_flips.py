"""The matrix of models that change places with the wording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from clipbench.report.leaderboard import make_board
from clipbench.report.page import environment
from clipbench.report.sections.comparisons import section as comparisons
from clipbench.report.sections.comparisons.rank_flips import MOST, NUMBERED, matrix
from clipbench.results.records import JobResult, Pedigree, Record, Table

from .made_up import HOSTILE

COLUMNS = ("first", "second", "first_ahead", "second_ahead", "ties", "flip_share", "survives")
COLUMNS += ("difference", "low", "high", "p_holm")


def finding(models: Sequence[str], shares: Sequence[float] | None = None, p_holm: float = 0.01) -> JobResult:
    pairs = list(combinations(models, 2))
    shares = shares or [0.0] * len(pairs)
    rows = tuple(
        (*pair, 8, 2, 0, share, "no" if share else "yes", 0.1, 0.0, 0.2, p_holm)
        for pair, share in zip(pairs, shares, strict=True)
    )
    return JobResult(
        "h",
        " · ".join(models),
        "toys",
        "test",
        "rank_stability",
        "wording",
        "done",
        Pedigree(),
        (Record("kendall_tau", 0.9, "tau", main=True),),
        tables={"rank_flips": Table(COLUMNS, rows)},
    )


def markup(*findings: JobResult) -> str:
    sections = comparisons.sections(findings, make_board([]))
    return environment().get_template("comparisons.html.j2").render(comparisons=sections, series={}, coloured=False)


def test_a_pair_has_its_share_on_both_sides_of_an_empty_diagonal() -> None:
    found = matrix(finding(["b", "a", "c"], [0.25, 0.0, 0.5]))
    assert found is not None
    assert [model for model, _ in found.models] == ["b", "a", "c"]
    assert [[cell.text for cell in row] for row in found.rows] == [
        ["", "25.0", "0.0"],
        ["25.0", "", "50.0"],
        ["0.0", "50.0", ""],
    ]
    assert [cell.shade for cell in found.rows[1]] == [0.5, 0.0, 1.0]
    assert found.rows[2][1].says == "50.0\u202f%: a ahead with 8 templates, c ahead with 2, equal with 0"
    assert found.sentence == "Most often a and c: 50.0\u202f%; 1 of 3 pairs never changes places."


def test_a_pointer_is_told_with_how_many_templates_either_is_significantly_ahead() -> None:
    known = finding("abc", [0.25, 0.0, 0.5])
    columns, rows = known.tables["rank_flips"].columns, known.tables["rank_flips"].rows
    more = (*columns, "first_significant", "second_significant")
    table = Table(more, tuple((*row, 5, 1) for row in rows))
    found = matrix(replace(known, tables={"rank_flips": table}))
    assert found is not None
    assert found.rows[0][1].says.endswith("equal with 0; significantly ahead with 5 and 1")


def test_bold_is_a_claim_that_holds_with_every_template_and_is_significant() -> None:
    certain, doubtful = (matrix(finding("abc", [0.25, 0.0, 0.5], p)) for p in (0.01, 0.2))
    assert certain is not None
    assert doubtful is not None
    assert [cell.firm for cell in certain.rows[0]] == [False, False, True]
    assert not any(cell.firm for row in doubtful.rows for cell in row)


def test_where_nothing_flips_it_says_so() -> None:
    found = matrix(finding("abc"))
    assert found is not None
    assert found.sentence == "None of 3 pairs changes places."


def test_two_models_and_damaged_tables_have_no_matrix() -> None:
    assert matrix(finding("ab")) is None
    broken = finding("abc")
    damaged = Table(COLUMNS, tuple((*row[:5], "?", *row[6:]) for row in broken.tables["rank_flips"].rows))
    assert matrix(JobResult("h", "m", "d", "test", "t", "", "done", Pedigree(), tables={"rank_flips": damaged})) is None
    assert matrix(JobResult("h", "m", "d", "test", "t", "", "done", Pedigree())) is None


def test_with_many_models_cells_say_their_number_to_pointers_and_screen_readers_alone() -> None:
    few, many = (finding([f"m{at}" for at in range(count)]) for count in (NUMBERED, NUMBERED + 1))
    assert "heat matrix bare" not in markup(few)
    page = markup(many)
    assert '<table class="heat matrix bare">' in page
    assert page.count("m0 ahead with 8 templates, m1 ahead with 2") == 2
    assert "Bold" not in page


def test_of_more_models_than_it_has_room_for_the_best_are_shown() -> None:
    found = matrix(finding([f"m{at}" for at in range(MOST + 3)]))
    assert found is not None
    assert len(found.models) == len(found.rows) == MOST
    assert found.left_out == 3
    assert "3 more models are left out." in markup(finding([f"m{at}" for at in range(MOST + 3)]))


def test_long_names_are_cut_and_stand_whole_in_the_title() -> None:
    names = [f"open_clip:a-very-long-architecture-{at}/laion2b_s34b_b79k" for at in range(3)]
    page = markup(finding(names))
    assert f'<bdi title="{names[0]}">a-very-long-architecture-0</bdi>' in page


def test_the_table_of_pairs_names_the_share_and_its_difference() -> None:
    (section,) = comparisons.sections([finding("abc", [0.25, 0.0, 0.5])], make_board([]))
    (grid,) = section.rows[0].tables
    # The largest share comes first.
    shown = dict(zip([head.text for head in grid.heads], grid.rows[1], strict=True))
    assert shown["order flips"].text == "25.0\u202f%"
    assert (shown["difference, points"].text, shown["difference, points"].small) == ("+10.0", "[0.0, +20.0]")


def test_names_of_models_and_data_sets_are_text() -> None:
    page = markup(finding(["a", HOSTILE["quotes"], HOSTILE["script"]]))
    assert HOSTILE["script"] not in page
    assert "<svg/onload" not in page


def test_of_many_data_sets_the_first_are_open() -> None:
    page = markup(*[finding("abc") for _ in range(8)])
    assert page.count('class="chart flips"') == 8
    assert "<summary>2 more data sets</summary>" in page
