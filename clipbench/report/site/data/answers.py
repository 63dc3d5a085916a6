"""Answers to the same images, by which models are compared in their means over several data sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from clipbench.analyses.rankings.per_example import JobValues, columns_of, paired, spec_of
from clipbench.arrays import IntArray
from clipbench.errors import UserError
from clipbench.report.leaderboard import Column
from clipbench.results.folder import Results
from clipbench.results.records import JobResult
from clipbench.stats.pairs import PairedValues, differences_of_means


class Answers:
    """The per-example tables of some results; each is read once, since choices of columns overlap."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._read: dict[tuple[tuple[str, ...], tuple[str, ...]], PairedValues] = {}

    def directions(self, models: Sequence[str], columns: Sequence[Column]) -> IntArray:
        """Return of each pair of models whether the first one's mean is surely higher, 1, or lower, -1; else 0.

        The intervals of all pairs hold together. The mean is over data sets; columns of one data set are averaged
        image by image. Pairs are in the order of `numpy.triu_indices(M, 1)`.

        Raises:
            UserError: a table is not there, or models have other examples.
        """
        if len(models) < 2:
            return np.zeros(0, np.int64)
        together: dict[str, list[Column]] = defaultdict(list)
        for column in columns:
            together[column.dataset].append(column)
        parts = [self._of_dataset(models, members) for members in together.values()]
        return differences_of_means(parts).directions

    def _of_dataset(self, models: Sequence[str], columns: Sequence[Column]) -> PairedValues:
        """Return what models make of a data set's images, in their order."""
        ordered = tuple(sorted(models))
        key = (ordered, tuple(column.name for column in columns))
        if key not in self._read:
            self._read[key] = self._averaged(ordered, columns)
        found = self._read[key]
        return replace(found, numbers=found.numbers[[ordered.index(model) for model in models]])

    def _averaged(self, models: Sequence[str], columns: Sequence[Column]) -> PairedValues:
        like: JobValues | None = None
        found: list[PairedValues] = []
        for column in columns:
            read: list[JobValues] = []
            for job, metric in _shown(column, models):
                table = self._results.examples(job.hash, columns_of(spec_of(job, metric)))
                values = JobValues.of(job, table, metric, like)
                like = like or values
                read.append(values)
            found.append(paired(read))
        if len(found) == 1:
            return found[0]
        if any(part.numbers.ndim == 3 for part in found):
            raise UserError("several columns that depend on random draws are not averaged", where=columns[0].dataset)
        return PairedValues(np.mean([part.flat for part in found], axis=0), found[0].clusters)


def _shown(column: Column, models: Sequence[str]) -> Iterator[tuple[JobResult, str]]:
    for model in models:
        cell = column.cells[model]
        assert cell.record is not None  # else it had no mean over this column
        yield cell.job, cell.record.metric
