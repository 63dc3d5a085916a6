"""Pairing: given an image, which of N text snippets is its own? The proxy task that CLIP is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy.special import gammaln

from clipbench.arrays import Float64Array, IntArray
from clipbench.metrics.specs import ColumnSpec, CurveSpec, MetricSpec, TableSpec
from clipbench.stats.clusters import design, effective_clusters, t_critical
from clipbench.stats.intervals import Interval, ends, wilson_ends
from clipbench.stats.significance import NORMAL
from clipbench.tasks.base import DatasetFacts, ImageSet, Inputs, Metric, Needs, Outcome, TaskSettings
from clipbench.tasks.requirements import require_joint_space, require_split
from clipbench.tasks.retrieval.ranks import Captions, Vectors

if TYPE_CHECKING:
    import pandas as pd

    from clipbench.models.base import ModelInfo
    from clipbench.tasks.prompts import PromptedClasses

MOST_SNIPPETS = 32_768
"""The paper's batch (Radford et al. 2021, section 2.5)."""

GROUPS = 200
"""Most groups of images that the jackknife leaves out in turn."""

KIND = "jackknife"
"""Of the intervals."""

_TILE = 1 << 22
"""Scores held at once."""

CURVE = TableSpec(
    "pairing_curve",
    "Its own among N snippets",
    (
        ColumnSpec("snippets", unit="count"),
        ColumnSpec("accuracy", "its own first", "fraction", "low", "high"),
        ColumnSpec("chance", unit="fraction"),
    ),
    curve=CurveSpec("snippets", "accuracy", log_x=True, second="chance", second_label="chance"),
)


class PairingSettings(TaskSettings):
    """Settings of pairing."""

    task: Literal["pairing"] = Field(description="Say which of N text snippets is an image's own, for growing N.")


class Pairing:
    """How often an image's own caption scores above N - 1 captions of other images, for N = 2, 4, 8, ... 32,768.

    With r of the M captions of other images scoring at least as high, the chance that none of them is among N - 1 drawn
    without replacement is C(M - r, N - 1) / C(M, N - 1): the mean over all draws, exactly, so that none is made.
    Intervals are Wilson's of a proportion of as many images as have the variance that the delete-a-group jackknife
    gives (the effective sample size, Korn and Graubard 1998), with Student's quantile for its groups; it leaves out
    images with their captions, as questions and as wrong answers. Images that come in clusters are left out by cluster.
    """

    name: ClassVar[str] = "pairing"
    protocol: ClassVar[int] = 2
    label: ClassVar[str] = "pairing"
    metrics: ClassVar[tuple[MetricSpec, ...]] = (
        MetricSpec(
            "paired_of_{n}",
            "own of {n} snippets",
            definition="how often an image's own caption scores above N - 1 captions of other images, averaged over "
            "all ways to draw those, over the image's captions and over images.",
            source="Radford et al. 2021, section 2.3",
            per_example="paired_of_{n}",
        ),
    )
    tables: ClassVar[tuple[TableSpec, ...]] = (CURVE,)
    Settings: type[PairingSettings] = PairingSettings

    def needs(
        self, settings: PairingSettings, dataset: DatasetFacts, model: ModelInfo, prompts: PromptedClasses | None
    ) -> Needs:
        """Ask for one split's projected features and its captions."""
        require_split(dataset, settings.split)
        require_joint_space(model, self.name)
        return Needs(splits=(settings.split,), captions=True)

    def evaluate(self, inputs: Inputs, settings: PairingSettings, prompts: PromptedClasses | None) -> Outcome:
        """Count for each caption how many of other images score as high, and average."""
        images = inputs.sets[settings.split]
        captions = Captions.of(images, f"{inputs.dataset.name}, split {settings.split}")
        answers = count_answers(captions, Vectors.of(captions, inputs, settings.split), images.clusters_of())
        sizes = snippet_counts(int(answers.others.min()))
        points = [(size, *accuracy(answers, size)) for size in sizes]
        metrics = tuple(
            Metric(f"paired_of_{size}", value, captions.images, interval, main=size == sizes[-1], chance=1 / size)
            for size, value, interval in points
        )
        shared = f"Captions that stand at several images: {captions.shared:,}. There they are wrong."
        return Outcome(
            metrics,
            _examples(images, settings.split, answers, sizes),
            {CURVE.name: CURVE.frame((size, value, *ends(interval), 1 / size) for size, value, interval in points)},
            notes=(shared,) if captions.shared else (),
        )


@dataclass(frozen=True)
class Answers:
    """For each of T captions, how many captions of other images score as high for its image."""

    image: IntArray
    """(T,) its image."""
    higher: IntArray
    """(T, G) of the images of each group: captions of other images that score at least as high as it does."""
    captions: IntArray
    """(G,) captions of each group's images."""
    group: IntArray
    """(n,) each image's group."""
    counts: IntArray
    """(n,) captions of each image."""
    clusters: IntArray | None = None
    """(n,) codes; None: images are independent."""

    @cached_property
    def others(self) -> IntArray:
        """(T,) M: captions of other images."""
        return np.asarray(self.counts.sum() - self.counts[self.image])

    @cached_property
    def total(self) -> IntArray:
        """(T,) r: captions of other images that score at least as high."""
        return np.asarray(self.higher.sum(axis=1))


def snippet_counts(others: int) -> tuple[int, ...]:
    """Return 2, 4, 8, ... as far as there are others, at most 32,768."""
    return tuple(2**power for power in range(1, MOST_SNIPPETS.bit_length()) if 2**power - 1 <= others) or (2,)


def count_answers(captions: Captions, vectors: Vectors, clusters: IntArray | None = None) -> Answers:
    """Score all captions for each image, a tile of images at a time; equal vectors score exactly the same."""
    counts = np.bincount(captions.image)
    codes = np.arange(captions.images) if clusters is None else clusters
    units = int(codes.max()) + 1
    group = codes * min(GROUPS, units) // units
    by_group = np.argsort(group[captions.image], kind="stable")
    first_of_group = np.searchsorted(group[captions.image][by_group], np.arange(group.max() + 1))
    higher = np.empty((len(captions.text), len(first_of_group)), np.int64)
    images_at_once = max(1, _TILE // len(captions.text))
    for start in range(0, captions.images, images_at_once):
        images = vectors.image_rows[vectors.image_column[start : start + images_at_once]]
        scores = (images @ vectors.text_rows.T)[:, vectors.text_column[captions.text]]
        for row, image_scores in enumerate(scores, start):
            begin, end = captions.starts[row], captions.starts[row] + counts[row]
            as_high = image_scores[None, :] >= image_scores[begin:end, None]
            as_high[:, begin:end] = False
            grouped = as_high if clusters is None else as_high[:, by_group]
            higher[begin:end] = np.add.reduceat(grouped, first_of_group, axis=1, dtype=np.int64)
    return Answers(captions.image, higher, np.bincount(group, counts).astype(np.int64), group, counts, clusters)


def accuracy(answers: Answers, snippets: int) -> tuple[float, Interval | None]:
    """Return the mean over images of the chance that the own caption is first of N, with its 95 % interval.

    There is no interval where every image is right, or none, where leaving out images changes nothing, or where images
    or clusters are too few.
    """
    value = float(_by_image(answers, _first(answers.others, answers.total, snippets)).mean())
    groups = len(answers.captions)
    if not 0 < value < 1 or design(answers.group, answers.clusters) is None:
        return value, None
    left_out = np.array([_without(answers, group, snippets) for group in range(groups)])
    variance = (groups - 1) / groups * float(np.sum((left_out - left_out.mean()) ** 2))
    if variance == 0:
        return value, None
    effective = value * (1 - value) / variance
    quantile = t_critical(NORMAL, effective_clusters(np.bincount(answers.group)))
    return value, Interval(*wilson_ends(value * effective, effective, quantile), KIND)


def _without(answers: Answers, group: int, snippets: int) -> float:
    """Return the accuracy without a group's images, neither as questions nor as wrong answers."""
    asked = answers.group[answers.image] != group
    others = answers.others - answers.captions[group]
    higher = answers.total - answers.higher[:, group]
    first = np.where(asked, _first(np.where(asked, others, 0), np.where(asked, higher, 0), snippets), 0.0)
    return float(_by_image(answers, first)[answers.group != group].mean())


def _first(others: IntArray, higher: IntArray, snippets: int) -> Float64Array:
    """Return (T,) C(M - r, N - 1) / C(M, N - 1); of fewer others than N - 1, all are drawn."""
    drawn = np.minimum(snippets - 1, others)
    lower = others - higher
    possible = lower >= drawn
    safe = np.where(possible, lower, drawn)
    logarithm = gammaln(safe + 1) - gammaln(safe - drawn + 1) - gammaln(others + 1) + gammaln(others - drawn + 1)
    return np.where(possible, np.exp(np.minimum(logarithm, 0.0)), 0.0)


def _by_image(answers: Answers, values: Float64Array) -> Float64Array:
    return np.bincount(answers.image, values) / answers.counts


def _examples(images: ImageSet, split: str, answers: Answers, sizes: Sequence[int]) -> pd.DataFrame:
    import pandas as pd

    chances = {f"paired_of_{size}": _by_image(answers, _first(answers.others, answers.total, size)) for size in sizes}
    columns = {"id": list(images.ids), "split": split, "captions": answers.counts, **chances}
    return pd.DataFrame(columns | images.attributes(np.arange(len(images))))
