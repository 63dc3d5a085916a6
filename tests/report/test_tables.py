"""The leaderboard as a frame, CSV, Markdown, LaTeX and plain text."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from clipbench.report import tables
from clipbench.results.folder import Results

from ..conftest import user_error
from .made_up import HOSTILE, classification, failure, retrieval

Make = Callable[..., Results]


def test_numbers_are_those_of_the_wide_table(plausible: Results, make_results: Make) -> None:
    results = make_results(*(job for job in plausible.jobs() if job.status == "done"), name="finished")
    wide = results.wide()
    board = tables.leaderboard(results).reindex_like(wide)
    pd.testing.assert_frame_equal(board, wide, check_names=False, check_dtype=False)


def test_intervals_as_text(make_results: Make) -> None:
    results = make_results(classification("a", "digits", 0.912), failure("b", "digits", "missing"))
    column = "digits (top-1, %; n = 1,000)"
    assert tables.leaderboard(results, intervals="range")[column].tolist() == ["91.2 [89.3, 92.8]", "failed"]
    assert tables.leaderboard(results, intervals="half-width")[column].tolist() == ["91.2 ± 1.8", "failed"]


def test_another_metric(make_results: Make) -> None:
    results = make_results(classification("a", "digits", 0.5), retrieval("a", "captions", 0.4))
    assert tables.leaderboard(results, "top5").to_dict() == {"digits": {"a": 0.7}}
    # Ranks are no percentages.
    frame = tables.leaderboard(results, "text_to_image_median_rank", intervals="range")
    assert frame.to_dict() == {"captions (text to image median rank; n = 500)": {"a": "12 [10, 14.5]"}}
    error = user_error(tables.leaderboard, results, "top_1")
    assert str(error).endswith("no job reports 'top_1'; did you mean 'top1'?")


def test_what_cannot_be_compared_carries_its_mark_into_every_text(make_results: Make) -> None:
    jobs = [classification(model, "digits", 0.5) for model in "ab"]
    odd = classification("c", "digits", 0.9)
    jobs.append(replace(odd, pedigree=replace(odd.pedigree, prompts="other")))
    results = make_results(*jobs)
    note = "†1 digits: prompts differ from a and b; not ranked."
    assert tables.footnotes(results) == (note,)
    frame = tables.leaderboard(results, intervals="half-width")
    assert frame.loc["c", "digits (top-1, %; n = 1,000)"] == "90.0 ± 1.9 †1"
    assert note in tables.to_markdown(frame, tables.footnotes(results))
    assert r"1.9 \textdagger{}1" in tables.to_latex(frame)
    assert note in tables.wide_text(results)


def test_what_the_marks_of_cells_mean_stands_below_every_text(make_results: Make) -> None:
    jobs = [classification(model, "digits", share) for model, share in (("a", 0.11), ("b", 0.6), ("c", 0.61))]
    jobs = [replace(job, records=(replace(job.records[0], chance=0.1, commonest=0.1),)) for job in jobs]
    jobs[2] = replace(jobs[2], run_metadata={"trained_on": ["digits"]})
    results = make_results(*jobs)
    frame, notes = tables.leaderboard(results, intervals="half-width"), tables.footnotes(results)
    (column,) = frame
    assert column == "digits (top-1, %; n = 1,000; chance 10.0\u202f%)"
    assert frame[column].to_dict() == {"c": "61.0 ± 3.0 •‡", "b": "60.0 ± 3.0 •", "a": "11.0 ± 1.9 ○"}
    assert [note[0] for note in notes] == ["•", "○", "‡"]
    assert "by the models' own intervals" in notes[0]
    assert "The board's 3 comparisons of pairs hold together" in notes[0]
    for note in notes:
        assert note in tables.to_markdown(frame, notes)
    assert r"3.0 \textbullet{}\textdaggerdbl{}" in tables.to_latex(frame, notes)
    assert r"1.9 \ensuremath{\circ}" in tables.to_latex(frame, notes)
    assert "61.0 [57.9, 64.0] •‡" in tables.wide_text(results)


def test_csv_keeps_numbers_and_names_as_they_are(make_results: Make) -> None:
    results = make_results(
        classification('a,"b"\nc', "digits", 0.5), failure("z", "digits", "missing"), classification("a", "more", 0.25)
    )
    rows = list(csv.reader(io.StringIO(tables.to_csv(tables.leaderboard(results)))))
    assert rows[0] == ["model", "digits", "more"]
    assert sorted(rows[1:]) == [["a", "", "0.25"], ['a,"b"\nc', "0.5", ""], ["z", "", ""]]


def test_no_name_is_a_formula_in_a_spreadsheet_and_numbers_stay() -> None:
    frame = pd.DataFrame({"=cmd()": [-0.5], "@x": ["-1.5"], "y": ["+a"]}, index=pd.Index(["-2+3"], name="model"))
    assert list(csv.reader(io.StringIO(tables.to_csv(frame)))) == [
        ["model", "'=cmd()", "'@x", "y"],
        ["'-2+3", "-0.5", "-1.5", "'+a"],
    ]


def test_markdown_cells_cannot_be_broken_by_names() -> None:
    frame = pd.DataFrame(
        {"a|b": ["1"], "new\nline": ["`x`"], "<b>&": ["[x](http://y)"], "*s* _u_ a_b": ["\\"]},
        index=pd.Index(["m|n"], name="model"),
    )
    assert tables.to_markdown(frame).splitlines() == [
        r"| model | a\|b | new line | &lt;b&gt;&amp; | \*s\* \_u\_ a_b |",
        "| --- | ---: | ---: | ---: | ---: |",
        r"| m\|n | 1 | \`x\` | [x]\(http://y) | \\ |",
    ]


def test_latex_specials_are_escaped() -> None:
    frame = pd.DataFrame({"50% & more": [r"a_b#{c}~^\$ ± 1"]}, index=pd.Index(["[x]"], name="model"))
    assert tables.to_latex(frame) == (
        "\\begin{tabular}{lr}\n"
        "\\toprule\n"
        "model & 50\\% \\& more \\\\\n"
        "\\midrule\n"
        "{}[x] & a\\_b\\#\\{c\\}\\textasciitilde{}\\textasciicircum{}\\textbackslash{}\\$ \\ensuremath{\\pm} 1 \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
    )


def test_plain_text_is_aligned_and_cannot_command_a_terminal(make_results: Make) -> None:
    results = make_results(*(classification(name, "digits", 0.5) for name in ("a", "\x1b[31mred", "模型")))
    text = tables.wide_text(results)
    assert "\x1b" not in text
    assert r"\x1b[31mred" in text
    rows = text.splitlines()
    assert rows[0] == "model        digits (top-1, %; n = 1,000)"
    assert "模型         50.0 [46.9, 53.1]" in rows


def test_wide_text_turns_a_wide_table_round(plausible: Results) -> None:
    lines = tables.wide_text(plausible).splitlines()
    assert lines[0].split() == ["data", "set", "task", "setting", "n", "metric", "clip-tiny", "clip-random"]
    assert any(line.startswith("scenes-distance") and line.endswith("failed") for line in lines)


def test_few_shot_columns_in_every_text(fitted: Results) -> None:
    lines = tables.wide_text(fitted).splitlines()
    assert max(map(len, lines)) <= 120
    rows = [line.split("  ") for line in lines if line.startswith("digits")]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert [row[2] for row in cells if row[1] == "few-shot"] == ["1 shot", "2 shots", "4 shots", "8 shots", "16 shots"]
    others = ["zero-shot classification", "linear probe", "k nearest neighbours", "WiSE-FT head"]
    assert [row[1] for row in cells if row[1] != "few-shot"] == others
    frame = tables.leaderboard(fitted, intervals="range")
    rows = tables.to_markdown(frame).splitlines()
    assert len({row.count("|") for row in rows}) == 1
    assert "digits (few_shot, 16 shots) (top-1, %; n = 300)" in rows[0]
    assert r"digits (few\_shot, 16 shots)" in tables.to_latex(frame)
    head = tables.to_csv(tables.leaderboard(fitted)).splitlines()[0]
    assert '"digits (few_shot, 2 shots)","digits (few_shot, 4 shots)"' in head


def test_nothing_finished(make_results: Make) -> None:
    results = make_results()
    assert tables.wide_text(results) == "No job has finished yet.\n"
    assert tables.leaderboard(results).empty
    assert tables.to_markdown(tables.leaderboard(results)) == "| model |\n| --- |\n"


def test_forty_models_on_thirty_sets_with_hostile_names(make_results: Make) -> None:
    jobs = [
        classification(f"{name} {model}", f"set {number}", 0.01 * model + 0.01 * number)
        for model, name in zip(range(40), list(HOSTILE.values()) * 5, strict=True)
        for number in range(30)
    ]
    results = make_results(*jobs)
    frame = tables.leaderboard(results, intervals="range")
    markdown = tables.to_markdown(frame).splitlines()
    assert (frame.shape, len(markdown)) == ((40, 30), 42)
    assert {len(row.replace(r"\|", "").split("|")) for row in markdown} == {33}
