"""A zero-shot classifier beside a supervised one: where each stands on every shift, and what the first closes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipbench.report.cells import Entry, Grid, Head
from clipbench.report.figures import axes
from clipbench.report.figures.figures import Figure, row_height, row_layout, text
from clipbench.report.text import labels, numbers
from clipbench.report.text.shortening import short_names

if TYPE_CHECKING:
    import pandas as pd

_LABEL = 22
_STEP = 34


@dataclass(frozen=True)
class PairChart:
    """Two classifiers on several sets, as a figure and a table."""

    figure: Figure
    grid: Grid


def pair_chart(frame: pd.DataFrame) -> PairChart:
    """Set two classifiers side by side.

    Args:
        frame: one row a data set with the columns dataset, first_top1, second_top1, gap_first and gap_second (what
            each loses from the reference), share_closed (of the second's gap by the first: 1 - gap_first /
            gap_second; missing where the second has no gap), and first and second, the classifiers' names, e.g.
            'zero-shot' and 'supervised'. All numbers are fractions.
    """
    rows: list[Mapping[str, Any]] = [
        {str(name): _present(value) for name, value in row.items()} for row in frame.to_dict("records")
    ]
    return PairChart(_figure(rows), _grid(rows))


def _present(value: Any) -> Any:
    """Return None for NaN."""
    return None if isinstance(value, float) and value != value else value


def _names(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    return (str(rows[0].get("first") or "first"), str(rows[0].get("second") or "second")) if rows else ("", "")


def _figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    both = [row for row in rows if row["first_top1"] is not None and row["second_top1"] is not None]
    ticks = short_names([str(row["dataset"]) for row in both], _LABEL)
    values = [numbers.number(row["first_top1"] - row["second_top1"], "difference") for row in both]
    height = row_height(len(both), _STEP) + 34
    layout = row_layout([text(name) for name in ticks.values()], values, height) | {"xaxis": axes.whole_share()}
    layout["margin"] |= {"t": 38, "r": 54}
    layout["legend"] = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "xanchor": "left"}
    first, second = _names(rows)
    data = [_links(both), _points(both, "first_top1", "circle", first), _points(both, "second_top1", "diamond", second)]
    return Figure({"data": data, "layout": layout}, height, _summary(both, first, second))


def _links(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [x for row in rows for x in (row["first_top1"], row["second_top1"], None)],
        "y": [y for place in range(len(rows)) for y in (place, place, None)],
        "line": {"width": 4},
        "meta": {"role": "link"},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _points(rows: Sequence[Mapping[str, Any]], column: str, symbol: str, name: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": text(name),
        "x": [row[column] for row in rows],
        "y": list(range(len(rows))),
        "customdata": [
            f"<b>{text(name)}</b><br>{text(str(row['dataset']))}: {numbers.with_unit(row[column])}" for row in rows
        ],
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {"size": 11, "symbol": symbol},
        "cliponaxis": False,
        "meta": {"role": "benchmark" if symbol == "circle" else "shift"},
    }


def _grid(rows: Sequence[Mapping[str, Any]]) -> Grid:
    first, second = _names(rows)
    heads = ("data set", f"{first}, %", f"{second}, %", f"gap of {first}, points", f"gap of {second}, points")
    shown = tuple(
        (
            Entry(str(row["dataset"])),
            *(Entry(numbers.number(row[column])) for column in ("first_top1", "second_top1")),
            *(Entry(numbers.number(row[column], "gap")) for column in ("gap_first", "gap_second")),
            _closed(row["share_closed"]),
        )
        for row in rows
    )
    columns = (Head(heads[0]), *(Head(head, numeric=True) for head in (*heads[1:], "share closed")))
    note = f"Share closed: how much of the gap of {second} is not there for {first}; above 100 % there is a gain."
    return Grid(f"{first} beside {second}", columns, shown, note)


def _closed(share: float | None) -> Entry:
    return Entry(numbers.with_unit(share), "beyond" if share is not None and share > 1 else "")


def _summary(rows: Sequence[Mapping[str, Any]], first: str, second: str) -> str:
    listed = "; ".join(
        f"{row['dataset']}: {numbers.with_unit(row['first_top1'])} and {numbers.with_unit(row['second_top1'])}"
        for row in rows
    )
    return f"{labels.metric('top1')} of {first} and of {second}: {listed}"
