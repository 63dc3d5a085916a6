"""The pairs of a supervised and a zero-shot classifier that a run has, with the way between them where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clipbench.report.figures.curve import Curve
from clipbench.report.figures.figures import Figure
from clipbench.report.points import Row, is_number
from clipbench.report.sections.robustness.axes import axis, scale
from clipbench.report.sections.robustness.pairs import PairChart, pair_chart
from clipbench.report.text import numbers
from clipbench.results.records import JobResult, Table

TASKS = ("robustness_pair", "published_pair")

_NEEDED = ("dataset", "first_top1", "second_top1", "gap_first", "gap_second", "share_closed")
_HEIGHT = 300


@dataclass(frozen=True)
class ShownPair:
    """One pair."""

    model: str
    reference: str
    variant: str
    chart: PairChart | None
    """None where the pair could not be compared: the sentences say why."""
    way: Curve | None
    """From zero-shot to supervised weights, in the plane of reference and shift."""
    sentences: tuple[str, ...]
    """What was found, or why nothing could be."""


@dataclass(frozen=True)
class PairSection:
    """All that the page says of pairs."""

    shown: tuple[ShownPair, ...]
    errors: tuple[str, ...]
    """Why an analysis broke, where one did."""

    def __len__(self) -> int:
        """Return how many figures it has."""
        return sum((pair.chart is not None) + (pair.way is not None) for pair in self.shown)

    def __bool__(self) -> bool:
        """Return whether there is anything to show."""
        return bool(self.shown or self.errors)


def section(findings: Sequence[JobResult], limit: int) -> PairSection:
    """Set out the findings of a pair, with at most `limit` figures."""
    ours = [finding for finding in findings if finding.task in TASKS]
    shown = []
    for finding in ours:
        if finding.status != "done":
            continue
        chart = _chart(finding) if limit > 0 else None
        limit -= chart is not None
        way = _way(finding) if limit > 0 else None
        limit -= way is not None
        said = tuple(note.removeprefix(f"{finding.model}: ") for note in finding.notes)
        shown.append(ShownPair(finding.model, finding.dataset, finding.variant, chart, way, said))
    return PairSection(tuple(shown), tuple(one.error for one in ours if one.status == "failed"))


def _chart(finding: JobResult) -> PairChart | None:
    table = finding.tables.get("pair")
    if table is None or not table.rows or not set(_NEEDED) <= set(table.columns):
        return None
    frame = table.frame()
    first, _, rest = finding.variant.partition(" beside ")
    second = rest.partition(", ")[0].removeprefix("a ")
    for name, words in (("first", first), ("second", second)):
        if name not in frame:
            frame[name] = words or name
    return pair_chart(frame)


def _way(finding: JobResult) -> Curve | None:
    """Draw the interpolation as a line; None where the finding has none."""
    rows = _rows(finding.tables.get("interpolation"))
    if len(rows) < 2:
        return None
    rows = sorted(rows, key=lambda row: row["alpha"])
    x, y = (scale([row[name] for row in rows]) for name in ("reference_top1", "mean_shift_top1"))
    ends = [row["alpha"] in (0, 1) for row in rows]
    line: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [round(x.place(row["reference_top1"]), 4) for row in rows],
        "y": [round(y.place(row["mean_shift_top1"]), 4) for row in rows],
        "customdata": [_hover(row) for row in rows],
        "hovertemplate": "%{customdata}<extra></extra>",
        "line": {"width": 1.8},
        "marker": {
            "opacity": 1,
            "size": [12 if end else 6 for end in ends],
            "symbol": ["diamond" if end else "circle" for end in ends],
        },
        "cliponaxis": False,
        "meta": {"role": "curve"},
        "showlegend": False,
    }
    layout = {
        "height": _HEIGHT,
        "margin": {"l": 8, "r": 14, "t": 8, "b": 46},
        "hovermode": "closest",
        "dragmode": False,
        "xaxis": axis(x, "reference top-1", 0.12),
        "yaxis": axis(y, "mean shift top-1", 0.08) | {"automargin": True, "ticklabelstandoff": 4},
    }
    words = "; ".join(f"alpha {row['alpha']:g}: {_both(row)}" for row in rows)
    figure = Figure({"data": [line], "layout": layout}, _HEIGHT, f"reference and mean shift top-1 by alpha: {words}")
    return Curve("From zero-shot to fitted weights", figure, "Diamonds: zero-shot (alpha 0) and fitted (alpha 1)")


def _rows(table: Table | None) -> list[Row]:
    rows: list[Row] = [dict(zip(table.columns, row, strict=False)) for row in table.rows] if table else []
    names = ("alpha", "reference_top1", "mean_shift_top1")
    return [row for row in rows if all(is_number(row.get(name)) for name in names)]


def _hover(row: Row) -> str:
    return f"alpha = {row['alpha']:g}<br>{_both(row)}"


def _both(row: Row) -> str:
    here, there = (numbers.with_unit(row[name]) for name in ("reference_top1", "mean_shift_top1"))
    return f"{here} on the reference, {there} on shifts"
