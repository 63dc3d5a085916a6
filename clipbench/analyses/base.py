"""What an analysis is: a pure function of finished jobs of one or many models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from clipbench.results.records import JobResult, Subject, Verdict
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
    examples: Callable[..., pd.DataFrame]
    """Job hash, and if wanted the names of columns -> its per-example table, or as many of these as it has; read when
    it is asked for; UserError where it cannot be read."""


@dataclass(frozen=True)
class Finding:
    """What an analysis says of some jobs together."""

    about: Subject
    metrics: tuple[Metric, ...]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    jobs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader of the numbers must know beside them, e.g. why there are none."""
    verdict: Verdict = "undefined"


def verdict_of(low: float | None, high: float | None, *, at_chance: bool = False) -> Verdict:
    """Return what the interval of a difference says: clear of zero on one side, or not distinguishable from it.

    Undefined without an interval. Between two numbers that are both `at_chance` there is no direction.
    """
    if low is None or high is None:
        return "undefined"
    if at_chance:
        return "not_distinguishable"
    return "higher" if low > 0 else "lower" if high < 0 else "not_distinguishable"


SettingsT = TypeVar("SettingsT", bound=AnalysisSettings)


class Analysis(Protocol[SettingsT]):
    """An analysis: settings, a pure evaluation, and how its numbers are shown. It never touches an embedding.

    It may also have `label`, `metrics` and `tables` as a task has; what it does not declare is shown by its name.
    """

    name: ClassVar[str]
    protocol: ClassVar[int]
    """Changes when the same evidence would give other numbers."""
    tasks: ClassVar[tuple[str, ...]]
    """Of the jobs that it reads, none named: of any; it is made again when one of these is added or replaced."""
    automatic: ClassVar[bool]
    """True: it is made of any results, with no settings, of jobs on whole data sets as they are. False: where a suite
    asks for it."""
    Settings: type[SettingsT]

    def analyse(self, evidence: Evidence, settings: SettingsT) -> Sequence[Finding]:
        """Compute the findings; none where the jobs that it needs are not there.

        Jobs whose pedigrees differ where it matters are never set side by side: such a finding has no metrics,
        and a note that names the part that differs.
        """
        ...
