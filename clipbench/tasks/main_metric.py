"""Which metric stands for a job in a wide table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clipbench.errors import UserError
from clipbench.tasks.base import DatasetFacts, Metric


def with_main(metrics: Sequence[Metric], dataset: DatasetFacts, default: str) -> tuple[Metric, ...]:
    """Mark the data set's declared main metric, or else the task's own.

    Raises:
        UserError: the declared one was not computed.
    """
    names = [metric.name for metric in metrics]
    chosen = dataset.main_metric or default
    if chosen not in names:
        raise UserError(
            f"main_metric: {chosen!r} is not computed here",
            where=dataset.name,
            fix=f"declare one of: {', '.join(names)}; or none",
        )
    return tuple(replace(metric, main=metric.name == chosen) for metric in metrics)
