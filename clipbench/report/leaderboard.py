"""The leaderboard: models by what was measured, with the cells that cannot be compared marked as such."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from clipbench.metrics.specs import MetricSpec
from clipbench.report.columns import Cell as Cell
from clipbench.report.columns import Column as Column
from clipbench.report.columns import Measurement as Measurement
from clipbench.report.text import labels
from clipbench.report.text.declared import as_shown, declared, label_of_task, metric_of, task_label
from clipbench.results.frames import column_names
from clipbench.results.records import AnalysisResult, JobResult, Record
from clipbench.tasks.base import Condition

STANDINGS = "best_of_column"
"""The analysis that says which models of a column are surely apart."""

COMPARED = ("data", "subset", "labels", "training", "prompts", "protocol", "settings")
"""The parts of a pedigree in which jobs of one column must agree to be compared."""

OF_THE_MODEL = ("weights", "architecture", "transform", "tokenizer", "precision", "adapter", "scale")
"""The parts in which jobs of one model must agree for it to be one model."""


@dataclass(frozen=True)
class Footnote:
    """Why some cells of a column, or a whole row, are not ranked."""

    number: int
    models: tuple[str, ...]
    column: str
    """'' where it is about a model's whole row."""
    text: str


@dataclass(frozen=True)
class Leaderboard:
    """Models by columns, not yet ordered by merit."""

    models: tuple[str, ...]
    columns: tuple[Column, ...]
    footnotes: tuple[Footnote, ...]
    jobs: tuple[JobResult, ...]
    """Those that have a column."""
    family: int = 0
    """How many pairs of models were compared, whose intervals hold together; 0: none."""
    paired: tuple[str, ...] = ()
    """Tasks with their data sets that were compared by answers to the same images, e.g. 'few-shot on digits'."""
    unpaired: tuple[str, ...] = ()
    """Those that were compared by the models' own intervals, without such answers."""

    def cells(self, column: Column) -> list[Cell]:
        """Return a column's cells in the order of the models."""
        return [column.cells[model] for model in self.models if model in column.cells]

    @property
    def shown(self) -> Iterator[Cell]:
        """All cells, column by column."""
        return (cell for column in self.columns for cell in self.cells(column))

    @cached_property
    def mixed(self) -> Mapping[str, int]:
        """Footnote numbers of models whose jobs were not all run with the same model."""
        return {note.models[0]: note.number for note in self.footnotes if not note.column}

    @property
    def seen_in_training(self) -> bool:
        """Whether any model declares the data set of one of its cells among its training data."""
        return any(cell.seen_in_training for column in self.columns for cell in column.cells.values())

    @property
    def limited(self) -> Mapping[str, str]:
        """The data sets of which a part was measured, with how that part was chosen."""
        chosen: dict[str, dict[str, None]] = defaultdict(dict)
        for job in self.jobs:
            if job.status == "done" and job.pedigree.subset:
                chosen[job.dataset][job.pedigree.subset] = None
        return {dataset: ", ".join(subsets) for dataset, subsets in chosen.items()}


def make_leaderboard(
    jobs: Sequence[JobResult], metric: str | None = None, standings: Sequence[AnalysisResult] = ()
) -> Leaderboard:
    """Arrange finished jobs as a leaderboard; jobs on changed images or matched classes have no column in it.

    Args:
        jobs: finished or failed.
        metric: of which only the columns that have it are shown; by default each job's main one is.
        standings: what the analysis `STANDINGS` found; without it no cell is called the best.
    """
    plain = _standing_alone([job for job in jobs if job.plain])
    grouped = _group(plain)
    names, short = column_names(grouped), _names_within_tasks(grouped)
    found = (_column(members, metric, names[key], short[key]) for key, members in grouped.items())
    columns = sorted((column for column in found if metric is None or column.spec.name), key=_place)
    models = tuple(sorted({model for column in columns for model in column.cells}))
    footnotes: list[Footnote] = []
    checked = [_mark_differences(column, footnotes) for column in columns]
    footnotes += _mixed_models(jobs, len(footnotes))
    apart = _apart(standings)
    marked = tuple(_mark_best(column, apart) for column in checked)
    compared = [
        (f"{label_of_task(result.about.task)} on {result.about.dataset}", record.params)
        for result in standings
        for record in result.records
    ]
    return Leaderboard(
        *(models, marked, tuple(footnotes), plain),
        family=max((size for _, params in compared if isinstance(size := params.get("family"), int)), default=0),
        paired=tuple(dict.fromkeys(what for what, params in compared if params.get("paired"))),
        unpaired=tuple(dict.fromkeys(what for what, params in compared if not params.get("paired"))),
    )


def _group(jobs: Sequence[JobResult]) -> dict[tuple[str, ...], list[JobResult]]:
    """Gather the jobs of each column; one that failed before its key was known joins all that it may belong to."""
    grouped: dict[tuple[str, ...], list[JobResult]] = defaultdict(list)
    for job in jobs:
        if job.status == "done":
            grouped[_key(job)].append(job)
    for job in jobs:
        if job.status == "done":
            continue
        fitting = [
            key for key in grouped if all(part in ("", known) for part, known in zip(_key(job), key, strict=True))
        ]
        for key in fitting or [_key(job)]:
            if all(member.model != job.model for member in grouped[key]):
                grouped[key].append(job)
    return dict(sorted(grouped.items()))


def _standing_alone(jobs: Sequence[JobResult]) -> tuple[JobResult, ...]:
    """Leave out what only a study asked for where a data set has results of its own: it would be a second column."""
    own = {job.dataset for job in jobs if not job.study}
    return tuple(job for job in jobs if not job.study or job.dataset not in own)


def _key(job: JobResult) -> tuple[str, ...]:
    """Return what tells columns apart, in the order in which their names say it.

    How many examples were used does not: each model has one job, and a footnote says where that differs.
    """
    return (job.dataset, job.split, job.task, job.variant)


def _names_within_tasks(keys: Collection[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    tasks = ([key for key in keys if key[2] == task] for task in {key[2] for key in keys})
    return {key: name for members in tasks for key, name in column_names(members).items()}


def _place(column: Column) -> tuple[object, ...]:
    """Return a sort key: by task, regime, data set, then few-shot by the number of shots."""
    task, *rest = replace(column.measurement, prompts=column.prompts).order
    place = (labels.regime_order(column.regime), labels.natural(column.dataset), column.split)
    return (task, *place, *rest, labels.natural(column.name))


def _column(jobs: Sequence[JobResult], metric: str | None, name: str, label: str) -> Column:
    cells = {job.model: Cell(job, _shown(job, metric)) for job in jobs}
    kinds = Counter(metric_of(cell.job, cell.record) for cell in cells.values() if cell.record)
    # A job that failed may not have come to know its prompts.
    first = next((job for job in jobs if job.status == "done"), jobs[0])
    regimes = [str(job.about.get("regime") or "") for job in jobs]
    prompts = first.prompts if declared(first).measures_prompts else ""
    # Of a task that only has words for what tells its jobs apart, these are another measurement each.
    described = first.prompts or first.condition.words
    condition = first.condition if described else Condition(head=first.variant)
    return Column(
        name=name,
        label=label,
        dataset=first.dataset,
        split=first.split,
        measurement=Measurement(first.task, task_label(first), condition, prompts),
        prompts=first.prompts,
        variant=first.variant,
        subset=Counter(job.pedigree.subset for job in jobs if job.status == "done" or job is first).most_common(1)[0][
            0
        ],
        regime=next((regime for regime in regimes if regime), ""),
        spec=kinds.most_common(1)[0][0] if kinds else MetricSpec("", "", higher_is_better=None),
        cells=cells,
    )


def _shown(job: JobResult, metric: str | None) -> Record | None:
    records = [job.main] if metric is None else [record for record in job.records if record.metric == metric]
    return as_shown(job, records[0]) if job.status == "done" and records and records[0] else None


def _mark_differences(column: Column, footnotes: list[Footnote]) -> Column:
    """Flag the cells that were not measured as most of the column was; all of them where there is no majority."""
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for model, cell in column.cells.items():
        if cell.record:
            alike[tuple(_yardstick(cell).values())].append(model)
    if len(alike) <= 1:
        return column
    groups = sorted(alike.values(), key=len, reverse=True)
    majority = groups[0] if len(groups[0]) > len(groups[1]) else None
    cells = dict(column.cells)
    for group in groups[1:] if majority else [[model for model in cells if cells[model].record]]:
        number = len(footnotes) + 1
        parts = _varying([_yardstick(cells[model]) for model in (*group, *(majority or ()))])
        others = f"from {_listed(majority)}; not" if majority else f"between {_listed(group)}; none of them is"
        footnotes.append(Footnote(number, tuple(group), column.name, f"{_differ(parts)} {others} ranked."))
        cells |= {model: replace(cells[model], footnote=number) for model in group}
    return replace(column, cells=cells)


def _yardstick(cell: Cell) -> dict[str, str]:
    """Return what cells must agree in to be compared."""
    metric = f"{cell.record.metric}, {cell.record.unit}" if cell.record else ""
    return {part: str(getattr(cell.job.pedigree, part)) for part in COMPARED} | {"metric": metric}


def _varying(parts: Sequence[Mapping[str, str]]) -> list[str]:
    return [name for name in parts[0] if len({values[name] for values in parts}) > 1]


def _differ(parts: Sequence[str]) -> str:
    """Return 'data and prompts differ', 'protocol differs'."""
    single = parts[0] in {"subset", "protocol", "metric", *OF_THE_MODEL} - {"weights"}
    return f"{_listed(parts, len(parts))} {'differs' if single and len(parts) == 1 else 'differ'}"


def _listed(names: Sequence[str], limit: int = 4) -> str:
    shown = list(names) if len(names) <= limit else [*names[:limit], f"{len(names) - limit} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _mixed_models(jobs: Sequence[JobResult], taken: int) -> list[Footnote]:
    """Find models whose name stands for different weights, architectures, transforms, tokenizers or precisions."""
    notes: list[Footnote] = []
    for model in sorted({job.model for job in jobs}):
        pedigrees = [job.pedigree for job in jobs if job.model == model]
        parts = [part for part in OF_THE_MODEL if len({getattr(known, part) for known in pedigrees} - {""}) > 1]
        if parts:
            text = f"{_differ(parts)} between the columns of this row; no mean."
            notes.append(Footnote(taken + len(notes) + 1, (model,), "", text))
    return notes


def _apart(standings: Sequence[AnalysisResult]) -> dict[str, tuple[int, int]]:
    """Return by job hash how many models of its column are surely higher and surely lower."""
    found = ((result.jobs, result.tables["standings"].dicts()) for result in standings if "standings" in result.tables)
    return {job: (row["higher"], row["lower"]) for jobs, rows in found for job, row in zip(jobs, rows, strict=True)}


def _mark_best(column: Column, apart: Mapping[str, tuple[int, int]]) -> Column:
    """Mark the cells that no other surely exceeds; none where that is said of all, or of one that is at chance."""
    ranked = {model: cell for model, cell in column.cells.items() if cell.footnote is None and cell.value is not None}
    compared = all(
        cell.job.hash in apart and cell.record and cell.job.main and cell.record.metric == cell.job.main.metric
        for cell in ranked.values()
    )
    if column.spec.higher_is_better is None or not compared:
        return column
    worse = 0 if column.spec.higher_is_better else 1
    best = {model for model, cell in ranked.items() if apart[cell.job.hash][worse] == 0}
    if len(best) == len(ranked):
        return column
    marked = {model: replace(ranked[model], best=True) for model in best if not ranked[model].at_chance}
    return replace(column, cells={**column.cells, **marked})
