"""Findings of one analysis, in the leaderboard's order, apart from those that found no number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipbench.report.leaderboard import Board
from clipbench.results.records import JobResult, Record


@dataclass(frozen=True)
class Findings:
    """What an analysis found, and what it did not."""

    sound: tuple[tuple[JobResult, Mapping[str, Record]], ...]
    """Findings with their records by metric, of which one at least has a number."""
    silent: tuple[JobResult, ...]
    """Findings without a number: their notes say why."""
    errors: tuple[str, ...]
    """Why the analysis broke, where it did."""


def findings_of(task: str, findings: Sequence[JobResult], board: Board) -> Findings:
    """Return the findings of one analysis by its `task`; models in the leaderboard's order, others after them."""
    ours = [finding for finding in findings if finding.task == task]
    order = {model: place for place, model in enumerate(board.models)}
    sound, silent = [], []
    for finding in sorted(ours, key=lambda one: (order.get(one.model, len(order)), one.model)):
        records = {record.metric: record for record in finding.records}
        if any(record.value is not None for record in records.values()):
            sound.append((finding, records))
        elif finding.status == "done":
            silent.append(finding)
    return Findings(tuple(sound), tuple(silent), tuple(one.error for one in ours if one.status == "failed"))
