"""Top-1 of ensembles of 1, 2, 4, ... templates: the mean over random subsets of each size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from clipbench.arrays import BoolArray, Float32Array, Float64Array, IntArray
from clipbench.tasks.base import ImageSet
from clipbench.tasks.classify.decisions import unit_chunks
from clipbench.tasks.prompt_sensitivity.template_scores import TemplateAnswers, TemplateClassifiers

if TYPE_CHECKING:
    import pandas as pd

    from clipbench.models.base import ModelInfo

BUDGET = 1 << 24
"""Float32 numbers that are held at a time besides the text vectors: 64 MB."""

_WORK = 1 << 30
"""Scores (subset x image x class) of a whole curve, about: where there would be more, subsets are fewer."""

_READ = 1024
"""Images whose features are read at a time, at least."""

_FEWEST = 8
"""Subsets of each size that are drawn however much work that is."""


@dataclass(frozen=True)
class Draws:
    """How subsets of templates are drawn."""

    seed: int
    subsets: int
    """Of each size, at most."""


@dataclass(frozen=True)
class Cosines:
    """What T templates give m images whose class can be right."""

    columns: IntArray
    """(m,) the true class's column."""
    cosines: Float32Array
    """(m * U, T) image by image, of U different classes."""


def sizes_of(templates: int) -> tuple[int, ...]:
    """Return the sizes of a curve: the powers of two below T, and T."""
    return (*(1 << power for power in range(templates.bit_length()) if 1 << power < templates), templates)


def rows_within_budget(classes: int, templates: int, subsets: int, budget: int = BUDGET) -> int:
    """Return for how many images the scores of all templates and all subsets are held at once, at least one."""
    return max(1, budget // (classes * (templates + 2 * subsets)))


def ensemble_curve(
    images: ImageSet,
    answers: TemplateAnswers,
    classifiers: TemplateClassifiers,
    draws: Draws,
    model: ModelInfo,
    where: str,
) -> pd.DataFrame:
    """Return size, subsets, top1 (mean over the subsets), low, high (95 % of the subsets lie between them).

    A subset's classifier is made as zero-shot makes the one of all templates. Size 1 is every template alone and the
    largest is all of them, both exactly as decided elsewhere; a size with no more subsets than are to be drawn has
    all of them. A tie counts as wrong.

    Args:
        images: with 'projected' features and labels.
        answers: of its labelled images.
        classifiers: the templates'.
        draws: seed and number of subsets.
        model: its name, for messages.
        where: data set and split, for messages.
    """
    import pandas as pd

    templates = len(classifiers.single)
    inner = sizes_of(templates)[1:-1]
    chosen = [_subsets(size, templates, _limited(draws, answers, classifiers, len(inner))) for size in inner]
    top1 = {1: answers.correct.mean(axis=0), templates: answers.ensemble_correct.mean(keepdims=True)}
    if inner:
        subsets = np.concatenate(chosen)
        rows_at_once = rows_within_budget(len(classifiers.ensemble.vectors), templates, len(subsets))
        chunks = cosine_chunks(images, classifiers, rows_at_once, model, where)
        right = right_answers(chunks, classifiers, subsets)
        ends = np.cumsum([len(some) for some in chosen])[:-1]
        top1 |= dict(zip(inner, np.split(right / len(answers.rows), ends), strict=True))
    rows = [(size, len(top1[size]), float(top1[size].mean()), *_spread(top1[size])) for size in sorted(top1)]
    return pd.DataFrame(rows, columns=["size", "subsets", "top1", "low", "high"])


def _limited(draws: Draws, answers: TemplateAnswers, classifiers: TemplateClassifiers, sizes: int) -> Draws:
    scores = len(answers.rows) * len(classifiers.ensemble.vectors) * max(1, sizes)
    return Draws(draws.seed, min(draws.subsets, max(_FEWEST, _WORK // scores)))


def _subsets(size: int, templates: int, draws: Draws) -> BoolArray:
    """Return (K, T) masks: all subsets of a size where these are few enough, else random ones."""
    chosen: Iterator[tuple[int, ...]] | list[IntArray]
    if math.comb(templates, size) <= draws.subsets:
        chosen = combinations(range(templates), size)
    else:
        random = np.random.default_rng([draws.seed, size])
        chosen = [random.choice(templates, size, replace=False) for _ in range(draws.subsets)]
    return np.array([np.isin(np.arange(templates), some) for some in chosen])


def cosine_chunks(
    images: ImageSet,
    classifiers: TemplateClassifiers,
    rows: int,
    model: ModelInfo,
    where: str,
    among: BoolArray | None = None,
) -> Iterator[Cosines]:
    """Iterate over what every template gives labelled images, for some at a time.

    Args:
        images: n, with 'projected' features and labels.
        classifiers: of T templates.
        rows: images at a time, at most.
        model: its name, for messages.
        where: data set and split, for messages.
        among: (n,) the images that are wanted; None: all.
    """
    ensemble, vectors = classifiers.ensemble, _vectors(classifiers)
    flat = vectors.reshape(-1, vectors.shape[-1])
    labels = images.labels
    assert labels is not None
    wanted = (labels >= 0) & (ensemble.ahead[labels] == 0)
    if among is not None:
        wanted &= among
    columns = ensemble.column[labels]
    for places, chunk in _gathered(unit_chunks(images, max(rows, _READ), model, where), wanted, rows):
        yield Cosines(columns[places], (chunk @ flat.T).reshape(-1, vectors.shape[1]))


def _gathered(
    chunks: Iterable[tuple[int, Float32Array]], wanted: BoolArray, rows: int
) -> Iterator[tuple[IntArray, Float32Array]]:
    """Iterate over (places, features) of the images that are wanted, so many at a time however far apart they lie.

    A product with all text vectors costs nearly as much for two images as for a hundred.
    """
    places = np.zeros(0, np.int64)
    features: list[Float32Array] = []
    for start, chunk in chunks:
        inside = np.flatnonzero(wanted[start : start + len(chunk)])
        places = np.concatenate([places, start + inside])
        features.append(chunk[inside])
        while len(places) >= rows:
            together = np.concatenate(features)
            yield places[:rows], together[:rows]
            places, features = places[rows:], [together[rows:]]
    if len(places):
        yield places, np.concatenate(features)


def right_answers(chunks: Iterable[Cosines], classifiers: TemplateClassifiers, subsets: BoolArray) -> IntArray:
    """Return (K,) how many images each of (K, T) subsets of templates is right about; a tie is wrong."""
    vectors = _vectors(classifiers)
    mix = subsets.astype(np.float32).T
    lengths = _lengths(vectors, mix)
    right = np.zeros(len(subsets), np.int64)
    for chunk in chunks:
        # An ensemble's cosine is the sum of its templates' cosines over the length of the summed vectors.
        scores = (chunk.cosines @ mix).reshape(-1, len(vectors), len(subsets))
        scores /= lengths
        own = np.take_along_axis(scores, chunk.columns[:, None, None], axis=1)
        right += np.count_nonzero(np.count_nonzero(scores >= own, axis=1) == 1, axis=0)
    return right


def _vectors(classifiers: TemplateClassifiers) -> Float32Array:
    """Return (U, T, D): of classes with the same prompts the lowest stands for all."""
    first = classifiers.ensemble.first
    return np.stack([single.vectors[single.column[first]] for single in classifiers.single], axis=1)


def _lengths(vectors: Float32Array, mix: Float32Array) -> Float32Array:
    """Return (U, K) lengths of the sum of each subset's vectors, from the products of each class's own."""
    products = vectors @ vectors.transpose(0, 2, 1)
    squares = np.stack([np.einsum("tk,tk->k", of_class @ mix, mix) for of_class in products])
    # Vectors that cancel have no direction; no image is nearest to them.
    lengths: Float32Array = np.sqrt(np.maximum(squares, np.finfo(np.float32).tiny))
    return lengths


def _spread(values: Float64Array) -> tuple[float | None, float | None]:
    if len(values) < 2:
        return None, None
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
