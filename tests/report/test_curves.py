"""Curves of single jobs and of few-shot: what is drawn, marked and left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import plotly.graph_objects
import pytest

from clipbench.metrics.specs import ColumnSpec, CurveSpec, Declared, TableSpec
from clipbench.report.details import curves_by_job, curves_of
from clipbench.report.figures import axes
from clipbench.report.figures.curve import Curve, draw
from clipbench.report.leaderboard import make_leaderboard
from clipbench.report.page import MAX_FIGURES, render
from clipbench.report.sections.sets import shots
from clipbench.results.folder import Results
from clipbench.results.records import JobResult, Table

from .boxes import boxes
from .fitted import SHOTS, few_shot, head, linear_probe
from .made_up import HOSTILE, classification, proportion

Make = Callable[..., Results]

SPEC = TableSpec(
    "search",
    "Choice of the weight",
    (
        ColumnSpec("weight", unit="number"),
        ColumnSpec("level", "level, dB", "dB", "low", "high"),
        ColumnSpec("fit"),
        ColumnSpec("converged"),
    ),
    curve=CurveSpec("weight", "level", log_x=True, chosen="best", open_ended=True, hollow_unless="converged"),
)
ROWS = [
    {"weight": 10.0, "level": -3.0, "low": -4.0, "high": -2.0, "fit": "warm", "converged": True, "best": True},
    {"weight": 0.1, "level": -1.0, "low": -2.0, "high": 0.0, "fit": "cold", "converged": False, "best": False},
    {"weight": 100.0, "level": -2.0, "low": None, "high": None, "fit": "warm", "converged": True, "best": False},
]
SHARES = TableSpec(
    "mixture",
    "Mixtures",
    (ColumnSpec("k", unit="count"), ColumnSpec("top1", "top-1", "fraction"), ColumnSpec("validation", "", "fraction")),
    curve=CurveSpec("k", "top1", log_x=True, second="validation", second_label="on validation"),
)
MIXED = [{"k": k, "top1": k / 100, "validation": k / 90} for k in (5, 20, 10)]


def drawn(spec: TableSpec, rows: list[dict[str, Any]], chosen_x: object = None) -> Curve:
    curve = draw(spec, rows, chosen_x)
    assert curve is not None
    return curve


def traces(curve: Curve) -> list[dict[str, Any]]:
    return list(curve.figure.spec["data"])


def a_job(spec: TableSpec, columns: tuple[str, ...], *rows: tuple[Any, ...], **params: Any) -> JobResult:
    """A finished job of a task that is not built in."""
    record = replace(proportion("top1", 0.5, main=True), params=params)
    declared = Declared("search", tables=(spec,))
    return head("search", "m", "d", [record], tables={spec.name: Table(columns, rows)}, declared=declared)


def test_rows_are_drawn_by_ascending_x_with_intervals_and_the_choice_ringed() -> None:
    curve = drawn(SPEC, ROWS)
    line, ring = traces(curve)
    assert (line["x"], line["y"]) == ([0.1, 10.0, 100.0], [-1.0, -3.0, -2.0])
    assert line["error_y"]["array"] == [1.0, 1.0, None]
    assert (ring["x"], ring["y"]) == ([10.0], [-3.0])
    assert curve.figure.spec["layout"]["xaxis"]["type"] == "log"
    assert curve.title == "Choice of the weight"
    assert curve.legend == "Level, dB, with intervals; ring: weight = 10; hollow: not converged"
    assert curve.figure.summary.endswith("chosen: weight = 10 with −3\u202fdB")
    assert curve.flag == ""


def test_points_that_lack_their_condition_are_hollow_and_a_pointer_is_shown_the_whole_row() -> None:
    line = traces(drawn(SPEC, ROWS))[0]
    assert line["meta"]["hollow"] == [True, False, False]
    assert line["customdata"][0] == "<b>weight = 0.1</b><br>−1 dB [−2, 0]<br>fit: cold<br>converged: no"


@pytest.mark.parametrize(("open_ended", "flag"), [(True, "best weight at the edge of the grid"), (False, "")])
def test_a_choice_at_an_open_end_is_flagged(open_ended: bool, flag: str) -> None:
    assert SPEC.curve is not None
    spec = replace(SPEC, curve=replace(SPEC.curve, open_ended=open_ended))
    assert drawn(spec, [{**row, "best": row["weight"] == 100} for row in ROWS]).flag == flag


def test_a_second_line_is_dashed_and_fractions_stand_in_percent() -> None:
    curve = drawn(SHARES, MIXED, chosen_x=10)
    second, line, ring = traces(curve)
    assert (second["line"]["dash"], second["y"]) == ("dash", [5 / 90, 10 / 90, 20 / 90])
    assert (line["x"], ring["x"]) == ([5, 10, 20], [10])
    layout = curve.figure.spec["layout"]
    assert layout["xaxis"]["ticktext"] == ["5", "10", "20"]
    assert layout["yaxis"]["ticktext"][-1] == "25\u202f%"
    assert curve.legend == "Top-1; dashed: on validation; ring: k = 10"


def test_a_metric_may_say_which_row_is_ringed() -> None:
    assert SHARES.curve is not None
    spec = replace(SHARES, curve=replace(SHARES.curve, chosen_param=("top1", "neighbours")))
    job = a_job(spec, ("k", "top1"), (5, 0.5), (10, 0.6), neighbours=10)
    assert traces(curves_of(job)["mixture"])[-1]["x"] == [10]


def test_plotly_accepts_the_curves_and_they_hold_no_colours() -> None:
    for curve in (drawn(SPEC, ROWS), drawn(SHARES, MIXED), the_chart(few_shot_jobs("a"))):
        assert plotly.graph_objects.Figure(curve.figure.spec).layout.height == curve.figure.height
        assert "color" not in str(curve.figure.spec)


ODD = {
    "another table": (("a", "b"), (1, "one"), (2, "two")),
    "text for a number": (("weight", "level"), (0.1, "good"), (1.0, 0.5)),
    "no place on a log axis": (("weight", "level"), (0.0, 0.4), (1.0, 0.5)),
    "a single point": (("weight", "level"), (1.0, 0.5)),
    "no row": (("weight", "level"),),
}


@pytest.mark.parametrize("table", ODD.values(), ids=ODD)
def test_a_table_that_is_no_curve_is_not_drawn_but_shown(table: tuple[Any, ...], make_results: Make) -> None:
    job = a_job(SPEC, *table)
    assert curves_of(job) == {}
    page = render(make_results(job))
    assert "data-plot " not in page
    assert all(str(value) in page for row in table[1:] for value in row if isinstance(value, str))


def test_a_page_holds_no_more_figures_than_it_may(make_results: Make) -> None:
    jobs = [linear_probe(f"m{model}", f"d{number}", 0.8) for model in range(9) for number in range(25)]
    page = render(make_results(*jobs))
    # Of each of 25 sets and of the answer; the others are in closed boxes.
    curves = sum(block[0] == "pair" for box in boxes(page) for block in box)
    assert (page.count("data-plot "), curves) == (26, MAX_FIGURES - 26)
    assert curves_by_job(make_leaderboard(jobs), 0) == {}


def few_shot_jobs(*models: str) -> list[JobResult]:
    return [few_shot(model, "d", k, 0.4 + k / 40) for model in models for k in SHOTS]


def the_chart(jobs: list[JobResult]) -> shots.ShotsChart:
    (chart,) = shots.charts(make_leaderboard(jobs))
    return chart


def test_few_shot_is_one_figure_a_data_set() -> None:
    chart = the_chart(few_shot_jobs("a", "b"))
    first, second = chart.figure.spec["data"]
    assert first["y"] == pytest.approx([0.425, 0.45, 0.5, 0.6, 0.8], abs=0.002)
    assert first["x"] == pytest.approx([k * first["x"][0] for k in SHOTS])
    assert second["x"][0] > first["x"][0], "intervals of two models would hide each other"
    assert [name for name, _ in chart.series] == ["a", "b"]
    assert chart.figure.spec["layout"]["xaxis"]["ticktext"] == ["1", "2", "4", "8", "16"]
    assert "sd over draws 6.0 points" in first["customdata"][0]


@pytest.mark.parametrize("number", [1, 5])
def test_a_curve_stands_for_the_bars_of_its_columns_and_a_single_one_has_none(make_results: Make, number: int) -> None:
    page = render(make_results(*few_shot_jobs("a")[:number]))
    assert page.count("data-plot ") == (number > 1)
    assert ('class="legend"' in page) == (number > 1)


def test_features_have_figures_of_their_own() -> None:
    jobs = [*few_shot_jobs("a"), *(few_shot("a", "d", k, 0.5, features="projected") for k in (1, 2))]
    assert [chart.name for chart in shots.charts(make_leaderboard(jobs))] == ["d (test)", "d (test, projected)"]


def test_the_probe_on_the_same_features_and_images_ends_the_line() -> None:
    probe = linear_probe("a", "d", 0.8)
    other = replace(probe, records=(replace(probe.records[0], params={**probe.records[0].params, "features": "x"}),))
    elsewhere = replace(probe, pedigree=replace(probe.pedigree, data="others"))
    for jobs, last in (([other, probe], (1000, 0.8, "diamond")), ([elsewhere], (16, 0.8, "circle"))):
        (line,) = the_chart([*few_shot_jobs("a"), *jobs]).figure.spec["data"]
        assert (line["x"][-1], line["y"][-1], line["marker"]["symbol"][-1]) == last


def test_zero_shot_on_the_same_images_is_drawn_across() -> None:
    zero_shot = classification("a", "d", 0.6, n=300)
    elsewhere = replace(zero_shot, model="b", pedigree=replace(zero_shot.pedigree, data="others"))
    chart = the_chart([*few_shot_jobs("a", "b"), linear_probe("a", "d", 0.9), zero_shot, elsewhere])
    level, *lines = chart.figure.spec["data"]
    assert set(level["y"]) == {0.6}
    assert (min(level["x"]), max(level["x"])) == (1, 1000)
    assert [line["line"].get("dash") for line in lines] == [None, None]
    assert "dashed: zero-shot" in chart.legend


def test_chance_is_drawn_across() -> None:
    jobs = [replace(job, records=(replace(job.records[0], chance=0.1, commonest=0.3),)) for job in few_shot_jobs("a")]
    chart = the_chart(jobs)
    *_, line = chart.figure.spec["data"]
    assert (line["x"], line["y"], line["line"]["dash"]) == ([1, 16], [0.3, 0.3], "dot")
    assert chart.legend.endswith("dotted: chance")


def test_more_models_than_colours_are_counted() -> None:
    chart = the_chart(few_shot_jobs(*(f"m{number}" for number in range(11))))
    assert len(chart.figure.spec["data"]) == 8
    assert [number for _, number in chart.series] == list(range(8))
    assert chart.left_out == 3


def test_a_model_that_was_measured_otherwise_is_pale() -> None:
    jobs = few_shot_jobs("a", "b", "c")
    jobs[-1] = replace(jobs[-1], pedigree=replace(jobs[-1].pedigree, training="other"))
    assert [trace["opacity"] for trace in the_chart(jobs).figure.spec["data"]] == [1.0, 1.0, 0.4]


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_plotly_gets_no_markup_from_a_table_or_from_the_names_of_models(name: str) -> None:
    of_table = traces(drawn(SPEC, [{**row, "fit": name} for row in ROWS]))[0]["customdata"][0]
    of_model = the_chart(few_shot_jobs(name)).figure.spec["data"][0]["customdata"][0]
    assert [(hover[:3], hover.count("<")) for hover in (of_table, of_model)] == [("<b>", 5)] * 2


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.0, 1.0], ["0", "25", "50", "75", "100\u202f%"]),
        ([0.712, 0.748], ["71", "72", "73", "74", "75\u202f%"]),
        ([0.5, 0.5], ["49", "49.5", "50", "50.5", "51\u202f%"]),
        ([0.995, 1.0], ["98", "98.5", "99", "99.5", "100\u202f%"]),
    ],
)
def test_shares_have_round_ticks_and_never_a_magnified_trifle(values: list[float], texts: list[str]) -> None:
    axis = axes.percent(values)
    assert axis["ticktext"] == texts
    assert axis["range"][0] <= min(values) <= max(values) <= axis["range"][1]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1e-6, 1e4], ["10<sup>−6</sup>", "10<sup>−4</sup>", "10<sup>−2</sup>", "1", "100", "10<sup>4</sup>"]),
        ([0.1, 10], ["10<sup>−1</sup>", "1", "10"]),
        ([2.0, 3.0], ["2"]),
    ],
)
def test_decades_are_powers_of_ten(values: list[float], texts: list[str]) -> None:
    assert axes.decades(values, "C")["ticktext"] == texts


def test_counts_that_have_no_room_for_a_label_go_without() -> None:
    axis = axes.counts([1, 2, 4, 8, 16, 1000, 1001, 1100, 128000], "k")
    assert axis["ticktext"] == ["1", "2", "4", "8", "1,000", "128,000"]
