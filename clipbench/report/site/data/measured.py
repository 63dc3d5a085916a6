"""What was measured here, as a board shows it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache

from clipbench.models.catalog import model_names
from clipbench.reference.families import pretraining_family
from clipbench.reference.sources import rows
from clipbench.report.averages import Average, Means
from clipbench.report.leaderboard import Cell, Column, Leaderboard
from clipbench.report.marks import is_tied
from clipbench.report.site.data import board
from clipbench.report.text.declared import as_shown
from clipbench.results.records import AnalysisResult, JobResult


def model(
    name: str, slug: str, jobs: Sequence[JobResult], means: Sequence[Means], analyses: Sequence[AnalysisResult]
) -> board.Model:
    """Describe a measured model by its jobs, its name, and what means and analyses say of it.

    Args:
        name: as its jobs have it.
        slug: its address.
        jobs: its own.
        means: of the whole leaderboard.
        analyses: of all models.
    """
    family, parameters = facts(name)
    declared = next((found for job in jobs if isinstance(found := job.run_metadata.get("trained_on"), list)), None)
    robustness = _robustness(name, analyses)
    return board.Model(
        slug=slug,
        name=name,
        origin="measured",
        family=family,
        parameters=parameters,
        trained_on=None if declared is None else tuple(map(str, declared)),
        benchmark_mean=_mean(name, means, "benchmark"),
        shift_mean=_mean(name, means, "shift"),
        matched_gap=_figure(robustness, "mean_gap"),
        effective_robustness=_figure(robustness, "mean_effective_robustness"),
    )


@cache
def facts(name: str) -> tuple[str | None, int | None]:
    """Return a model's family after its pre-training, and its parameters, as far as its name tells them."""
    known, pair = model_names().get(name), open_clip_name(name)
    row = next((row for row in rows("open-clip") if pair and pair in published_names(row)), None)
    millions = known.params if known and known.params else float(row["parameters_m"] or 0) if row else 0.0
    return (pretraining_family(pair) if pair else None), (round(millions * 1e6) or None)


def published_names(row: Mapping[str, str]) -> tuple[str, ...]:
    """Return what a row of open_clip's table is called: its own name, then others with the same figures."""
    return (f"{row['architecture']}/{row['pretrained']}", *row["same_figures"].split())


def open_clip_name(name: str) -> str:
    """Return 'ARCHITECTURE/TAG' of a model that open_clip publishes; '' of any other."""
    known = model_names().get(name)
    if known is not None:
        return f"{known.architecture}/{known.tag}" if known.adapter == "open_clip" and known.tag else ""
    adapter, _, pair = name.partition(":")
    return pair if adapter == "open_clip" and pair.count("/") == 1 and ":" not in pair and "@" not in pair else ""


def _mean(name: str, means: Sequence[Means], regime: str) -> board.Figure | None:
    """Return a model's zero-shot mean over the sets of a regime."""
    groups = (group for group in means if (group.measurement.task, group.regime) == ("zero_shot", regime))
    found: Average | None = next((group.by_model[name] for group in groups if name in group.by_model), None)
    return board.Figure(found.value, found.low, found.high, found.unit, found.datasets) if found else None


def _robustness(name: str, analyses: Sequence[AnalysisResult]) -> AnalysisResult | None:
    """Return what the robustness analysis says of a model over its shifts: of several results that on most."""
    found = (
        result
        for result in analyses
        if (result.analysis, result.status) == ("robustness", "done")
        and result.about.averaged
        and result.about.models == (name,)
    )
    return max(found, key=lambda result: (not result.about.subset, len(result.about.datasets)), default=None)


def _figure(result: AnalysisResult | None, metric: str) -> board.Figure | None:
    record = result.record(metric) if result else None
    if result is None or record is None or record.value is None:
        return None
    shown, about = as_shown(result, record), result.about
    told = (about.reference, about.prompts, about.subset)
    ends = (record.value, record.low, record.high)
    return board.Figure(*ends, shown.unit, about.datasets, *(word or None for word in told))


def column_key(column: Column) -> str:
    """Return what a column's address is made of; it does not depend on the other columns."""
    return " ".join(part for part in (column.dataset, column.task, column.split, column.variant) if part)


def column(
    found: Column, slug: str, leaderboard: Leaderboard, jobs: Mapping[str, str], compared: Collection[str]
) -> board.Column:
    """Return a leaderboard's column.

    Args:
        found: of the leaderboard.
        slug: its address.
        leaderboard: whose models come first in the board, in its order.
        jobs: job hash -> the name of its evidence.
        compared: hashes of the jobs that were compared with the others of their column.
    """
    typical, measurement = found.typical, found.measurement
    job = next((cell.job for cell in found.cells.values() if cell.record is typical), None)
    classes = job.about.get("n_classes") if job else None
    return board.Column(
        slug=slug,
        label=found.label,
        dataset=found.dataset,
        split=found.split,
        task=found.task,
        task_label=measurement.label,
        setting=found.setting,
        regime=found.regime,
        metric=found.spec.name,
        metric_label=found.spec.label,
        unit=found.unit,
        cells=tuple(
            _cell(place, found.cells[name], jobs)
            for place, name in enumerate(leaderboard.models)
            if name in found.cells
        ),
        higher_is_better=found.spec.higher_is_better,
        n=typical.n or None if typical else None,
        limit=found.subset or None,
        chance=typical.chance if typical else None,
        commonest=typical.commonest if typical else None,
        classes=(classes or None) if isinstance(classes, int) else None,
        tied=is_tied(found, compared),
    )


def _cell(place: int, cell: Cell, jobs: Mapping[str, str]) -> board.Cell:
    marks = {
        "b": cell.best,
        "c": cell.at_chance,
        "s": cell.seen_in_training,
        "f": cell.footnote is not None,
        "x": cell.job.status == "failed",
    }
    ends = (cell.record.low, cell.record.high) if cell.record else (None, None)
    shown = "".join(mark for mark, holds in marks.items() if holds)
    return board.Cell(place, cell.value, *ends, shown, jobs[cell.job.hash], cell.footnote)
