"""Records: measured numbers with their pedigree, and what else is kept of a job."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

    from clipbench.tasks.base import Metric

Status = Literal["done", "failed"]


@dataclass(frozen=True)
class Pedigree:
    """Digests and names of everything that could change a result. Results compare if these agree."""

    weights: str = ""
    architecture: str = ""
    transform: str = ""
    tokenizer: str = ""
    precision: str = ""
    data: str = ""
    """Of ids and encoded images of the split that is evaluated."""
    subset: str = ""
    """'' for the whole split, else how it was chosen, e.g. 'limit 1000'."""
    view: str = ""
    """Of the change that the images were seen through; '' for none."""
    labels: str = ""
    training: str = ""
    """Of the images and labels that something was fitted on: the splits beside the one that is evaluated."""
    prompts: str = ""
    protocol: str = ""
    """Task and protocol number, e.g. 'zero_shot/1'."""
    settings: str = ""

    def differences(self, other: Pedigree) -> tuple[str, ...]:
        """Name the parts in which two pedigrees differ."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) != getattr(other, f.name))


@dataclass(frozen=True)
class Record:
    """One measured number: what was measured, on what, with what uncertainty."""

    metric: str
    value: float | None
    """None: undefined (see the job's notes) or the job failed."""
    unit: str = "fraction"
    low: float | None = None
    high: float | None = None
    level: float | None = None
    interval: str = ""
    """How the interval was made: 'wilson', 'bootstrap', ...; '' where there is none."""
    n: int = 0
    n_broken: int = 0
    main: bool = False
    """The metric that stands for the job in a wide table."""
    params: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, metric: Metric, n_broken: int = 0) -> Record:
        """Make one from what a task or an analysis measured."""
        interval = metric.interval
        return cls(
            metric=metric.name,
            value=metric.value,
            unit=metric.unit,
            low=interval.low if interval else None,
            high=interval.high if interval else None,
            level=interval.level if interval else None,
            interval=interval.kind if interval else "",
            n=metric.n,
            n_broken=n_broken,
            main=metric.main,
            params=metric.params,
        )


@dataclass(frozen=True)
class Table:
    """A small table that belongs to a job, e.g. accuracy per class."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def frame(self) -> pd.DataFrame:
        """Return it as a data frame."""
        import pandas as pd

        return pd.DataFrame([list(row) for row in self.rows], columns=list(self.columns))

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Table:
        """Make one from a data frame; NaN becomes None."""
        rows = tuple(tuple(_plain(value) for value in row) for row in frame.itertuples(index=False))
        return cls(tuple(str(column) for column in frame.columns), rows)


@dataclass(frozen=True)
class JobResult:
    """All that is kept of one job, save its per-example table."""

    hash: str
    model: str
    dataset: str
    split: str
    task: str
    variant: str
    status: Status
    pedigree: Pedigree
    records: tuple[Record, ...] = ()
    tables: Mapping[str, Table] = field(default_factory=dict)
    pictures: tuple[Mapping[str, str], ...] = ()
    """id, split, role, caption, thumb (file name below thumbs/, '' where there is none)."""
    notes: tuple[str, ...] = ()
    broken: tuple[Mapping[str, str], ...] = ()
    """id and problem of the first broken images; `n_broken` counts them all."""
    n_broken: int = 0
    error: str = ""
    view: str = ""
    """The change that the images were seen through, e.g. 'gaussian_noise/3'; '' for none."""
    matched: str = ""
    """The data set whose classes this one was cut down to, for a comparison with it; '' for all its classes."""
    trained_on: str = ""
    """The data set that a head was fitted on, where it is another one; '' where it is this one, or nothing was."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """The data set's declarations: regime, source, licence, description."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Seconds, time finished, versions, device, batch size: for the record, not part of the result."""

    @property
    def key(self) -> tuple[str, ...]:
        """What is measured, whatever the pedigree: of two jobs with one key, the later one counts."""
        told = (self.variant, self.pedigree.subset, self.view, self.matched, self.trained_on)
        return (self.model, self.dataset, self.split, self.task, *told)

    @property
    def plain(self) -> bool:
        """Whether it measures the data set as it is: all classes, unchanged images, nothing fitted elsewhere."""
        return not (self.view or self.matched or self.trained_on)

    @property
    def main(self) -> Record | None:
        """The record that stands for this job in a wide table."""
        return next((record for record in self.records if record.main), None)


def _plain(value: Any) -> Any:
    """Turn numpy scalars into Python's own, NaN into None."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value
