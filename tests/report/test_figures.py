"""Figures: plotly specifications that hold what they should and nothing that plotly would interpret."""

from __future__ import annotations

from dataclasses import replace

import plotly.graph_objects
import pytest

from clipbench.report.averages import means
from clipbench.report.figures import figures
from clipbench.report.leaderboard import Column, make_leaderboard
from clipbench.report.text.labels import short_names

from .made_up import HOSTILE, classification, retrieval


def column_of(*shares: float, names: str = "abcdefgh") -> Column:
    jobs = [classification(name, "digits", share) for name, share in zip(names, shares, strict=False)]
    return make_leaderboard(jobs).columns[0]


def test_bars_hold_values_and_intervals_in_the_order_asked_for() -> None:
    column = column_of(0.5, 0.75)
    figure = figures.bars(column, ["b", "a"])
    assert figure is not None
    (trace,) = figure.spec["data"]
    assert trace["type"] == "bar"
    assert trace["x"] == [0.75, 0.5]
    record = column.cells["b"].record
    assert record is not None
    assert record.value is not None
    assert trace["error_x"]["array"][0] == pytest.approx((record.high or 0) - record.value)
    assert trace["error_x"]["arrayminus"][0] == pytest.approx(record.value - (record.low or 0))
    assert figure.summary == "top-1 on digits: b 75.0\u202f%; a 50.0\u202f%"


def test_plotly_accepts_the_specifications() -> None:
    jobs = [classification(m, d, 0.5, regime=r) for m in "ab" for d, r in (("x", "benchmark"), ("y", "shift"))]
    jobs += [retrieval("a", "captions", 0.3)]
    leaderboard = make_leaderboard(jobs)
    drawn = [figures.bars(column, leaderboard.models) for column in leaderboard.columns]
    groups = {group.regime: group.by_model for group in means(leaderboard) if group.measurement.task == "zero_shot"}
    drawn.append(figures.gap([(groups["benchmark"][m], groups["shift"][m]) for m in "ab"]))
    for figure in drawn:
        assert figure is not None
        assert plotly.graph_objects.Figure(figure.spec).layout.height == figure.height


def test_a_model_without_a_value_is_left_out() -> None:
    figure = figures.bars(column_of(0.5), ["a", "zzz"])
    assert figure is not None
    assert figure.spec["data"][0]["x"] == [0.5]
    assert figures.bars(column_of(0.5), ["zzz"]) is None


def test_many_models_become_dots_of_one_colour() -> None:
    names = [f"model-{index}" for index in range(20)]
    column = make_leaderboard([classification(name, "digits", 0.5) for name in names]).columns[0]
    figure = figures.bars(column, names)
    assert figure is not None
    (trace,) = figure.spec["data"]
    assert trace["type"] == "scatter"
    assert set(trace["meta"]["series"]) == {0}


def test_marked_cells_are_pale() -> None:
    jobs = [classification(model, "digits", 0.5) for model in "abc"]
    jobs[2] = replace(jobs[2], pedigree=replace(jobs[2].pedigree, prompts="other"))
    figure = figures.bars(make_leaderboard(jobs).columns[0], list("abc"))
    assert figure is not None
    assert figure.spec["data"][0]["marker"]["opacity"] == [1.0, 1.0, 0.4]
    assert figure.spec["layout"]["yaxis"]["ticktext"][2] == "c <sup>†1</sup>"


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_plotly_gets_no_markup_from_names(name: str) -> None:
    job = classification(name, name, 0.5)
    figure = figures.bars(make_leaderboard([job]).columns[0], [name])
    assert figure is not None
    hover = figure.spec["data"][0]["customdata"][0]
    (tick,) = figure.spec["layout"]["yaxis"]["ticktext"]
    assert "<" not in tick
    assert hover.count("<") == 4
    assert hover.startswith("<b>")
    assert figure.spec["data"][0]["hovertemplate"] == "%{customdata}<extra></extra>"


def test_ranks_are_drawn_from_zero_without_percent() -> None:
    job = retrieval("a", "captions", 0.4)
    job = replace(job, records=(replace(job.records[-1], main=True),))
    figure = figures.bars(make_leaderboard([job]).columns[0], ["a"])
    assert figure is not None
    assert "range" not in figure.spec["layout"]["xaxis"]
    assert figure.spec["layout"]["annotations"][0]["text"] == "12"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["short", "names"], ["short", "names"]),
        (["open_clip:ViT-B-32/laion2b_s34b", "open_clip:ViT-B-16/laion2b_s34b"], ["ViT-B-32", "ViT-B-16"]),
        (["open_clip:ViT-B-32/openai", "hf:siglip/base"], ["open_clip:V…2/openai", "hf:siglip/base"]),
        (
            ["a-very-long-name-number-one", "a-very-long-name-number-two"],
            ["a-very-long…mber-one", "a-very-long…mber-two"],
        ),
        (["x" * 10 + "1" + "x" * 20, "x" * 10 + "2" + "x" * 20], ["xxxxxxxxxx1…xxxxxxxx", "xxxxxxxxxx2…xxxxxxxx"]),
        (
            ["x" * 15 + "1" + "x" * 20, "x" * 15 + "2" + "x" * 20],
            ["xxxxxxxxxxx…xxxxxxxx (1)", "xxxxxxxxxxx…xxxxxxxx (2)"],
        ),
    ],
)
def test_names_are_shortened_so_that_they_can_be_told_apart(names: list[str], expected: list[str]) -> None:
    assert list(short_names(names, 20).values()) == expected
