"""One model's answers clean and under corruptions, image by image, and the errors that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from clipbench.arrays import Float32Array, Float64Array, IntArray
from clipbench.results.records import JobResult

View = tuple[str, int]
"""(corruption, severity)."""


@dataclass(frozen=True)
class CorruptedRun:
    """One model on one data set, clean and through views: a clean job and one for each view."""

    clean: JobResult
    views: Mapping[View, JobResult]

    @property
    def jobs(self) -> tuple[str, ...]:
        """Hashes of its jobs, the clean one first."""
        return (self.clean.hash, *(job.hash for job in self.views.values()))

    def severities(self, corruption: str) -> tuple[int, ...]:
        """Return the severities at which a corruption was measured."""
        return tuple(sorted(severity for name, severity in self.views if name == corruption))

    def kind(self, view: View) -> str:
        """Return what kind of corruption a view is, e.g. 'noise'."""
        return str(self.views[view].about["view"].get("kind", ""))


def corrupted_runs(
    jobs: Sequence[JobResult], dataset: str, split: str, wanted: Callable[[JobResult], bool]
) -> tuple[CorruptedRun, ...]:
    """Gather clean jobs with those of the wanted views, of every model, prompt set and subset.

    A view's job that was made of other images, labels, prompts or weights than the clean one is left out.
    """
    views: dict[tuple[str, ...], dict[View, JobResult]] = {}
    clean: dict[tuple[str, ...], JobResult] = {}
    for job in jobs:
        if job.dataset != dataset or job.split != split or job.matched:
            continue
        key = (job.model, job.task, job.variant, job.pedigree.subset)
        if not job.view:
            clean[key] = job
        elif wanted(job):
            view = job.about["view"]
            views.setdefault(key, {})[view["corruption"], view["severity"]] = job
    return tuple(
        CorruptedRun(clean[key], {view: job for view, job in corrupted.items() if _same_but_view(clean[key], job)})
        for key, corrupted in views.items()
        if key in clean
    )


def _same_but_view(clean: JobResult, corrupted: JobResult) -> bool:
    return set(clean.pedigree.differences(corrupted.pedigree)) <= {"view"}


@dataclass(frozen=True)
class Layout:
    """Which column of accuracies is what: the clean images first, then each corruption at each severity."""

    corruptions: tuple[str, ...]
    """All of them measured at every severity."""
    severities: tuple[int, ...]
    averaged: tuple[str, ...]
    """Those that enter the means."""

    @property
    def views(self) -> tuple[View, ...]:
        """What the columns after the first are."""
        return tuple((name, severity) for name in self.corruptions for severity in self.severities)

    def by_corruption(self, accuracies: Float64Array) -> Float64Array:
        """Return (b, C) the mean over severities of each corruption, from (b, 1 + views) accuracies."""
        shape = (len(accuracies), len(self.corruptions), len(self.severities))
        return np.asarray(accuracies[:, 1:].reshape(shape).mean(axis=2))

    def mean(self, values: Float64Array) -> Float64Array:
        """Return (b,) the mean over the averaged corruptions, from (b, C) values."""
        chosen = [self.corruptions.index(name) for name in self.averaged]
        return np.asarray(values[:, chosen].mean(axis=1))


def read_correct(
    runs: Sequence[CorruptedRun], layout: Layout, examples: Callable[[str], pd.DataFrame]
) -> tuple[list[Float32Array], int]:
    """Return each run's (n, 1 + views) ones where the answer is right, and how many images are left out.

    The n images are those that could be read in every view of every run, in the order of the first table.

    Raises:
        UserError: a table cannot be read.
    """
    columns = {job: examples(job).set_index("id")["correct"] for run in runs for job in run.jobs}
    common = pd.concat(columns, axis=1, join="inner")
    chosen = [[run.clean.hash, *(run.views[view].hash for view in layout.views)] for run in runs]
    return [common[jobs].to_numpy(np.float32) for jobs in chosen], max(map(len, columns.values())) - len(common)


def corruption_errors(
    layout: Layout, accuracies: Float64Array, reference: tuple[Float64Array, Float64Array]
) -> dict[str, Float64Array]:
    """Return (b, C) corruption errors, 'ce' and 'relative_ce', from (b, 1 + views) accuracies.

    CE of a corruption is the sum of a model's errors over severities, divided by that of the reference; relative CE
    first subtracts the clean error from each (Hendrycks & Dietterich 2019, section 3). NaN where the reference has no
    error, or loses nothing under a corruption.

    Args:
        layout: what the columns are.
        accuracies: of the model.
        reference: (b,) errors of the reference on clean images and (b, C) its means over severities; b may be 1.
    """
    means, (clean, corrupted) = layout.by_corruption(accuracies), reference
    return {
        "ce": _ratio(1 - means, corrupted),
        "relative_ce": _ratio(accuracies[:, :1] - means, corrupted - clean[:, None]),
    }


def _ratio(errors: Float64Array, reference: Float64Array) -> Float64Array:
    reference = np.broadcast_to(reference, errors.shape)
    return np.asarray(np.divide(errors, reference, where=reference > 0, out=np.full(errors.shape, np.nan)))


def shares(right: Sequence[Float32Array], weights: IntArray) -> list[Float64Array]:
    """Return (b, 1 + views) accuracies of each model in resamples of the same images.

    Args:
        right: of each model (n, 1 + views) ones where the answer is right.
        weights: (b, n) how often each image was drawn.
    """
    drawn = weights.astype(np.float32)
    # Counts are whole numbers below 2 ** 24, which float32 adds up exactly.
    return [np.rint(drawn @ matrix).astype(np.float64) / matrix.shape[0] for matrix in right]
