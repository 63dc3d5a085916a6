"""How much top-1 moves with the prompt template, and what the paper's two steps and a choice of templates gain."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clipbench.metrics.flips import Flips
from clipbench.metrics.specs import MetricSpec
from clipbench.stats.bootstrap import RESAMPLES, SEED
from clipbench.stats.clusters import answers_interval, design, share_interval
from clipbench.stats.differences import Difference, simultaneous_differences
from clipbench.stats.intervals import Interval
from clipbench.stats.simultaneous import critical_value, largest_of
from clipbench.stats.variance_components import Component
from clipbench.tasks.base import Metric
from clipbench.tasks.classify.single_label import proportion
from clipbench.tasks.prompt_sensitivity.held_out_selection import HeldOutSelection
from clipbench.tasks.prompt_sensitivity.prompt_grid import BARE, PHOTO, PromptGrid
from clipbench.tasks.prompt_sensitivity.template_scores import TemplateScores

ACCURACIES = ("mean", "best", "worst", "ensemble_top1", "chosen_top1")
"""Metrics that stand beside chance."""

CLIP_PAPER = "Radford et al. 2021, section 3.1.4"


def _moves(name: str, label: str, unit: str, definition: str, source: str = "") -> MetricSpec:
    """Return the spec of a length or a difference, of which neither end is the better one."""
    return MetricSpec(name, label, unit, None, definition, source)


def _gain(name: str, label: str, definition: str, source: str = "") -> MetricSpec:
    together = (
        f"{definition}, on the same images, in points; its interval holds together with those of the other gains."
    )
    return _moves(name, label, "difference", together, source)


METRICS = (
    MetricSpec(
        "mean",
        "top-1 of a template",
        definition="top-1 of each prompt template alone, their mean.",
        per_example="correct_share",
    ),
    _moves(
        "template_spread",
        "spread over templates",
        "gap",
        "standard deviation of top-1 over the templates without the noise of the images: the root of the variance "
        "component of the templates, 0 where that is negative.",
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
    MetricSpec(
        "best",
        "best template",
        definition="its top-1 on the images it was chosen on, so it is optimistic; the interval is wide enough to hold "
        "for whichever template is chosen.",
    ),
    MetricSpec(
        "worst",
        "worst template",
        definition="its top-1 on the images it was chosen on, so it is pessimistic; the interval is wide enough to "
        "hold for whichever template is chosen.",
    ),
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
    MetricSpec(
        "chosen_top1",
        "chosen template",
        definition="top-1 of the template that did best on validation data, or on the other half of the images.",
    ),
    _gain(
        "photo_gain",
        "gain of a photo over the bare name",
        "top-1 of 'a photo of a {}.' minus that of the bare class name",
        CLIP_PAPER,
    ),
    _gain(
        "ensemble_over_photo",
        "gain of the ensemble over a photo",
        "top-1 with all templates averaged minus that of 'a photo of a {}.'",
        CLIP_PAPER,
    ),
    _gain("ensemble_gain", "gain of the ensemble", "top-1 of the ensemble minus the mean over templates"),
    _gain("chosen_gain", "gain of the chosen template", "its top-1 minus the mean over templates"),
)


def template_metrics(scores: TemplateScores, found: Flips, grid: PromptGrid, spread: Component) -> Iterator[Metric]:
    """Yield the metrics of prompt sensitivity; the mean over templates is the main one.

    standard_deviation is the sample's, with T - 1. Intervals are over images: other templates would give others. Those
    of the best and the worst template hold for all templates together, so for any that is chosen.

    Args:
        scores: what the templates are right about.
        found: how often they disagree.
        grid: the templates.
        spread: the variance component of the templates.
    """
    correct, n, clusters = scores.correct, len(scores.rows), scores.clusters
    top1 = correct.mean(axis=0)
    size = {"templates": len(grid.templates)}
    yield Metric("mean", float(correct.mean()), n, answers_interval(scores.correct, clusters), main=True, params=size)
    drawn = size | {"seed": SEED, "resamples": RESAMPLES}
    # The noise that the component is freed of is that of independent images.
    root = _root(spread.value) if clusters is None else None
    yield Metric("template_spread", root, n, root_interval(spread.interval), params=drawn)
    yield Metric("range", float(np.ptp(top1)), n, params=size)
    yield Metric("standard_deviation", float(top1.std(ddof=1)), n, params=size)
    critical = critical_value([largest_of(correct, clusters=clusters)])
    for name, position in (("best", int(top1.argmax())), ("worst", int(top1.argmin()))):
        share, of_images = float(top1[position]), design(correct[:, position], clusters)
        interval = share_interval(share, n, of_images, critical=critical, family=len(grid.templates))
        params: dict[str, Any] = {"template": grid.templates[position], "position": position}
        yield Metric(name, share, n, interval, params=params)
    yield proportion("flip_share", found.different > 1, clusters=clusters)
    yield proportion("ensemble_top1", scores.ensemble_correct, clusters=clusters)


def chosen_metric(scores: TemplateScores, selection: HeldOutSelection, grid: PromptGrid) -> Metric:
    """Return what a template gives that was chosen on other images than these."""
    params: dict[str, Any] = {"chosen_on": selection.chosen_on, "template": _chosen(selection, grid)}
    return proportion("chosen_top1", selection.correct, params, clusters=scores.clusters)


def _chosen(selection: HeldOutSelection, grid: PromptGrid) -> str:
    """Return the chosen template; what two halves chose stands side by side where it differs."""
    return " | ".join(dict.fromkeys(grid.templates[position] for position in selection.positions))


@dataclass(frozen=True)
class Gain:
    """What one step gains on these images: of the paper's two, or over the mean of templates."""

    metric: str
    name: str
    """In the table."""
    plain: str
    better: str
    found: Difference


def gains(scores: TemplateScores, selection: HeldOutSelection, grid: PromptGrid) -> tuple[Gain, ...]:
    """Return the paper's two gains, and those of the ensemble and of the chosen template over the mean of templates.

    Their intervals hold together.
    """
    bare, photo = (scores.every_correct[:, grid.position(template)] for template in (BARE, PHOTO))
    together, shares, chosen = scores.ensemble_correct, scores.correct.mean(axis=1), selection.correct
    *found, of_choice = simultaneous_differences(
        [(photo, bare), (together, photo), (together, shares), (chosen, shares)], scores.clusters
    )
    found.append(_of_two_halves(of_choice) if selection.cross_fitted else of_choice)
    every, mean = f"all {len(grid.templates)} templates", f"mean of {len(grid.templates)} templates"
    steps = (
        ("photo_gain", "a photo over the bare name", BARE, PHOTO),
        ("ensemble_over_photo", "all templates over a photo", PHOTO, every),
        ("ensemble_gain", "all templates over their mean", mean, every),
        ("chosen_gain", "the chosen template over their mean", mean, _chosen(selection, grid)),
    )
    return tuple(Gain(*step, difference) for step, difference in zip(steps, found, strict=True))


def _of_two_halves(found: Difference) -> Difference:
    """Return a difference of halves that choose for each other with an interval of twice the variance.

    A template that is lucky in both halves is chosen by both and judged by both, so their results are correlated; twice
    is the most that this can add. Without it the interval held the truth in 89 % of simulations.
    """
    if found.interval is None:
        return found
    low, high = (found.value + math.sqrt(2) * (end - found.value) for end in (found.interval.low, found.interval.high))
    return replace(found, interval=replace(found.interval, low=max(-1.0, low), high=min(1.0, high)))


def gain_metrics(steps: tuple[Gain, ...], images: int) -> Iterator[Metric]:
    """Yield a metric for each gain on so many images."""
    for gain in steps:
        params = {"plain": gain.plain, "better": gain.better}
        yield Metric(gain.metric, gain.found.value, images, gain.found.interval, params=params)


def _root(variance: float) -> float:
    return math.sqrt(max(0.0, variance))


def root_interval(interval: Interval | None) -> Interval | None:
    """Return the roots of the ends; None where all of it lies below zero, which a variance cannot."""
    if interval is None or interval.high <= 0:
        return None
    return replace(interval, low=_root(interval.low), high=_root(interval.high))
