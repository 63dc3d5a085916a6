"""Published models beside a shift: those of the tables that a site shows, and what was to be expected of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np

from clipbench.analyses.robustness.baseline import line_row
from clipbench.metrics.shift import inverse_logit, logit
from clipbench.reference.published import PublishedModel, PublishedPair, openclip_models, published_pairs
from clipbench.reference.robustness import CATALOG_SHIFTS, Robustness, judge, pair_line
from clipbench.report.sections.robustness.baseline import pair_of
from clipbench.report.sections.robustness.findings import Shift
from clipbench.report.site.data.published import KEY, TESTBED
from clipbench.report.site.pages.base import SiteData, anchor
from clipbench.report.site.pages.listing import Head, Listing, Number, Row, filled
from clipbench.report.text import numbers
from clipbench.results.records import Subject

_BAND_POINTS = 25

_ALL_CLASSES = ("imagenet-v2", "imagenet-sketch")
"""Shifts that have all classes of ImageNet, so that accuracies beside them are those on all of it."""


@dataclass(frozen=True)
class Published:
    """The published models on one shift."""

    whole: PublishedPair
    """With the models that the line is fitted to, whether they are shown or not."""
    shown: PublishedPair
    """With the models of the tables that the site shows."""

    @cached_property
    def judged(self) -> Mapping[str, Robustness]:
        """What was to be expected of each model that is shown and class-matched."""
        return {model.name: judge(self.whole, model) for model in self.shown.models if model.matched}

    def fits(self, shift: Shift) -> bool:
        """Whether the line that measured models were judged by is this one: settings may bend it."""
        return not shift.results or shift.line.get("slope") == pair_line(self.whole).line.slope

    @property
    def line(self) -> Mapping[str, Any]:
        """What there is to say of the line; not how far models lie about it, which depends on the place."""
        row = line_row(self.whole.source, pair_line(self.whole), 0.5)
        return {name: value for name, value in row.items() if name != "spread"}

    @cached_property
    def band(self) -> tuple[Mapping[str, float], ...]:
        """The line and where 95 % of other models as good would lie, measured on all images of both sets."""
        models, places = pair_line(self.whole), [model.reference_top1 for model in self.whole.models if model.matched]
        ends = logit([min(places), max(places)])
        grid = [float(place) for place in inverse_logit(np.linspace(ends[0], ends[1], _BAND_POINTS))]
        predicted = [models.predict(place, self.whole.n_reference, self.whole.n_shift) for place in grid]
        return tuple(
            {"reference_top1": place, "expected": models.expected(place), "low": interval.low, "high": interval.high}
            for place, interval in zip(grid, predicted, strict=True)
        )


def with_published(measured: Sequence[Shift], tables: Collection[str]) -> tuple[tuple[Shift, Published | None], ...]:
    """Return each shift with what was published of it: the measured ones, then the catalog's others, without results.

    Args:
        measured: here.
        tables: keys of those whose models are shown.
    """
    pairs = [pair_of(shift) for shift in measured]
    found = [(shift, _published(pair, tables) if pair else None) for shift, pair in zip(measured, pairs, strict=True)]
    for pair in published_pairs():
        beside = _published(pair, tables)
        if beside.shown.models and pair.shift in CATALOG_SHIFTS and pair not in pairs:
            found.append((Shift(Subject((), (pair.shift,), reference=pair.reference), "", ()), beside))
    return tuple(found)


def _published(pair: PublishedPair, tables: Collection[str]) -> Published:
    return Published(pair, replace(pair, models=tuple(model for model in pair.models if table_of(model) in tables)))


def table_of(model: PublishedModel) -> str:
    """Return the key of the table that a published model is from."""
    return KEY if model.name in _of_open_clip() else TESTBED


@cache
def _of_open_clip() -> frozenset[str]:
    return frozenset(model.name for model in openclip_models())


def listing(found: Sequence[Published], data: SiteData) -> Listing | None:
    """Set out the published models that are shown on the catalog's shifts; None where there are none."""
    shifts = {of.whole.shift: of for of in found if of.whole.shift in CATALOG_SHIFTS and of.shown.models}
    if not shifts:
        return None
    paths, pages = _paths(data), {model.name: data.model_path(at) for at, model in enumerate(data.board.models)}
    reference = next(iter(shifts.values())).whole.reference
    heads = [Head(f"{reference}, %")]
    for name in shifts:
        heads += [Head(f"{name}, %"), Head("effective robustness, points", (name,))]
    by_shift = {name: {model.name: model for model in of.shown.models} for name, of in shifts.items()}
    rows = []
    for model in {name: model for models in by_shift.values() for name, model in models.items()}:
        cells = [_number(_whole(model, by_shift), paths.get((model, reference), ""))]
        for name, of in shifts.items():
            on_shift = by_shift[name].get(model)
            cells.append(_number(on_shift.shift_top1 if on_shift else None, paths.get((model, name), "")))
            cells.append(_effective(of.judged.get(model)))
        rows.append(Row(model, pages.get(model, ""), tuple(cells)))
    rows.sort(key=lambda row: -(row.cells[0].value or 0.0))
    return Listing(f"Published models on shifts of {reference}", *filled(heads, rows))


def _whole(name: str, by_shift: Mapping[str, Mapping[str, PublishedModel]]) -> float | None:
    """Return a model's accuracy on the whole reference: that beside a shift with all of its classes."""
    found = (models[name] for shift, models in by_shift.items() if name in models and shift in _ALL_CLASSES)
    return next((model.reference_top1 for model in found), None)


def _number(value: float | None, href: str) -> Number:
    return Number() if value is None else Number(numbers.number(value), "", round(value, 4), href)


def _effective(judged: Robustness | None) -> Number:
    if judged is None or judged.rho is None or judged.interval is None:
        return Number()
    low, high = judged.interval.low, judged.interval.high
    return Number(numbers.number(judged.rho, "difference"), numbers.ends(low, high, "difference"), round(judged.rho, 4))


def _paths(data: SiteData) -> Mapping[tuple[str, str], str]:
    """Return where published figures are shown, by model and data set."""
    return {
        (data.board.models[cell.model].name, column.dataset): f"{data.model_path(cell.model)}#{anchor(column, cell)}"
        for column in data.board.columns
        for cell in column.cells
        if cell.job is None
    }
