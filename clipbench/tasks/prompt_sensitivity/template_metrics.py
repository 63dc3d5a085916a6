"""How much top-1 moves with the prompt template, and what the paper's two steps and a choice of templates gain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from clipbench.arrays import BoolArray, Float64Array, IntArray
from clipbench.metrics.flips import Flips
from clipbench.metrics.specs import MetricSpec
from clipbench.stats.bootstrap import RESAMPLES, SEED, bootstrap_mean, bootstrap_units
from clipbench.stats.intervals import Interval, wilson
from clipbench.stats.paired import Comparison, compare_pair, paired_difference, span
from clipbench.tasks.base import Metric
from clipbench.tasks.classify.single_label import proportion
from clipbench.tasks.prompt_sensitivity.held_out_selection import HeldOutSelection
from clipbench.tasks.prompt_sensitivity.prompt_grid import BARE, PHOTO, PromptGrid
from clipbench.tasks.prompt_sensitivity.template_scores import TemplateScores

CLIP_PAPER = "Radford et al. 2021, section 3.1.4"


def _moves(name: str, label: str, unit: str, definition: str, source: str = "") -> MetricSpec:
    """Return the spec of a length or a difference, of which neither end is the better one."""
    return MetricSpec(name, label, unit, None, definition, source)


METRICS = (
    MetricSpec(
        "mean",
        "top-1 of a template",
        definition="top-1 of each prompt template alone, their mean.",
        per_example="correct_share",
    ),
    _moves(
        "range",
        "range over templates",
        "gap",
        "the best template's top-1 minus the worst one's; too wide, as both "
        "were chosen on the images they are reported on.",
    ),
    _moves(
        "standard_deviation",
        "standard deviation over templates",
        "gap",
        "of top-1 over the templates; it holds the noise of the images too.",
    ),
    MetricSpec("best", "best template", definition="its top-1 on the images it was chosen on, so it is optimistic."),
    MetricSpec("worst", "worst template", definition="its top-1 on the images it was chosen on, so it is pessimistic."),
    _moves(
        "flip_share",
        "images that flip",
        "fraction",
        "share of images whose prediction differs between any two templates.",
    ),
    MetricSpec(
        "ensemble_top1",
        "top-1 of the ensemble",
        definition="top-1 with all templates averaged into one classifier, as zero-shot does.",
    ),
    _moves(
        "ensemble_gain",
        "gain of the ensemble",
        "difference",
        "top-1 of the ensemble minus the mean over templates, in points.",
    ),
    MetricSpec(
        "chosen_top1",
        "chosen template",
        definition="top-1 of the template that did best on validation data, or on the other half of the images.",
    ),
    _moves(
        "chosen_gain",
        "gain of the chosen template",
        "difference",
        "its top-1 minus the mean over templates, in points.",
    ),
    _moves(
        "photo_gain",
        "gain of a photo over the bare name",
        "difference",
        "top-1 of 'a photo of a {}.' minus that of the bare class name, on the same images, in points.",
        CLIP_PAPER,
    ),
    _moves(
        "ensemble_over_photo",
        "gain of the ensemble over a photo",
        "difference",
        "top-1 with all templates averaged minus that of 'a photo of a {}.', on the same images, in points.",
        CLIP_PAPER,
    ),
)


def template_metrics(scores: TemplateScores, found: Flips, grid: PromptGrid) -> Iterator[Metric]:
    """Yield the metrics of prompt sensitivity; the mean over templates is the main one.

    standard_deviation is the sample's, with T - 1. Intervals are over images: other templates would give others.
    """
    correct, together, n = scores.correct, scores.ensemble_correct, len(scores.rows)
    top1, shares = correct.mean(axis=0), correct.mean(axis=1)
    apart = span(correct)
    drawn = {"templates": len(grid.templates), "seed": SEED, "resamples": RESAMPLES}
    yield Metric("mean", float(shares.mean()), n, _mean_interval(shares), main=True, params=drawn)
    yield Metric("range", apart.difference, n, apart.interval, params=drawn)
    yield Metric("standard_deviation", float(top1.std(ddof=1)), n, _deviation_interval(correct), params=drawn)
    for name, position in (("best", apart.best), ("worst", apart.worst)):
        params: dict[str, Any] = {"template": grid.templates[position], "position": position}
        yield proportion(name, correct[:, position], params)
    yield proportion("flip_share", found.different > 1)
    yield proportion("ensemble_top1", together)
    gain = _gain_interval(together, correct, shares)
    yield Metric("ensemble_gain", float(together.mean() - shares.mean()), n, gain, params=drawn)


def selection_metrics(scores: TemplateScores, selection: HeldOutSelection, grid: PromptGrid) -> Iterator[Metric]:
    """Yield what a template gives that was chosen on other images than these."""
    shares = scores.correct.mean(axis=1)
    # What the two halves chose stands side by side where it differs.
    template = " | ".join(dict.fromkeys(grid.templates[position] for position in selection.positions))
    chosen_on: dict[str, Any] = {"chosen_on": selection.chosen_on}
    yield proportion("chosen_top1", selection.correct, chosen_on | {"template": template})
    gain = float(selection.correct.mean() - shares.mean())
    interval, drawn = _gain_interval(selection.correct, scores.correct, shares), {"seed": SEED, "resamples": RESAMPLES}
    yield Metric("chosen_gain", gain, len(scores.rows), interval, params=chosen_on | drawn)


@dataclass(frozen=True)
class Gain:
    """What one step of the paper gains on these images: a photo over bare names, and the ensemble over that."""

    metric: str
    name: str
    """In the table."""
    plain: str
    better: str
    found: Comparison


def gains(scores: TemplateScores, grid: PromptGrid) -> tuple[Gain, ...]:
    """Return the paper's two gains."""
    bare, photo = (scores.every_correct[:, grid.position(template)] for template in (BARE, PHOTO))
    together, over = f"all {len(grid.templates)} templates", compare_pair(scores.ensemble_correct, photo)
    return (
        Gain("photo_gain", "a photo over the bare name", BARE, PHOTO, compare_pair(photo, bare)),
        Gain("ensemble_over_photo", "all templates over a photo", PHOTO, together, over),
    )


def gain_metrics(steps: tuple[Gain, ...], images: int) -> Iterator[Metric]:
    """Yield a metric for each gain on so many images."""
    for gain in steps:
        params = {"plain": gain.plain, "better": gain.better, "seed": SEED, "resamples": RESAMPLES}
        yield Metric(gain.metric, gain.found.difference, images, gain.found.interval, params=params)


def _mean_interval(shares: Float64Array) -> Interval:
    if np.ptp(shares) == 0:
        # Every resample would repeat the value.
        return wilson(min(float(shares.sum()), len(shares)), len(shares))
    return bootstrap_mean(shares)


def _deviation_interval(correct: BoolArray) -> Interval | None:
    """Return the interval around the value; None where every resample repeats it."""
    n, templates = correct.shape
    right = correct.astype(np.float32)

    def deviation(weights: IntArray) -> Float64Array:
        sums = weights.astype(np.float32) @ right
        return np.asarray((sums.astype(np.float64) / n).std(axis=1, ddof=1, keepdims=True))

    # Resampling adds noise to each template's top-1, so to their deviation, which the centre takes off again.
    centre = correct.mean(axis=0).std(ddof=1, keepdims=True)
    (interval,) = bootstrap_units(n, deviation, elements=templates, centre=centre)
    if np.isclose(interval.low, interval.high, rtol=0, atol=1e-12):
        return None
    return Interval(max(0.0, interval.low), interval.high, interval.kind, interval.level)


def _gain_interval(together: BoolArray, correct: BoolArray, shares: Float64Array) -> Interval | None:
    gained = together - shares
    if np.ptp(gained) > 0:
        return bootstrap_mean(gained)
    # Where ensemble and templates are right about the same images, any template stands for all.
    return paired_difference(together, correct[:, 0])[1] if gained[0] == 0 else None
