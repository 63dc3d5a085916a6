"""Effective robustness of published models, from the packaged tables alone."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from clipbench.errors import UserError
from clipbench.metrics.shift import LogitLine, fit_line
from clipbench.reference.published import PublishedModel, PublishedPair, published_pairs
from clipbench.stats.intervals import Interval
from clipbench.stats.line_draws import LineDraws, draw_accuracies, interval_of, resample_line

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
    """Of rho, over models in the line and over images."""
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
    return tuple(_robustness(pair, model) for pair in pairs for model in pair.models if model.name == known)


@cache
def pair_line(pair: PublishedPair, continuity: float | None = None) -> LogitLine:
    """Return the line of a pair's baseline models, as `fit_line` makes it."""
    names, reference, shift = _accuracies(pair)
    sizes = {"n_reference": pair.n_reference, "n_shift": pair.n_shift}
    return fit_line(names, reference, shift, continuity=continuity, **sizes)


@cache
def pair_draws(pair: PublishedPair, continuity: float | None = None) -> LineDraws:
    """Return a pair's lines of resampled families of baseline models."""
    families = [model.family for model in pair.line_models]
    sizes = pair.n_reference, pair.n_shift
    return resample_line(pair_line(pair, continuity), *_accuracies(pair), *sizes, families=families)


def _accuracies(pair: PublishedPair) -> tuple[list[str], list[float], list[float]]:
    """Return names, reference and shift accuracies of the models of the line."""
    models = pair.line_models
    reference, shift = [model.reference_top1 for model in models], [model.shift_top1 for model in models]
    return [model.name for model in models], reference, shift


def _robustness(pair: PublishedPair, model: PublishedModel) -> Robustness:
    line = pair_line(pair)
    warnings = tuple(_warnings(pair, model, line))
    if not model.matched:
        return Robustness(pair, model, line, None, None, None, warnings)
    sides = ((model.reference_top1, pair.n_reference, 1), (model.shift_top1, pair.n_shift, 2))
    reference, shift = (draw_accuracies(round(top1 * n), n, seed=seed) for top1, n, seed in sides)
    expected = float(line.expected(model.reference_top1))
    return Robustness(
        pair,
        model,
        line,
        expected=expected,
        rho=model.shift_top1 - expected,
        interval=interval_of(shift - pair_draws(pair).expected(reference)),
        warnings=warnings,
    )


def _warnings(pair: PublishedPair, model: PublishedModel, line: LogitLine) -> Iterator[str]:
    if pair.warning:
        yield pair.warning
    if line.left_out:
        yield f"Left out of the line, at 0 or 100 %: {', '.join(line.left_out)}."
    if not model.matched:
        yield "Its ImageNet accuracy is over all 1,000 classes, so nothing is expected of it here."
    elif not line.covers(model.reference_top1):
        lowest, highest = 100 * line.lowest, 100 * line.highest
        yield f"It lies outside the models of the line ({lowest:.1f} to {highest:.1f} % on ImageNet)."
    if model.name in line.models:
        yield "It is itself one of the models of the line."
