"""The leaderboard: models by what was measured, with the cells that cannot be compared marked as such."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from clipbench.report.text import labels, numbers
from clipbench.results.frames import column_names
from clipbench.results.records import JobResult, Record

COMPARED = ("data", "subset", "labels", "training", "prompts", "protocol", "settings")
"""The parts of a pedigree in which jobs of one column must agree to be compared."""

OF_THE_MODEL = ("weights", "architecture", "transform", "tokenizer", "precision")
"""The parts in which jobs of one model must agree for it to be one model."""


@dataclass(frozen=True)
class Cell:
    """One job in the leaderboard."""

    job: JobResult
    record: Record | None
    """None: the job failed, or did not measure what the column shows."""
    best: bool = False
    footnote: int | None = None
    """Number of the footnote that says why this cell is not compared with the others."""

    @property
    def value(self) -> float | None:
        """The value, or None where there is none."""
        return self.record.value if self.record else None


@dataclass(frozen=True)
class Column:
    """What all models are measured on: a data set, split, task, variant and subset."""

    name: str
    """Unique in the board."""
    label: str
    """Unique among the columns of its task."""
    dataset: str
    split: str
    task: str
    variant: str
    subset: str
    regime: str
    metric: str
    unit: str
    cells: Mapping[str, Cell]
    """By model; a model without a job here is absent."""
    prompted: bool = False
    """Whether text prompts were used, so that the variant names them."""

    @property
    def condition(self) -> str:
        """What tells this from other measurements of its task, prompts apart, e.g. '4 shots'."""
        return labels.condition(self.task, self.variant, prompted=self.prompted)

    @property
    def group(self) -> tuple[str, str]:
        """(task, regime): the columns that stand together."""
        return (self.task, self.regime)

    @property
    def lower_is_better(self) -> bool:
        """Whether smaller values are the better ones."""
        return labels.lower_is_better(self.metric, self.unit)

    @property
    def heading(self) -> str:
        """The metric with its unit, e.g. 'top-1, %'; '' where every job failed."""
        unit = numbers.suffix(self.unit) if self.metric else ""
        return ", ".join(part for part in (labels.metric(self.metric), unit) if part)


@dataclass(frozen=True)
class Footnote:
    """Why some cells of a column, or a whole row, are not ranked."""

    number: int
    models: tuple[str, ...]
    column: str
    """'' where it is about a model's whole row."""
    text: str


@dataclass(frozen=True)
class Board:
    """Models by columns, not yet ordered by merit."""

    models: tuple[str, ...]
    columns: tuple[Column, ...]
    footnotes: tuple[Footnote, ...]
    jobs: tuple[JobResult, ...]
    """Those that have a column."""

    @cached_property
    def mixed(self) -> Mapping[str, int]:
        """Footnote numbers of models whose jobs were not all run with the same model."""
        return {note.models[0]: note.number for note in self.footnotes if not note.column}


def make_board(jobs: Sequence[JobResult], metric: str | None = None) -> Board:
    """Arrange finished jobs as a leaderboard; jobs on changed images or matched classes have no column in it.

    Args:
        jobs: as `Results.jobs()` returns them.
        metric: the metric to show; by default each job's main one. Columns without it are left out.
    """
    plain = tuple(job for job in jobs if job.plain)
    grouped = _group(plain)
    names, short = column_names(map(_told_apart_by, grouped)), _names_within_tasks(grouped)
    columns = [
        replace(_column(members, metric), name=names[_told_apart_by(key)], label=short[_told_apart_by(key)])
        for key, members in grouped.items()
    ]
    columns = sorted((column for column in columns if metric is None or column.metric), key=_place)
    models = tuple(sorted({model for column in columns for model in column.cells}))
    footnotes: list[Footnote] = []
    checked = [_mark_differences(column, footnotes) for column in columns]
    footnotes += _mixed_models(jobs, len(footnotes))
    return Board(models, tuple(_mark_best(column) for column in checked), tuple(footnotes), plain)


def _group(jobs: Sequence[JobResult]) -> dict[tuple[str, ...], list[JobResult]]:
    """Gather the jobs of each column.

    A job that failed before its split, prompts or subset were known joins the columns that it could have
    been part of; it stands for itself only where there are none.
    """
    grouped: dict[tuple[str, ...], list[JobResult]] = defaultdict(list)
    for job in jobs:
        if job.status == "done":
            grouped[_key(job)].append(job)
    for job in jobs:
        if job.status == "done":
            continue
        fitting = [key for key in grouped if _could_be(_key(job), key)]
        for key in fitting or [_key(job)]:
            if all(member.model != job.model for member in grouped[key]):
                grouped[key].append(job)
    return dict(sorted(grouped.items()))


def _key(job: JobResult) -> tuple[str, ...]:
    return (job.dataset, job.task, job.split, job.variant, job.pedigree.subset)


def _told_apart_by(key: tuple[str, ...]) -> tuple[str, ...]:
    """Return a key in the order in which its parts tell columns apart: a split is told before a task."""
    dataset, task, split, *rest = key
    return (dataset, split, task, *rest)


def _names_within_tasks(keys: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    by_task: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for key in keys:
        by_task[key[1]].append(_told_apart_by(key))
    return {key: name for members in by_task.values() for key, name in column_names(members).items()}


def _place(column: Column) -> tuple[object, ...]:
    """Return a sort key: by task, regime, data set, then few-shot by the number of shots."""
    return (
        labels.task_order(column.task),
        labels.regime_order(column.regime),
        labels.natural(column.dataset),
        column.split,
        labels.variant_order(column.task, column.variant),
        labels.natural(column.name),
    )


def _could_be(failed: tuple[str, ...], key: tuple[str, ...]) -> bool:
    return failed[:2] == key[:2] and all(part in ("", whole) for part, whole in zip(failed[2:], key[2:], strict=True))


def _column(jobs: Sequence[JobResult], metric: str | None) -> Column:
    cells = {job.model: Cell(job, _shown(job, metric)) for job in jobs}
    kinds = Counter((cell.record.metric, cell.record.unit) for cell in cells.values() if cell.record)
    shown, unit = kinds.most_common(1)[0][0] if kinds else ("", "fraction")
    first = jobs[0]
    regimes = [str(job.about.get("regime") or "") for job in jobs]
    return Column(
        name="",
        label="",
        dataset=first.dataset,
        split=first.split,
        task=first.task,
        variant=first.variant,
        subset=first.pedigree.subset,
        regime=next((regime for regime in regimes if regime), ""),
        metric=shown,
        unit=unit,
        cells=cells,
        prompted=any(job.pedigree.prompts for job in jobs),
    )


def _shown(job: JobResult, metric: str | None) -> Record | None:
    if job.status == "failed":
        return None
    if metric is None:
        return job.main
    return next((record for record in job.records if record.metric == metric), None)


def _mark_differences(column: Column, footnotes: list[Footnote]) -> Column:
    """Flag the cells that were not measured as most of the column was; all of them where there is no majority."""
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for model, cell in column.cells.items():
        if cell.record:
            alike[_yardstick(cell.job, cell.record)].append(model)
    if len(alike) <= 1:
        return column
    groups = sorted(alike.values(), key=len, reverse=True)
    majority = groups[0] if len(groups[0]) > len(groups[1]) else None
    everyone = [model for model, cell in column.cells.items() if cell.record]
    cells = dict(column.cells)
    for group in groups[1:] if majority else [everyone]:
        number = len(footnotes) + 1
        parts = _differing(column, group, majority or group)
        footnotes.append(Footnote(number, tuple(group), column.name, _explain(parts, group, majority)))
        cells |= {model: replace(column.cells[model], footnote=number) for model in group}
    return replace(column, cells=cells)


def _yardstick(job: JobResult, record: Record) -> tuple[str, ...]:
    return (*(str(getattr(job.pedigree, part)) for part in COMPARED), record.metric, record.unit)


def _differing(column: Column, group: Sequence[str], others: Sequence[str]) -> list[str]:
    """Name the parts in which any job of a group differs from any of the others."""
    found: set[str] = set()
    for model in group:
        for other in others:
            one, two = column.cells[model], column.cells[other]
            found |= set(one.job.pedigree.differences(two.job.pedigree))
            if one.record and two.record and one.record.metric != two.record.metric:
                found.add("metric")
    return [part for part in (*COMPARED, "metric") if part in found]


def _explain(parts: Sequence[str], group: Sequence[str], majority: Sequence[str] | None) -> str:
    if majority:
        return f"{_differ(parts)} from {_some(majority)}; not ranked."
    return f"{_differ(parts)} between {_some(group)}; none of them is ranked."


def _differ(parts: Sequence[str]) -> str:
    """Return 'data and prompts differ', 'protocol differs'."""
    single = parts[0] in {"subset", "protocol", "metric", "architecture", "transform", "tokenizer", "precision"}
    return f"{_and(parts)} {'differs' if single and len(parts) == 1 else 'differ'}"


def _some(models: Sequence[str], limit: int = 4) -> str:
    if len(models) <= limit:
        return _and(models)
    return f"{', '.join(models[:limit])} and {len(models) - limit} more"


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _mixed_models(jobs: Sequence[JobResult], taken: int) -> list[Footnote]:
    """Find models whose name stands for different weights, architectures, transforms, tokenizers or precisions."""
    seen: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for job in jobs:
        if job.status == "done":
            for part in OF_THE_MODEL:
                seen[job.model][part] |= {value for value in [str(getattr(job.pedigree, part))] if value}
    footnotes: list[Footnote] = []
    for model, parts in sorted(seen.items()):
        several = [part for part in OF_THE_MODEL if len(parts[part]) > 1]
        if several:
            text = f"{_differ(several)} between the columns of this row; no mean."
            footnotes.append(Footnote(taken + len(footnotes) + 1, (model,), "", text))
    return footnotes


def _mark_best(column: Column) -> Column:
    ranked = {
        model: cell.value for model, cell in column.cells.items() if cell.footnote is None and cell.value is not None
    }
    if len(ranked) < 2:
        return column
    best = min(ranked.values()) if column.lower_is_better else max(ranked.values())
    cells = {
        model: replace(cell, best=True) if ranked.get(model) == best else cell for model, cell in column.cells.items()
    }
    return replace(column, cells=cells)
