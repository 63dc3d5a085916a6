"""A scatter with what each model has beyond the line below it, on one horizontal axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from clipbench.report.figures import axes, figures
from clipbench.report.figures.figures import Figure, Trace
from clipbench.report.sections.robustness.axes import LogitScale
from clipbench.report.sections.robustness.baseline import TRAININGS, by_training
from clipbench.report.sections.robustness.findings import Shift, estimate
from clipbench.report.sections.robustness.scatter import Scatter, draw
from clipbench.report.site.pages.robustness.published import Published
from clipbench.report.text import numbers

HEIGHT = 620
_BELOW = 0.26
"""Share of the figure that the residuals have."""
_FEWEST = 2


def figure(shift: Shift, beside: Published | None, series: Mapping[str, int]) -> tuple[Scatter, Figure] | None:
    """Draw a shift; None where there would be a single point."""
    pair = beside.shown if beside and beside.shown.models else None
    if len(shift.results) + (len(pair.models) if pair else 0) < _FEWEST:
        return None
    band = beside.band if beside and beside.fits(shift) else ()
    scatter = draw(shift, pair, series, band)
    below = _residuals(shift, beside if pair else None, scatter, series)
    return scatter, _stacked(scatter, below) if below else scatter.figure


def _residuals(shift: Shift, beside: Published | None, scatter: Scatter, series: Mapping[str, int]) -> list[Trace]:
    """Return a trace for each one of the scatter that has points; `meta.of` is its place there."""
    data = scatter.figure.spec["data"]
    places = [place for place, trace in enumerate(data) if trace.get("mode") != "lines"]
    published = _published(beside, scatter.across) if beside else []
    measured = [_measured(shift, place, scatter.across, series) for place in range(len(shift.results))]
    drawn = [*published, *measured]
    for trace, place in zip(drawn, places, strict=True):
        trace["meta"] |= {"of": place}
    return [trace for trace in drawn if any(value is not None for value in trace["y"])]


def _published(beside: Published, across: LogitScale) -> list[Trace]:
    inside = tuple(model for model in beside.shown.models if across.holds(model.reference_top1))
    drawn = []
    for name, models in by_training(replace(beside.shown, models=inside)).items():
        training = TRAININGS[name]
        found = [judged.rho if (judged := beside.judged.get(model.name)) else None for model in models]
        drawn.append(
            figures.dots(
                [round(across.place(model.reference_top1), 4) for model in models],
                [None if rho is None else round(rho, 4) for rho in found],
                ["" if rho is None else numbers.with_unit(rho, "difference") for rho in found],
                {"training": training.number},
                marker={"size": 5.5, "symbol": training.symbol, "opacity": 0.75, "line": {"width": 1.1}},
            )
        )
    return drawn


def _measured(shift: Shift, place: int, across: LogitScale, series: Mapping[str, int]) -> Trace:
    result = shift.results[place]
    record = result.record("effective_robustness")
    known = record if record and record.value is not None else None
    told = numbers.with_ends(known.value, known.low, known.high, "difference") if known else ""
    return figures.dots(
        [across.place(estimate(result, "reference_top1").value)],
        [known.value if known else None],
        [told],
        {"series": series.get(result.about.model, 0), "outlined": True},
        error_y=figures.errors([known]),
        marker={"size": 11, "line": {"width": 1.6}},
    )


def _stacked(scatter: Scatter, below: Sequence[Trace]) -> Figure:
    """Return the scatter with the residuals below it; a line runs through both where the pointer is."""
    above, layout = scatter.figure, scatter.figure.spec["layout"]
    values = [end for trace in below for end in _ends(trace)]
    zero = figures.stroke([scatter.across.low, scatter.across.high], [0, 0], "baseline", 1.2)
    rest = [trace | {"yaxis": "y2"} for trace in (zero, *below)]
    upright = {"automargin": True, "ticklabelstandoff": 4}
    spike = {"showspikes": True, "spikemode": "across", "spikethickness": 1, "spikedash": "dot"}
    stacked = {
        **layout,
        "height": HEIGHT,
        "xaxis": {**layout["xaxis"], "anchor": "y2", **spike},
        "yaxis": {**layout["yaxis"], "domain": [_BELOW + 0.05, 1]},
        "yaxis2": {
            **axes.differences(values),
            **axes.titled("beyond the line, points"),
            **upright,
            "domain": [0, _BELOW],
        },
    }
    spec = {"data": [*above.spec["data"], *rest], "layout": stacked}
    return replace(above, spec=spec, height=HEIGHT, summary=f"{above.summary}; below, what each has beyond the line")


def _ends(trace: Trace) -> list[float]:
    """Return a trace's values with the ends of their intervals."""
    found = [value for value in trace["y"] if value is not None]
    error = trace.get("error_y")
    if not error:
        return found
    (value,), (up,), (down,) = trace["y"], error["array"], error["arrayminus"]
    return found + ([value + up, value - down] if up is not None and down is not None else [])
