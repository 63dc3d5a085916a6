"""Effective robustness of published models, from the packaged tables alone."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from clipbench.errors import UserError
from clipbench.metrics.shift import LogitLine
from clipbench.reference.published import PublishedModel, PublishedPair, published_pairs
from clipbench.stats.intervals import Interval
from clipbench.stats.prediction import ModelLine, model_line

CATALOG_SHIFTS = ("imagenet-v2", "imagenet-sketch", "imagenet-r", "objectnet", "imagenet-a")
"""The published shifts that are in the catalog of data sets; the others are kept for comparison."""


@dataclass(frozen=True)
class Robustness:
    """A published model on a shift beside the line of models trained on ImageNet alone."""

    pair: PublishedPair
    model: PublishedModel
    line: LogitLine
    expected: float | None
    """None where the model's ImageNet accuracy is not class-matched."""
    rho: float | None
    interval: Interval | None
    """Of rho: the prediction interval, from which zero is left out where the model lies outside it."""
    warnings: tuple[str, ...]


def find_published(name: str) -> str:
    """Return the name of a published model, given in full or by an unambiguous beginning, in any case.

    Raises:
        UserError: there is none, or there are several.
    """
    known = sorted({model.name for pair in published_pairs() for model in pair.models})
    near = [other for other in known if other.lower().startswith(name.lower())]
    same = [other for other in near if len(other) == len(name)]
    for names in ([other for other in same if other == name], same, near):
        if len(names) == 1:
            return names[0]
    if near:
        shown = ", ".join(near[:6]) + (f", ... ({len(near)} in all)" if len(near) > 6 else "")
        raise UserError(f"{name!r} begins the names of several published models", fix=f"give one of: {shown}")
    # A name may be close to another as a whole, or to how a longer one begins.
    beginnings = {other[: len(name)].lower(): other for other in reversed(known)}
    close = difflib.get_close_matches(name, known, n=1)
    close += [beginnings[start] for start in difflib.get_close_matches(name.lower(), beginnings, n=1)]
    fix = f"did you mean {close[0]!r}?" if close else "`clipbench reference table imagenet-testbed` lists models"
    raise UserError(f"there is no published model {name!r}", fix=fix)


def published_robustness(name: str, shifts: Sequence[str] = CATALOG_SHIFTS) -> tuple[Robustness, ...]:
    """Return the effective robustness of a published model, named by its beginning, on each of the shifts.

    Raises:
        UserError: there is no such model, or several begin so.
    """
    known = find_published(name)
    pairs = [pair for pair in published_pairs() if pair.shift in shifts]
    return tuple(judge(pair, model) for pair in pairs for model in pair.models if model.name == known)


@cache
def pair_line(pair: PublishedPair, continuity: float | None = None, without: tuple[str, ...] = ()) -> ModelLine:
    """Return the line of a pair's baseline models, as `model_line` makes it."""
    models = pair.line_models
    return model_line(
        [model.name for model in models],
        [model.reference_top1 for model in models],
        [model.shift_top1 for model in models],
        pair.n_reference,
        pair.n_shift,
        families=[model.family for model in models],
        continuity=continuity,
        without=without,
    )


def judge(pair: PublishedPair, model: PublishedModel) -> Robustness:
    """Return the effective robustness of one of a pair's models."""
    # With its own figures in it, a line would be drawn towards the model.
    models = pair_line(pair, without=(model.name,) if model.baseline else ())
    warnings = tuple(_warnings(pair, model, models))
    if not model.matched:
        return Robustness(pair, model, models.line, None, None, None, warnings)
    expected = models.expected(model.reference_top1)
    predicted = models.predict(model.reference_top1, pair.n_reference, pair.n_shift)
    rho = model.shift_top1 - expected
    interval = replace(predicted, low=model.shift_top1 - predicted.high, high=model.shift_top1 - predicted.low)
    return Robustness(pair, model, models.line, expected, rho, interval, warnings)


def _warnings(pair: PublishedPair, model: PublishedModel, models: ModelLine) -> Iterator[str]:
    line = models.line
    if pair.warning:
        yield pair.warning
    if line.left_out:
        yield f"Left out of the line, at 0 or 100 %: {', '.join(line.left_out)}."
    if not model.matched:
        yield "Its ImageNet accuracy is over all 1,000 classes, so nothing is expected of it here."
    elif not line.covers(model.reference_top1):
        lowest, highest = 100 * line.lowest, 100 * line.highest
        yield f"It lies outside the models of the line ({lowest:.1f} to {highest:.1f} % on ImageNet)."
    if models.without:
        yield "Its own figures have no part in the line."
