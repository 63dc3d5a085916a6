"""Figures: plotly specifications that hold what they should and nothing that plotly would interpret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import plotly.graph_objects
import pytest

from clipbench.report.averages import means
from clipbench.report.figures.figures import Figure
from clipbench.report.leaderboard import make_leaderboard
from clipbench.report.sections.sets.section import chart, gap
from clipbench.report.text import numbers
from clipbench.report.text.labels import short_names
from clipbench.results.records import JobResult

from .made_up import HOSTILE, classification, failure, retrieval


def bars(*jobs: JobResult, models: Sequence[str] = "") -> Figure:
    drawn = chart(make_leaderboard(jobs).columns[0], models or [job.model for job in jobs])
    assert drawn is not None
    return drawn.figure


def test_bars_hold_values_and_intervals_in_the_order_asked_for() -> None:
    jobs = [classification(name, "digits", share) for name, share in (("a", 0.5), ("b", 0.75))]
    figure = bars(*jobs, models=["b", "a", "not run"])
    (trace,) = figure.spec["data"]
    assert (trace["type"], trace["x"]) == ("bar", [0.75, 0.5])
    record = jobs[1].records[0]
    assert trace["error_x"]["array"][0] == pytest.approx((record.high or 0) - 0.75)
    assert trace["error_x"]["arrayminus"][0] == pytest.approx(0.75 - (record.low or 0))
    assert figure.summary == "top-1 on digits: b 75.0\u202f%; a 50.0\u202f%"


def test_chance_is_a_dashed_line_and_what_is_not_above_it_is_pale() -> None:
    job = classification("a", "digits", 0.1)
    figure = bars(replace(job, records=(replace(job.records[0], chance=0.1, commonest=0.12),)))
    shown, line = figure.spec["data"]
    assert (line["x"], line["line"]["dash"], shown["marker"]["opacity"]) == ([0.12, 0.12], "dash", [0.4])
    assert "not above chance" in shown["customdata"][0]


def test_plotly_accepts_the_specifications() -> None:
    jobs = [classification(m, d, 0.5, regime=r) for m in "ab" for d, r in (("x", "benchmark"), ("y", "shift"))]
    leaderboard = make_leaderboard([*jobs, retrieval("a", "captions", 0.3)])
    charts = [chart(column, leaderboard.models) for column in leaderboard.columns]
    for figure in (gap(leaderboard, means(leaderboard)), *(drawn.figure for drawn in charts if drawn)):
        assert figure is not None
        assert plotly.graph_objects.Figure(figure.spec).layout.height == figure.height


def test_a_model_without_a_value_is_said_to_be_absent() -> None:
    column = make_leaderboard([classification("a", "digits", 0.5), failure("b", "digits", "missing")]).columns[0]
    drawn = chart(column, ["a", "b", "c"])
    assert drawn is not None
    assert drawn.absent == ("b (failed)", "c (not run)")
    assert chart(column, ["b", "c"]) is None


def test_many_models_become_dots_of_one_colour() -> None:
    (trace,) = bars(*(classification(f"model-{index}", "digits", 0.5) for index in range(20))).spec["data"]
    assert trace["type"] == "scatter"
    assert set(trace["meta"]["series"]) == {0}


def test_marked_cells_are_pale() -> None:
    jobs = [classification(model, "digits", 0.5) for model in "abc"]
    jobs[2] = replace(jobs[2], pedigree=replace(jobs[2].pedigree, prompts="other"))
    spec = bars(*jobs).spec
    assert spec["data"][0]["marker"]["opacity"] == [1.0, 1.0, 0.4]
    assert spec["layout"]["yaxis"]["ticktext"][2] == "c <sup>†1</sup>"


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_plotly_gets_no_markup_from_names(name: str) -> None:
    spec = bars(classification(name, name, 0.5)).spec
    hover = spec["data"][0]["customdata"][0]
    assert "<" not in spec["layout"]["yaxis"]["ticktext"][0]
    assert hover.count("<") == 4
    assert hover.startswith("<b>")
    assert spec["data"][0]["hovertemplate"] == "%{customdata}<extra></extra>"


def test_ranks_are_drawn_from_zero_without_percent() -> None:
    job = retrieval("a", "captions", 0.4)
    spec = bars(replace(job, records=(replace(job.records[-1], main=True),))).spec
    assert "range" not in spec["layout"]["xaxis"]
    assert spec["layout"]["annotations"][0]["text"] == "12"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["short", "names"], ["short", "names"]),
        (["open_clip:ViT-B-32/laion2b_s34b", "open_clip:ViT-B-16/laion2b_s34b"], ["ViT-B-32", "ViT-B-16"]),
        (["open_clip:ViT-B-32/openai", "hf:siglip/base"], ["open_clip:V…2/openai", "hf:siglip/base"]),
        (["x" * 10 + n + "x" * 20 for n in "12"], [f"xxxxxxxxxx{n}…xxxxxxxx" for n in "12"]),
        (["x" * 15 + n + "x" * 20 for n in "12"], [f"xxxxxxxxxxx…xxxxxxxx ({n})" for n in "12"]),
    ],
)
def test_names_are_shortened_so_that_they_can_be_told_apart(names: list[str], expected: list[str]) -> None:
    assert list(short_names(names, 20).values()) == expected


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        *(("difference", value, text) for value, text in ((-0.0001, "0.0"), (0.00051, "+0.1"), (-0.5, "−50.0"))),
        *(("gap", value, text) for value, text in ((0.123, "12.3"), (-0.02, "−2.0"), (0.0001, "0.0"), (None, "–"))),
    ],
)
def test_a_difference_has_a_sign_unless_it_is_nothing_and_a_gap_only_where_it_is_a_gain(
    unit: str, value: float | None, text: str
) -> None:
    assert numbers.number(value, unit) == text
