"""Curves of single jobs and of few-shot: what is drawn, marked and left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import plotly.graph_objects
import pytest

from clipbench.analyses.run import analyse
from clipbench.report.figures import axes, curves, shots
from clipbench.report.leaderboard import make_board
from clipbench.report.page import MAX_FIGURES, render
from clipbench.results.folder import Results
from clipbench.results.records import JobResult, Table

from .fitted import SHOTS, few_shot, finding, knn, linear_probe, wise_ft
from .made_up import HOSTILE

Make = Callable[..., Results]


def traces(curve: curves.Curve) -> list[dict[str, Any]]:
    return list(curve.figure.spec["data"])


def with_table(job: JobResult, name: str, columns: tuple[str, ...], *rows: tuple[Any, ...]) -> JobResult:
    return replace(job, tables={name: Table(columns, rows)})


def test_the_search_for_c_is_drawn_by_ascending_c_with_the_choice_ringed() -> None:
    curve = curves.of_job(linear_probe("m", "d", 0.9))["validation_curve"]
    line, ring = traces(curve)
    assert line["x"] == sorted(line["x"])
    assert len(line["x"]) == 14
    assert curve.figure.spec["layout"]["xaxis"]["type"] == "log"
    assert (ring["x"], ring["y"]) == ([10**0.25], [max(line["y"])])
    assert curve.legend == "top-1 on val; ring: the C chosen, 1.78"
    assert curve.flag == ""
    assert "chosen: 1.78 with 90.0\u202f%" in curve.figure.summary


def test_fits_that_had_not_converged_are_hollow() -> None:
    curve = curves.of_job(linear_probe("m", "d", 0.9, open_fits=2))["validation_curve"]
    line = traces(curve)[0]
    hollow = [x for x, open_fit in zip(line["x"], line["meta"]["hollow"], strict=True) if open_fit]
    assert hollow == [1e-6, 1e-4]
    assert "hollow: not converged" in curve.legend
    assert "not converged after 40 iterations" in line["customdata"][0]


def test_a_choice_at_the_edge_of_the_grid_is_flagged() -> None:
    curve = curves.of_job(linear_probe("m", "d", 0.9, at_edge=True))["validation_curve"]
    assert curve.flag == "best C at the edge of the grid"


def test_numbers_of_neighbours_have_intervals_and_the_first_is_ringed() -> None:
    line, ring = traces(curves.of_job(knn("m", "d", 0.8))["k_curve"])
    assert line["x"] == [1, 5, 10, 20, 50, 100, 200]
    assert ring["x"] == [20]
    assert all(above > 0 for above in line["error_y"]["array"])


def test_the_way_to_fitted_weights_has_both_ends_marked_and_validation_beside_it() -> None:
    validation, test, ring = traces(curves.of_job(wise_ft("m", "d", 0.5, 0.7))["alpha_curve"])
    assert test["marker"]["symbol"] == ["diamond", *["circle"] * 9, "diamond"]
    assert validation["line"]["dash"] == "dash"
    assert validation["y"] != test["y"]
    assert ring["x"] == [0.7]


@pytest.mark.parametrize("job", [linear_probe("m", "d", 0.9), knn("m", "d", 0.8), wise_ft("m", "d", 0.5, 0.7)])
def test_plotly_accepts_the_curves_and_they_hold_no_colours(job: JobResult) -> None:
    for curve in curves.of_job(job).values():
        drawn = plotly.graph_objects.Figure(curve.figure.spec)
        assert drawn.layout.height == curve.figure.height
        assert "color" not in str(curve.figure.spec)


C_COLUMNS = ("C", "score", "metric", "iterations", "converged", "chosen")
ODD = {
    "another table": (("x", "y"), (1, 2), (2, 3)),
    "text for a number": (C_COLUMNS, (0.1, "good", "top1", 3, True, False), (1.0, 0.5, "top1", 3, True, True)),
    "no place on a log axis": (C_COLUMNS, (0.0, 0.4, "top1", 3, True, False), (1.0, 0.5, "top1", 3, True, True)),
    "a single point": (C_COLUMNS, (1.0, 0.5, "top1", 3, True, True)),
    "no row": (C_COLUMNS,),
}


@pytest.mark.parametrize("table", ODD.values(), ids=ODD)
def test_a_table_that_is_no_curve_is_not_drawn_but_shown(table: tuple[Any, ...], make_results: Make) -> None:
    job = with_table(linear_probe("m", "d", 0.9), "validation_curve", *table)
    assert curves.of_job(job) == {}
    page = render(make_results(job))
    assert page.count("data-plot ") == 1
    assert all(str(value) in page for row in table[1:] for value in row if isinstance(value, str))


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_plotly_gets_no_markup_from_a_metric(name: str) -> None:
    job = with_table(
        linear_probe("m", "d", 0.9),
        "validation_curve",
        C_COLUMNS,
        (0.1, 0.4, name, 3, True, False),
        (1.0, 0.5, name, 3, True, True),
    )
    hover = traces(curves.of_job(job)["validation_curve"])[0]["customdata"][0]
    assert hover.count("<") == 4
    assert "<br><b>40.0" in hover


def test_a_page_holds_no_more_figures_than_it_may(make_results: Make) -> None:
    jobs = [linear_probe(f"m{model}", f"d{number}", 0.8) for model in range(9) for number in range(25)]
    page = render(make_results(*jobs))
    assert page.count("data-plot ") == MAX_FIGURES
    assert page.count('id="curve-') == 2 * (MAX_FIGURES - 25)
    assert curves.of_board(make_board(jobs), 0) == {}


def few_shot_jobs(*models: str) -> list[JobResult]:
    return [few_shot(model, "d", k, 0.4 + k / 40) for model in models for k in SHOTS]


def the_chart(jobs: list[JobResult], *findings: JobResult) -> shots.ShotsChart:
    (chart,) = shots.charts(make_board(jobs), findings)
    return chart


def test_few_shot_is_one_figure_a_data_set() -> None:
    chart = the_chart(few_shot_jobs("a", "b"))
    first, second = chart.figure.spec["data"]
    assert first["y"] == pytest.approx([0.425, 0.45, 0.5, 0.6, 0.8], abs=0.002)
    assert first["x"] == pytest.approx([k * first["x"][0] for k in SHOTS])
    assert second["x"][0] > first["x"][0], "intervals of two models would hide each other"
    assert [name for name, _ in chart.series] == ["a", "b"]
    assert chart.figure.spec["layout"]["xaxis"]["ticktext"] == ["1", "2", "4", "8", "16"]
    assert "over draws [" in first["customdata"][0]


def test_a_single_number_of_shots_is_no_curve(make_results: Make) -> None:
    assert shots.charts(make_board([few_shot("a", "d", 4, 0.5)]), ()) == ()
    assert render(make_results(few_shot("a", "d", 4, 0.5))).count("data-plot ") == 1


def test_a_curve_stands_for_the_bars_of_its_columns(make_results: Make) -> None:
    page = render(make_results(*few_shot_jobs("a")))
    assert page.count("data-plot ") == 1
    assert 'class="legend"' in page


def test_features_have_figures_of_their_own() -> None:
    jobs = [*few_shot_jobs("a"), *(few_shot("a", "d", k, 0.5, rest="projected") for k in (1, 2))]
    assert [chart.name for chart in shots.charts(make_board(jobs), ())] == ["d (test)", "d (test, projected)"]


def test_the_probe_on_the_same_features_ends_the_line() -> None:
    other = linear_probe("a", "d", 0.9, variant="projected")
    assert other.main is not None
    main = replace(other.main, params={**other.main.params, "features": "projected"})
    other = replace(other, records=(main,))
    (line,) = the_chart([*few_shot_jobs("a"), other, linear_probe("a", "d", 0.8)]).figure.spec["data"]
    assert line["x"][-1] == 1000
    assert line["y"][-1] == 0.8
    assert line["marker"]["symbol"][-1] == "diamond"


def test_a_probe_that_was_tested_on_other_images_is_not_joined() -> None:
    probe = linear_probe("a", "d", 0.8)
    probe = replace(probe, pedigree=replace(probe.pedigree, data="others"))
    (line,) = the_chart([*few_shot_jobs("a"), probe]).figure.spec["data"]
    assert len(line["x"]) == 5


CURVE = ("what", "examples_per_class", "top1", "low", "high", "seeds_low", "seeds_high")


def test_what_an_analysis_found_is_drawn_with_zero_shot_across() -> None:
    jobs = few_shot_jobs("a")
    rows = (
        ("zero_shot", 0.0, 0.6, 0.55, 0.65, None, None),
        ("few_shot", 1.0, 0.4, 0.35, 0.45, 0.3, 0.5),
        ("linear_probe", 250.0, 0.9, 0.88, 0.92, None, None),
    )
    found = finding("a", "d", [], jobs=[jobs[0].hash], tables={"shots_curve": Table(CURVE, rows)})
    chart = the_chart(jobs, finding("b", "d", []), found)
    zero_shot, line = chart.figure.spec["data"]
    assert set(zero_shot["y"]) == {0.6}
    assert (min(zero_shot["x"]), max(zero_shot["x"])) == (1, 250)
    assert line["x"] == [1, 250]
    assert "dashed: zero-shot" in chart.legend


def test_a_finding_about_other_jobs_is_not_drawn() -> None:
    rows = (("zero_shot", 0.0, 0.6, None, None, None, None), ("few_shot", 1.0, 0.1, None, None, None, None))
    found = finding("a", "d", [], jobs=["other"], tables={"shots_curve": Table(CURVE, rows)})
    assert len(the_chart(few_shot_jobs("a"), found).figure.spec["data"]) == 1


def test_curves_of_a_run_hold_what_its_analysis_found(fitted: Results) -> None:
    charts = shots.charts(make_board(fitted.jobs()), analyse(fitted))
    assert [chart.name for chart in charts] == ["digits", "scenes-shape", "sketch"]
    dashed = [[trace.get("line", {}).get("dash") for trace in chart.figure.spec["data"]] for chart in charts]
    assert [lines.count("dash") for lines in dashed] == [2, 2, 2]
    for chart in charts:
        assert plotly.graph_objects.Figure(chart.figure.spec).layout.height == chart.figure.height


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
def test_plotly_gets_no_markup_from_the_names_of_models(name: str) -> None:
    hover = the_chart(few_shot_jobs(name)).figure.spec["data"][0]["customdata"][0]
    assert hover.startswith("<b>")
    assert hover.count("<") == 5


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
        (
            [1e-6, 1e6],
            ["10<sup>−6</sup>", "10<sup>−4</sup>", "10<sup>−2</sup>", "1", "100", "10<sup>4</sup>", "10<sup>6</sup>"],
        ),
        ([0.1, 10], ["10<sup>−1</sup>", "1", "10"]),
        ([2.0, 3.0], ["2"]),
    ],
)
def test_decades_are_powers_of_ten(values: list[float], texts: list[str]) -> None:
    assert axes.decades(values, "C")["ticktext"] == texts


def test_counts_that_have_no_room_for_a_label_go_without() -> None:
    axis = axes.counts([1, 2, 4, 8, 16, 1000, 1001, 1100, 128000], "k")
    assert axis["ticktext"] == ["1", "2", "4", "8", "1,000", "128,000"]
