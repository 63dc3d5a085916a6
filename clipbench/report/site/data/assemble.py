"""Putting a board together: what was measured, published tables beside it, and choices of columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from clipbench.analyses.rankings.all_pairs import compare_all
from clipbench.analyses.run import analyse
from clipbench.errors import UserError, did_you_mean
from clipbench.fingerprint import digest
from clipbench.reference.published import openclip_columns, openclip_models
from clipbench.report.averages import Means, means, order_by_merit
from clipbench.report.leaderboard import STANDINGS, Leaderboard, make_leaderboard
from clipbench.report.marks import compared_jobs
from clipbench.report.site.data import board, measured, presets
from clipbench.report.site.data import published as open_clip
from clipbench.report.site.data.answers import Answers
from clipbench.report.site.data.names import slugs, without_paths
from clipbench.results.folder import Results
from clipbench.results.records import AnalysisResult, JobResult

if TYPE_CHECKING:
    import pandas as pd


def make_board(results: Results, published: Collection[str] = ()) -> board.Board:
    """Set out what was measured, and published tables beside it.

    Raises:
        UserError: there is no such table, or a job's file is damaged.
    """
    return board_of(Measurements.of(results), published)


def board_of(here: Measurements, published: Collection[str] = ()) -> board.Board:
    """Set out measurements, and published tables beside them.

    Raises:
        UserError: there is no such table.
    """
    if unknown := [key for key in published if key not in open_clip.KEYS]:
        raise UserError(f"no published table {unknown[0]!r} for a board", fix=did_you_mean(unknown[0], open_clip.KEYS))
    tables = open_clip.tables(published)
    if open_clip.KEY not in published:
        return board.Board(here.models, here.columns, here.presets(here.columns, {}), here.footnotes, tables)
    columns, place_of = open_clip.with_published(here.columns, _own_columns(), len(here.models))
    models = (*here.models, *open_clip.models(_beside(here.models)))
    return board.Board(models, columns, here.presets(columns, place_of), here.footnotes, tables)


def _own_columns() -> Mapping[str, str]:
    """Return the slugs of columns that only a published table has, by data set."""
    names = {dataset: f"{dataset} {open_clip.task_of(dataset)} published" for dataset in openclip_columns()}
    found = slugs(names.values())
    return {dataset: found[name] for dataset, name in names.items()}


def _beside(models: Sequence[board.Model]) -> Mapping[str, str]:
    """Return slugs of published models by name; a measured one keeps its address, which others may link to."""
    taken, found = {model.slug for model in models}, {}
    for name, slug in slugs(model.name for model in openclip_models()).items():
        while slug in taken:
            slug += "-published"
        found[name] = slug
    return found


@dataclass(frozen=True)
class Measurements:
    """What was measured here, arranged."""

    results: Results
    jobs: tuple[JobResult, ...]
    """Read once: a run may go on while its site is built."""
    answers: Answers
    leaderboard: Leaderboard
    analyses: tuple[AnalysisResult, ...]

    @classmethod
    def of(cls, results: Results) -> Measurements:
        """Arrange results; the models of the leaderboard are in order of merit.

        Raises:
            UserError: a job's file is damaged.
        """
        # Jobs are read last: there is one for each that an analysis rests on.
        analyses, jobs = analyse(results), tuple(results.jobs())
        standings = [result for result in analyses if result.analysis == STANDINGS]
        leaderboard = make_leaderboard(jobs, standings=standings)
        return cls(results, jobs, Answers(results), order_by_merit(leaderboard, means(leaderboard)), analyses)

    @cached_property
    def means(self) -> tuple[Means, ...]:
        """Of the leaderboard."""
        return tuple(means(self.leaderboard))

    @cached_property
    def models(self) -> tuple[board.Model, ...]:
        """Of the leaderboard, in its order."""
        names, found = _told(self.leaderboard.models), self.means
        addresses = slugs(names)
        known = []
        for model, name in zip(self.leaderboard.models, names, strict=True):
            jobs = [job for job in self.leaderboard.jobs if job.model == model]
            described = measured.model(model, addresses[name], jobs, found, self.analyses)
            known.append(replace(described, name=name))
        return tuple(known)

    @cached_property
    def columns(self) -> tuple[board.Column, ...]:
        """Of the leaderboard, in its order."""
        found, addresses = self.leaderboard.columns, slugs(map(measured.column_key, self.leaderboard.columns))
        jobs, compared = slugs(job.hash for job in self.leaderboard.jobs), compared_jobs(self.analyses)
        return tuple(
            replace(
                measured.column(column, addresses[measured.column_key(column)], self.leaderboard, jobs, compared),
                ranks=presets.column_ranks(self.answers, column, self._places),
            )
            for column in found
        )

    @cached_property
    def pairs(self) -> pd.DataFrame | None:
        """All pairs of models on each measurement, as `compare_all` returns them; None without two to compare."""
        try:
            return compare_all(self.results)
        except UserError:
            return None

    @property
    def _places(self) -> Mapping[str, int]:
        return {model: place for place, model in enumerate(self.leaderboard.models)}

    @property
    def footnotes(self) -> tuple[board.Footnote, ...]:
        """Why some cells are not compared."""
        by_name = {c.name: made.slug for c, made in zip(self.leaderboard.columns, self.columns, strict=True)}
        return tuple(
            board.Footnote(
                note.number,
                tuple(self._places[model] for model in note.models),
                note.text,
                by_name.get(note.column),
            )
            for note in self.leaderboard.footnotes
        )

    def presets(self, columns: Sequence[board.Column], place_of: Mapping[str, str]) -> tuple[board.Preset, ...]:
        """Return the field's lists of which there is a column, and all that was measured.

        Args:
            columns: of the board, the measured ones first and in their order.
            place_of: data set -> slug of the column with its published figures.
        """
        found = []
        for choice in presets.choices():
            wanted = [c for c in columns if c.dataset in choice.datasets and c.task in presets.TASKS]
            if wanted:
                beside = open_clip.means_over([c.slug for c in wanted], place_of, len(self.models))
                ranked = self._rankings(wanted, regimes=False)
                told = {"slug": choice.slug, "label": choice.label, "source": choice.source}
                known = {"wanted": len(choice.datasets), "published": beside}
                found.append(presets.preset(wanted, ranked, **told, **known))
        if self.columns:
            mine = self._rankings(self.columns, regimes=True)
            found.append(presets.preset(self.columns, mine, slug="measured", label="measured here"))
        return tuple(found)

    def _rankings(self, wanted: Sequence[board.Column], *, regimes: bool) -> tuple[board.Ranking, ...]:
        """Rank the measured among some columns; `regimes`: each regime apart, else the choice as a whole."""
        slugs_of = {column.slug for column in wanted}
        chosen = [
            (column if regimes else replace(column, regime=""), made.slug)
            for column, made in zip(self.leaderboard.columns, self.columns, strict=True)
            if made.slug in slugs_of
        ]
        columns, names = [column for column, _ in chosen], [slug for _, slug in chosen]
        return presets.rankings(self.answers, self.leaderboard, columns, self._places, names)


def _told(models: Sequence[str]) -> list[str]:
    """Return names without folders; those that are alike without them have a digest behind them."""
    told = [str(without_paths(model)) for model in models]
    alike = Counter(told)
    return [
        f"{name} ({digest(model)[:6]})" if alike[name] > 1 else name for model, name in zip(models, told, strict=True)
    ]
