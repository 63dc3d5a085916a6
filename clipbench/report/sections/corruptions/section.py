"""The section 'Corruptions': accuracy under noise, blur, weather and digital artefacts, in tables and figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from clipbench.datasets.corruptions.constants import EXTRA, STANDARD
from clipbench.report.figures.figures import SERIES, series_of
from clipbench.report.leaderboard import Board
from clipbench.report.measured import MeasuredTable, Remark, remarks, table
from clipbench.report.pictures import Album, Shown
from clipbench.report.sections.corruptions import curves as corruption_curves
from clipbench.report.sections.corruptions import heat as corruption_heat
from clipbench.report.sections.corruptions import pictures as corruption_pictures
from clipbench.report.sections.corruptions.findings import CorruptedSet, gather
from clipbench.report.text import labels
from clipbench.results.folder import Results
from clipbench.results.records import JobResult

_MCE = re.compile(r"(relative_)?mce(_\d+)?$")


@dataclass(frozen=True)
class CorruptionChart:
    """One data set under one protocol."""

    dataset: str
    condition: str
    numbers: MeasuredTable
    facts: tuple[str, ...]
    """What the means are over, and against which model."""
    remarks: tuple[Remark, ...]
    series: tuple[tuple[str, int], ...]
    """Models in the figures with the number of their colour."""
    left_out: int
    """Models for which there are no colours left."""
    panels: tuple[corruption_curves.CorruptionPanel, ...]
    heats: tuple[corruption_heat.HeatTable, ...]
    pictures: tuple[Shown, ...]


@dataclass(frozen=True)
class CorruptionSection:
    """All that the page says of corruptions."""

    charts: tuple[CorruptionChart, ...]
    silent: tuple[JobResult, ...]
    errors: tuple[str, ...]
    left_out: int
    """Figures for which there was no room."""

    def __len__(self) -> int:
        """Return how many figures it has."""
        return sum(len(chart.panels) for chart in self.charts)

    def __bool__(self) -> bool:
        """Return whether there is anything to show."""
        return bool(self.charts or self.silent or self.errors)


def section(
    findings: Sequence[JobResult], board: Board, results: Results, album: Album, limit: int
) -> CorruptionSection:
    """Set out the findings of task 'corruption_error'.

    Args:
        findings: of all analyses.
        board: whose order and colours the models have.
        results: whose jobs on corrupted images have the pictures.
        album: counts the thumbnails.
        limit: most figures; the tables are all there.
    """
    found = gather(findings, board)
    jobs = {job.hash: job for job in results.jobs() if job.view} if found.sets else {}
    series = series_of(board.models)
    charts, left, wanted = [], limit, 0
    for of in found.sets:
        panels = corruption_curves.panels(of, series)
        wanted += len(panels)
        # Half a set of panels cannot be compared with the other half.
        kept = panels if len(panels) <= left else ()
        left -= len(kept)
        charts.append(_chart(of, series, kept, corruption_pictures.strip(of, jobs, results, album)))
    return CorruptionSection(tuple(charts), found.silent, found.errors, wanted - (limit - left))


def _chart(
    of: CorruptedSet,
    series: Mapping[str, int],
    panels: tuple[corruption_curves.CorruptionPanel, ...],
    pictures: tuple[Shown, ...],
) -> CorruptionChart:
    rows = [(corrupted.model, "", corrupted.records) for corrupted in of.models]
    errors = sorted({name for _, _, records in rows for name in records if _MCE.match(name)}, key=_error_order)
    metrics = ("clean_top1", "corrupted_top1", "corruption_gap", *errors)
    shown = of.models[:SERIES]
    return CorruptionChart(
        dataset=of.dataset,
        condition=of.condition,
        numbers=table(f"{of.dataset}, {of.condition}", rows, metrics),
        facts=tuple(_facts(of)),
        remarks=remarks([corrupted.finding for corrupted in of.models], after=_said_by_numbers(of)),
        series=tuple((corrupted.model, series.get(corrupted.model, 0)) for corrupted in shown),
        left_out=len(of.models) - len(shown),
        panels=panels,
        heats=tuple(heat for corrupted in of.models if (heat := corruption_heat.heat(corrupted))),
        pictures=pictures,
    )


def _error_order(name: str) -> tuple[bool, tuple[tuple[int, int, str], ...]]:
    return (name.startswith("relative"), labels.natural(name))


def _said_by_numbers(of: CorruptedSet) -> int:
    """Return how many of each finding's first notes are left out: the sentence that the table says in numbers."""
    return int(all(one.finding.notes and one.finding.notes[0].startswith("Top-1 ") for one in of.models))


def _facts(of: CorruptedSet) -> Iterator[str]:
    """Say what the means are over, what is absent, and against which model mCE is."""
    measured = of.corruptions
    standard = [name for name in STANDARD if name in measured]
    if standard:
        absent = [corruption_curves.words(name) for name in STANDARD if name not in measured]
        kept = f"all {len(STANDARD)}" if not absent else f"{len(standard)} of the {len(STANDARD)}"
        without = f", without {', '.join(absent)}" if absent else ""
        yield f"Corrupted: the mean over {kept} standard corruptions{without}, at all severities measured."
    extra = [corruption_curves.words(name) for name in EXTRA if name in measured]
    if extra and standard:
        yield f"Beside them, in no mean: {', '.join(extra)}."
    references = {
        str(record.params["reference"])
        for one in of.models
        for name, record in one.records.items()
        if _MCE.match(name) and record.params.get("reference")
    }
    if references:
        yield f"mCE is against {', '.join(sorted(references))}: 100 % is as many errors."
