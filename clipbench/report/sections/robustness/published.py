"""Published models behind a baseline, as marks of a scatter: coloured and shaped by how they were trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clipbench.analyses.robustness.baseline import OF_THE_RUN
from clipbench.reference.openclip import openclip_models
from clipbench.reference.published import PublishedModel, PublishedPair, published_pair
from clipbench.reference.sources import sources
from clipbench.report.figures.figures import text
from clipbench.report.sections.robustness.axes import LogitScale
from clipbench.report.sections.robustness.findings import Shift
from clipbench.report.text import numbers


@dataclass(frozen=True)
class Training:
    """A way of training with the mark that stands for it."""

    number: int
    """Of its colour in the page."""
    label: str
    symbol: str
    """Plotly's."""


TRAININGS = {
    "": Training(5, "other or undeclared", "x"),
    "standard": Training(0, "standard", "circle"),
    "more_data": Training(1, "more data", "square"),
    "robust_intv": Training(2, "robust intervention", "triangle-up"),
    "lp_adv": Training(3, "adversarially trained", "triangle-down"),
    "zero_shot": Training(4, "zero-shot", "diamond"),
}
"""In the order in which they are drawn, the last one on top."""


@dataclass(frozen=True)
class Mark:
    """One way of training in a figure's legend."""

    training: Training
    count: int
    """Models that were trained so."""


def pair_of(shift: Shift) -> PublishedPair | None:
    """Return the published models for a shift whose baseline is a published one."""
    if shift.baseline in {"", OF_THE_RUN}:
        return None
    return published_pair(shift.reference, shift.dataset)


def traces(pair: PublishedPair, x: LogitScale, y: LogitScale) -> list[dict[str, Any]]:
    """Return a trace for each way of training; models that are not class-matched are hollow."""
    return [_trace(TRAININGS[name], models, pair, x, y) for name, models in _by_training(pair).items()]


def marks(pair: PublishedPair) -> tuple[Mark, ...]:
    """Return the legend, ways of training with the most models first."""
    found = (Mark(TRAININGS[name], len(models)) for name, models in _by_training(pair).items())
    return tuple(sorted(found, key=lambda mark: -mark.count))


def credits_of(pair: PublishedPair) -> tuple[str, ...]:
    """Return where a pair's models are from, with the licence: the testbed, and open_clip's table where it is used."""
    found = [(pair.source, pair.citation, pair.licence)]
    if {model.name for model in openclip_models()} & {model.name for model in pair.models}:
        table = sources()["open-clip"]
        found.append((table.name, table.citation, table.licence))
    return tuple(f"{name}; {citation}; licence: {licence}" for name, citation, licence in found)


def _by_training(pair: PublishedPair) -> dict[str, list[PublishedModel]]:
    found: dict[str, list[PublishedModel]] = {name: [] for name in TRAININGS}
    for model in pair.models:
        found[model.training if model.training in TRAININGS else ""].append(model)
    return {name: models for name, models in found.items() if models}


def _trace(
    training: Training, models: Sequence[PublishedModel], pair: PublishedPair, x: LogitScale, y: LogitScale
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [round(x.place(model.reference_top1), 4) for model in models],
        "y": [round(y.place(model.shift_top1), 4) for model in models],
        "customdata": [_hover(model, training, pair) for model in models],
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {"size": 6.5, "symbol": training.symbol, "opacity": 0.75, "line": {"width": 1.1}},
        "meta": {"training": training.number, "hollow": [not model.matched for model in models]},
        "cliponaxis": False,
        "showlegend": False,
    }


def _hover(model: PublishedModel, training: Training, pair: PublishedPair) -> str:
    matched = "" if model.matched else " (all classes)"
    lines = [
        f"<b>{text(model.name)}</b>, published",
        f"{text(pair.reference)}: {numbers.with_unit(model.reference_top1)}{matched}",
        f"{text(pair.shift)}: {numbers.with_unit(model.shift_top1)}",
        f"{training.label}{', in the baseline' if model.baseline else ''}",
    ]
    return "<br>".join(lines)
