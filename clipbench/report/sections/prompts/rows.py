"""What the figures of prompts with one wording a row share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clipbench.report.figures.curve import errors_of
from clipbench.report.figures.figures import Figure, row_height, row_layout, text
from clipbench.report.points import Row
from clipbench.report.text.shortening import cut

_LABEL = 34
_STEP = 22


def row_names(full: Sequence[str]) -> list[str]:
    """Return labels that fit beside a figure, safe for plotly: what is too long loses its middle."""
    return [text(cut(" ".join(name.split()), _LABEL)) for name in full]


def dots(rows: Sequence[Row], column: str, hover: Sequence[str]) -> dict[str, Any]:
    """Return plotly's trace of one dot a row with its interval, from the columns `low` and `high`."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [row[column] for row in rows],
        "y": list(range(len(rows))),
        "error_x": errors_of(rows, column),
        "customdata": list(hover),
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {"size": 8, "line": {"width": 1.6}},
        "cliponaxis": False,
        "meta": {"role": "curve"},
        "showlegend": False,
    }


def row_figure(
    names: Sequence[str],
    values: Sequence[str],
    traces: Sequence[dict[str, Any]],
    axis: dict[str, Any],
    summary: str,
    step: int = _STEP,
) -> Figure:
    """Return a figure with labelled rows.

    Args:
        names: of the rows, from the top, as `row_names` returns them.
        values: beside the rows, on the right.
        traces: whose y is the place of a row, from 0 at the top.
        axis: the horizontal one.
        summary: for those who do not see the figure.
        step: of a row, in pixels.
    """
    height = row_height(len(names), step)
    layout = row_layout(names, values, height) | {"xaxis": axis}
    return Figure({"data": list(traces), "layout": layout}, height, summary)
