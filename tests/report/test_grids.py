"""Tables and metrics as text: shown as they are declared, or by their names where nobody declared them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clipbench.metrics.specs import ColumnSpec, CurveSpec, Declared, MetricSpec, TableSpec
from clipbench.report.grids import Grid, listed_classes, metrics, of_result
from clipbench.report.measured import table
from clipbench.report.text.declared import Definition, definitions, task_label, task_order
from clipbench.results.records import AnalysisResult, JobResult, Record, Table
from clipbench.tasks.registry import TASKS

from .findings import finding
from .fitted import head

METRICS = (
    MetricSpec("recall_at_{k}", "R@{k}", definition="share of queries.", source="a paper"),
    MetricSpec("gain", "gain", "difference", None, "what is won."),
    MetricSpec("loss", "loss", "gap", False, "what is won."),
    MetricSpec("floor", "floor", higher_is_better=False),
)
COLUMNS = (
    ColumnSpec("name"),
    ColumnSpec("gain_of", unit="difference", low="low", high="high"),
    ColumnSpec("p", "p, Holm", "p"),
    ColumnSpec("n", unit="count"),
    ColumnSpec("absent"),
    ColumnSpec("blank"),
)
GAINS = TableSpec("gains", "Gains", COLUMNS, definition="Of all images.")
ROWS = (("a", 0.0123, -0.01, 0.03, 0.00001, 12345, "", True), ("b", -0.5, None, None, 0.25, None, "", False))
NAMES = ("name", "gain_of", "low", "high", "p", "n", "blank", "hidden")


def job(*records: Record, tables: dict[str, Table] | None = None, specs: tuple[TableSpec, ...] = ()) -> JobResult:
    return head("odd", "m", "d", records, tables=tables or {}, declared=Declared("odd jobs", METRICS, specs))


def shown(spec: TableSpec, columns: tuple[str, ...], *rows: tuple[Any, ...]) -> tuple[Grid, ...]:
    return of_result(job(tables={spec.name: Table(columns, rows)}, specs=(spec,)))


def texts(grid: Grid) -> list[list[str]]:
    return [[f"{entry.text} {entry.small}".strip() for entry in row] for row in grid.rows]


def test_columns_stand_as_declared_with_intervals_beside_their_values() -> None:
    (grid,) = shown(GAINS, NAMES, *ROWS)
    heads = {head.text: head.numeric for head in grid.heads}
    assert heads == {"name": False, "gain of, points": True, "p, Holm": True, "n": True}
    assert texts(grid) == [["a", "+1.2 [−1.0, +3.0]", "< 0.001", "12,345"], ["b", "−50.0", "0.250", "–"]]
    assert (grid.caption, grid.note) == ("Gains", "Of all images.")


def test_a_long_table_shows_its_largest_rows() -> None:
    spec = TableSpec("pairs", "Pairs", (ColumnSpec("pair"), ColumnSpec("share", unit="fraction")), largest_by="share")
    (grid,) = shown(spec, ("pair", "share"), *((f"p{row}", row / 1000) for row in range(150)))
    assert texts(grid)[0] == ["p149", "14.9\u202f%"]
    assert len(grid.rows) == 100
    assert grid.note == "100 of 150 rows with the largest share; the others are in the results folder."


def test_rows_of_a_curve_stand_by_x_and_the_chosen_one_says_so() -> None:
    columns = (ColumnSpec("k", unit="count"), ColumnSpec("top1", unit="fraction"))
    spec = TableSpec("curve", "Curve", columns, curve=CurveSpec("k", "top1", chosen="best"))
    (grid,) = shown(spec, ("k", "top1", "best"), (20, 0.5, False), (5, 0.6, True))
    assert texts(grid) == [["5 chosen", "60.0\u202f%"], ["20", "50.0\u202f%"]]


def test_a_table_that_nobody_declared_is_shown_as_it_is() -> None:
    table = Table(("some_name", "value"), tuple((f"r{row}", row / 7) for row in range(25)))
    (grid,) = of_result(job(tables={"odd_table": table}, specs=(GAINS,)))
    assert (grid.caption, [head.text for head in grid.heads]) == ("Odd table", ["some name", "value"])
    assert texts(grid)[1] == ["r1", "0.1429"]
    assert grid.note == "20 of 25 rows; the others are in the results folder."


RECALL = ColumnSpec("recall", unit="fraction", low="low", high="high")
PER_CLASS = TableSpec("per_class", "Classes", (ColumnSpec("class"), ColumnSpec("n", unit="count"), RECALL))


@pytest.mark.parametrize(
    ("count", "captions"), [(20, ["Classes, worst first"]), (21, ["Worst classes", "Best classes"])]
)
def test_classes_stand_worst_first_and_of_many_both_ends(count: int, captions: list[str]) -> None:
    rows = [(f"c{row}", 10, row / 100, 0.0, 0.5) for row in range(count)]
    table = Table(("class", "n", "recall", "low", "high"), (*rows, ("undefined", 0, None, None, None)))
    made = job(tables={"per_class": table}, specs=(PER_CLASS,))
    grids = of_result(made)
    assert [grid.caption for grid in grids] == captions
    assert texts(grids[0])[1] == ["c1", "10", "1.0\u202f% [0.0, 50.0]"]
    assert grids[0].rows[1][2].bar == 0.01
    assert texts(grids[-1])[0][0] == (f"c{count - 1}" if len(captions) > 1 else "c0")
    listed = listed_classes(made)
    assert listed is None or texts(listed)[0] == ["c0", "10", "0.0\u202f% [0.0, 50.0]"]


def test_each_group_is_a_table_of_its_own() -> None:
    columns = (ColumnSpec("group"), ColumnSpec("value"), ColumnSpec("top1", unit="fraction"))
    rows = (("style", "photo", 0.5), ("style", "sketch", 0.25), ("size", "large", 1.0))
    grids = shown(TableSpec("per_group", "Groups", columns), ("group", "value", "top1"), *rows)
    assert [grid.caption for grid in grids] == ["By style", "By size"]
    assert [head.text for head in grids[0].heads] == ["style", "top1"]
    assert texts(grids[0]) == [["photo", "50.0\u202f%"], ["sketch", "25.0\u202f%"]]


def test_metrics_have_their_labels_and_units() -> None:
    records = (
        Record("recall_at_5", 0.5, low=0.4, high=0.6, level=0.95, interval="guess", n=100, main=True),
        Record("gain", 0.1),
        Record("floor", -3.0, "dB"),
        Record("nobody_knows_it", 12.5, "images/s", params={"batch_size": 8, "warm": True}),
        Record("undefined", None),
    )
    assert texts(metrics(job(*records))) == [
        ["R@5", "50.0\u202f% [40.0, 60.0]", "100", "95\u202f% guess"],
        ["gain", "+10.0\u202fpoints", "–", "–"],
        ["floor", "−3\u202fdB", "–", "–"],
        ["nobody knows it batch size = 8, warm = yes", "12.5\u202fimages/s", "–", "–"],
        ["undefined", "–", "–", "–"],
    ]


def test_definitions_are_of_the_metrics_shown_and_those_alike_stand_together() -> None:
    found = definitions([job(Record("loss", 0.1), Record("recall_at_5", 0.5)), job(Record("gain", 0.2))])
    assert found == (
        Definition(("R@k",), "share of queries.", "a paper"),
        Definition(("loss", "gain"), "what is won.", ""),
    )


def test_tasks_stand_in_the_order_of_their_registry_and_others_follow_by_name() -> None:
    assert sorted(["zzz", "retrieval", "aaa", "zero_shot"], key=task_order) == ["zero_shot", "retrieval", "aaa", "zzz"]
    assert sorted(TASKS, key=task_order) == list(TASKS)
    assert task_label(job()) == "odd jobs"
    assert task_label(replace(job(), declared=Declared(), task="some_task")) == "some task"


def test_chance_stands_beside_a_metric_and_what_is_not_above_it_says_so() -> None:
    low, high = (Record("floor", share, low=share - 0.1, high=share + 0.1, n=9, chance=0.1) for share in (0.15, 0.5))
    known = replace(high, chance=0.1, commonest=0.3)
    grid = metrics(job(low, high, known, Record("gain", 0.1)))
    assert [head.text for head in grid.heads] == ["metric", "value", "n", "interval", "chance"]
    chances = ["10.0\u202f% not above chance", "10.0\u202f%", "10.0\u202f% commonest class 30.0\u202f%", "–"]
    assert [row[-1] for row in texts(grid)] == chances
    assert [head.text for head in metrics(job(Record("gain", 0.1))).heads] == ["metric", "value", "n", "interval"]


def test_one_minus_sign_everywhere() -> None:
    (grid,) = of_result(job(tables={"odd": Table(("x", "y"), ((-1.25, -2),))}))
    assert texts(grid) == [["−1.25", "−2"]]


def test_a_table_of_models_heads_its_accuracies_with_chance_and_greys_what_is_not_above_it() -> None:
    def result(model: str, share: float) -> AnalysisResult:
        record = Record("shift_top1", share, low=share - 0.05, high=share + 0.05, n=99, chance=0.1)
        return finding("robustness", model, "x", [record])

    made = table("Shifts", [(result("a", 0.12), ""), (result("b", 0.5), "")])
    assert made.heads[1].text.endswith("%; chance 10.0\u202f%")
    assert [row[1].at_chance for row in made.rows] == [True, False]
