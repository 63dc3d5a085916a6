"""What an analysis is: a pure function of finished jobs of one or many models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from clipbench.results.records import JobResult
from clipbench.tasks.base import Metric

if TYPE_CHECKING:
    import pandas as pd


class AnalysisSettings(BaseModel):
    """What every analysis's settings have; each analysis adds its own beside its code."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    analysis: str


@dataclass(frozen=True)
class Evidence:
    """The finished jobs of a run, with their per-example tables."""

    jobs: Sequence[JobResult]
    examples: Callable[[str], pd.DataFrame]
    """Job hash -> its per-example table, read when it is asked for; UserError where it cannot be read."""


@dataclass(frozen=True)
class Finding:
    """What an analysis says of some jobs together."""

    about: Mapping[str, str]
    """What it is about: model, dataset, split, subset, variant, as far as it has one."""
    metrics: tuple[Metric, ...]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    jobs: tuple[str, ...] = ()
    """Hashes of the jobs it rests on."""
    notes: tuple[str, ...] = ()


class Analysis(Protocol):
    """An analysis: settings and a pure evaluation. It never touches an embedding."""

    name: ClassVar[str]
    protocol: ClassVar[int]
    """Changes when the same evidence would give other numbers."""
    tasks: ClassVar[tuple[str, ...]]
    """Of the jobs that it reads; it is made again when one of these is added or replaced."""
    Settings: ClassVar[type[AnalysisSettings]]

    def analyse(self, evidence: Evidence, settings: AnalysisSettings) -> Sequence[Finding]:
        """Compute the findings; none where the jobs that it needs are not there.

        Jobs whose pedigrees differ where it matters are never set side by side: such a finding has no metrics,
        and a note that names the part that differs.
        """
        ...
