"""How much top-1 moves with the prompt template, in numbers and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np

from clipbench.arrays import BoolArray, Float64Array, IntArray
from clipbench.metrics.flips import Flips
from clipbench.stats.bootstrap import RESAMPLES, SEED, bootstrap_mean, bootstrap_units
from clipbench.stats.comparison import span
from clipbench.stats.intervals import Interval, wilson
from clipbench.stats.paired import paired_difference
from clipbench.tasks.base import Metric
from clipbench.tasks.classify.classifier import TextClassifier
from clipbench.tasks.classify.single_label import proportion
from clipbench.tasks.prompt_sensitivity.held_out_selection import Chosen, HonestChoice
from clipbench.tasks.prompt_sensitivity.prompt_grid import Layout
from clipbench.tasks.prompt_sensitivity.template_scores import TemplateAnswers
from clipbench.tasks.wording import both, listed, points


def template_metrics(answers: TemplateAnswers, found: Flips, templates: Sequence[str]) -> Iterator[Metric]:
    """Yield the metrics of prompt sensitivity; the mean over templates is the main one.

    standard_deviation is the sample's, with T - 1. Intervals are over images: other templates would give others.
    """
    correct, together, n = answers.correct, answers.ensemble_correct, len(answers.rows)
    top1, shares = correct.mean(axis=0), correct.mean(axis=1)
    apart = span(correct)
    drawn = {"templates": len(templates), "seed": SEED, "resamples": RESAMPLES}
    yield Metric("mean", float(shares.mean()), n, _mean_interval(shares), main=True, params=drawn)
    yield Metric("range", apart.difference, n, apart.interval, params=drawn)
    yield Metric("standard_deviation", float(top1.std(ddof=1)), n, _deviation_interval(correct), params=drawn)
    for name, position in (("best", apart.best), ("worst", apart.worst)):
        params: dict[str, Any] = {"template": templates[position], "position": position}
        yield proportion(name, correct[:, position], params)
    yield proportion("flip_share", found.different > 1)
    yield proportion("ensemble_top1", together)
    gain = _gain_interval(together, correct, shares)
    yield Metric("ensemble_gain", float(together.mean() - shares.mean()), n, gain, params=drawn)


def choice_metrics(answers: TemplateAnswers, choice: HonestChoice, templates: Sequence[str]) -> Iterator[Metric]:
    """Yield what templates give that were chosen on other images than these; None for a search that was left out."""
    correct, n = answers.correct, len(answers.rows)
    shares = correct.mean(axis=1)
    right, drawn = choice.best.right, {"seed": SEED, "resamples": RESAMPLES}
    on: dict[str, Any] = {"chosen_on": choice.chosen_on}
    best = int(correct.mean(axis=0).argmax())
    yield proportion("chosen_top1", right, on | {"template": _named(choice.best, templates)})
    optimism, between = paired_difference(correct[:, best], right)
    yield Metric("optimism", optimism, n, between, params=on | drawn)
    gain = _gain_interval(right, correct, shares)
    yield Metric("chosen_gain", float(right.mean() - shares.mean()), n, gain, params=on | drawn)
    if choice.greedy is None:
        yield Metric("greedy_top1", None, n, params=on)
    else:
        yield proportion("greedy_top1", choice.greedy.right, on | {"templates": _named(choice.greedy, templates)})


def _named(chosen: Chosen, templates: Sequence[str]) -> str:
    """Return an ensemble's templates joined by ' + '; what the two halves chose by ' | ' where that differs."""
    sets = (" + ".join(templates[position] for position in positions) for positions in chosen.templates)
    return " | ".join(dict.fromkeys(sets))


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
        drawn: Float64Array = (sums.astype(np.float64) / n).std(axis=1, ddof=1, keepdims=True)
        return drawn

    # Resampling adds noise to each template's top-1, so to their deviation, which the centre takes off again.
    centre = correct.mean(axis=0).std(ddof=1, keepdims=True)
    (interval,) = bootstrap_units(n, deviation, elements=templates, centre=centre)
    if np.isclose(interval.low, interval.high, rtol=0, atol=1e-12):
        return None
    return Interval(max(0.0, interval.low), interval.high, interval.kind, interval.level)


def _gain_interval(together: BoolArray, correct: BoolArray, shares: Float64Array) -> Interval | None:
    gains = together - shares
    if np.ptp(gains) > 0:
        return bootstrap_mean(gains)
    # Where ensemble and templates are right about the same images, any template stands for all.
    return paired_difference(together, correct[:, 0])[1] if gains[0] == 0 else None


def moves_in_words(metrics: Mapping[str, Metric]) -> Iterator[str]:
    """Yield what the metrics say, and how far the best and the worst are to be believed."""
    low, high, moved, flipped = (
        points(metrics[name].value or 0.0) for name in ("worst", "best", "range", "flip_share")
    )
    changing = f"{flipped} % of images change their prediction."
    if not metrics["range"].value:
        yield f"Top-1 is {low} % with each of {metrics['range'].params['templates']} templates; {changing}"
        return
    worst, best = (metrics[name].params["template"] for name in ("worst", "best"))
    yield (
        f"Top-1 moves by {moved} points with the wording: from {low} % ({worst!r}) to {high} % ({best!r}); {changing}"
    )
    yield (
        "The best and the worst template were chosen on the images that they are reported on: the best is optimistic, "
        "the worst pessimistic, and their range too wide."
    )


def choice_in_words(metrics: Mapping[str, Metric], choice: HonestChoice, name: str, split: str) -> Iterator[str]:
    """Yield what an honest choice gives, how it was made, and why a search is missing or short."""
    chosen, lost, gain = (metrics[key].value or 0.0 for key in ("chosen_top1", "optimism", "chosen_gain"))
    side = "below" if gain < 0 else "above"
    yield (
        f"A template chosen on {choice.chosen_on} has {points(chosen)} % on {split}: {points(lost)} points below the "
        f"best one there, {points(abs(gain))} {side} the mean of all."
    )
    if choice.cross_fitted:
        yield (
            f"{name} has no validation split, so templates are chosen by two-fold cross-fitting: on each half of "
            f"{split} (by a hash of the ids, stratified by class), and judged on the other half."
        )
    yield from _search_in_words(choice)


def _search_in_words(choice: HonestChoice) -> Iterator[str]:
    """Yield what a greedy search left out to stay within its work."""
    limit = "about a billion scores (image x class x template)"
    if choice.greedy is None:
        yield f"Greedy ensemble selection is left out: even on few images it would take more than {limit}."
    sampled = [found.images for found in choice.searches if found.sampled]
    if sampled:
        counts = " and ".join(dict.fromkeys(f"{count:,}" for count in sampled))
        yield (
            f"Greedy ensemble selection looked at {counts} images that some templates are right about and others are "
            f"not: all images would take more than {limit}. The ensemble that it found is judged on all."
        )
    if not all(found.ended for found in choice.searches):
        yield f"Greedy ensemble selection stopped before its end: a step more would take more than {limit}."


def equal_templates(single: Sequence[TextClassifier], templates: Sequence[str]) -> Iterator[str]:
    """Yield which templates make the same classifier, as those do that differ in case where a tokenizer has none."""
    groups: dict[bytes, list[str]] = {}
    for template, classifier in zip(templates, single, strict=True):
        made_of = sha256(classifier.vectors.tobytes() + classifier.column.tobytes()).digest()
        groups.setdefault(made_of, []).append(template)
    told = [" = ".join(f"'{template}'" for template in group) for group in groups.values() if len(group) > 1]
    if told:
        yield (
            f"To the model {len(groups)} of the {len(templates)} templates are distinct; those that are the same as "
            f"another count all the same: {'; '.join(told)}."
        )


def equal_prompts(single: Sequence[TextClassifier], layout: Layout) -> Iterator[str]:
    """Yield which classes have the same prompt with some template, and which share a further name."""
    classes, templates = layout.given.classes, layout.templates
    places: dict[tuple[int, int], list[int]] = {}
    for position, classifier in enumerate(single):
        for pair in classifier.twins:
            places.setdefault(pair, []).append(position)
    if places:
        told = [
            both(classes, low, high)
            + ("" if len(at) == len(single) else f" with {listed([templates[place] for place in at], 2)}")
            for (low, high), at in places.items()
        ]
        yield f"Equal prompts, of which the lower index wins: {listed(told, 5)}."
    alike: dict[tuple[int, ...], list[int]] = {}
    for position, classifier in enumerate(single):
        for group in classifier.tied:
            alike.setdefault(group, []).append(position)
    if alike:
        told = [
            f"{listed([classes[index] for index in group], 3)} with {listed([templates[place] for place in at], 2)}"
            for group, at in alike.items()
        ]
        yield (
            "Prompts that differ and are the same to the model, so that these classes tie, which is wrong of all of "
            f"them: {listed(told, 5)}."
        )
    own = Counter(name for names in layout.given.names for name in dict.fromkeys(names))
    shared = [name for name, count in own.items() if count > 1]
    if shared:
        yield f"Names that several classes have: {listed(shared, 5)}."
