"""Records of finished jobs, their folder on disk, and the frames made of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from clipbench.errors import UserError
from clipbench.files import read_json, write_atomically

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["done", "failed"]

FORMAT = 1
"""Of the files in a results folder; a reader refuses what is newer than itself."""


@dataclass(frozen=True)
class Pedigree:
    """Digests and names of everything that could change a result. Results compare if these agree."""

    weights: str = ""
    transform: str = ""
    tokenizer: str = ""
    precision: str = ""
    data: str = ""
    """Of ids and encoded images."""
    subset: str = ""
    """'' for the whole split, else how it was chosen, e.g. 'limit 1000'."""
    labels: str = ""
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
    about: Mapping[str, Any] = field(default_factory=dict)
    """The data set's declarations: regime, source, licence, description."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Seconds, time finished, versions, device, batch size: for the record, not part of the result."""

    @property
    def key(self) -> tuple[str, str, str, str, str, str]:
        """What is measured, whatever the pedigree: of two jobs with one key, the later one counts."""
        return (self.model, self.dataset, self.split, self.task, self.variant, self.pedigree.subset)

    @property
    def main(self) -> Record | None:
        """The record that stands for this job in a wide table."""
        return next((record for record in self.records if record.main), None)


class Results:
    """The folder of a run: `run.json`, `jobs/`, `examples/`, `thumbs/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write_run(self, run: Mapping[str, Any]) -> None:
        """Write the suite as run, versions and machine."""
        write_atomically(self.folder / "run.json", _to_json({"format": FORMAT, **run}))

    @property
    def run(self) -> Mapping[str, Any]:
        """What `write_run` wrote; empty if nothing did."""
        path = self.folder / "run.json"
        return read_json(path) if path.exists() else {}

    def job_path(self, job_hash: str) -> Path:
        """Return where a job's records are or will be."""
        return self.folder / "jobs" / f"{job_hash}.json"

    def examples_path(self, job_hash: str) -> Path:
        """Return where a job's per-example table is or will be."""
        return self.folder / "examples" / f"{job_hash}.parquet"

    def write_job(self, job: JobResult) -> None:
        """Write a job's records; once they are there, the job is done."""
        write_atomically(self.job_path(job.hash), _to_json({"format": FORMAT, **asdict(job)}))

    def read_job(self, job_hash: str) -> JobResult | None:
        """Return a job's records, or None if it has none.

        Raises:
            UserError: the file is damaged or of a newer clipbench.
        """
        path = self.job_path(job_hash)
        return _parse_job(path) if path.exists() else None

    def jobs(self) -> tuple[JobResult, ...]:
        """Return the jobs that count: of those that measure the same, the one finished last."""
        latest: dict[tuple[str, ...], JobResult] = {}
        for job in sorted(self._all_jobs(), key=_finished):
            latest[job.key] = job
        return tuple(sorted(latest.values(), key=lambda job: job.key))

    def _all_jobs(self) -> Iterator[JobResult]:
        folder = self.folder / "jobs"
        if not folder.is_dir():
            return
        for path in sorted(folder.glob("*.json")):
            yield _parse_job(path)

    def examples(self, job_hash: str) -> pd.DataFrame:
        """Return a job's per-example table."""
        import pandas as pd

        return pd.read_parquet(self.examples_path(job_hash))

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The tidy table: one row a record, one row (value None) a failed job; pedigree as `pedigree.*`."""
        from clipbench.frames import tidy

        return tidy(self.jobs())

    def wide(self, metric: str | None = None) -> pd.DataFrame:
        """Return one row a model and one column a data set.

        Args:
            metric: the metric to show; by default each job's main one.

        Values are of the record's unit. A column is named by the data set and, where several would
        share the name, by what tells them apart (task, prompt set, subset).
        """
        from clipbench.frames import wide

        return wide(self.frame, metric)


def load_results(*folders: str | Path) -> Results | MergedResults:
    """Open one or several results folders.

    Raises:
        UserError: a folder holds no results.
    """
    opened = [Results(Path(folder)) for folder in folders]
    for results in opened:
        if not (results.folder / "jobs").is_dir():
            raise UserError("holds no results", where=str(results.folder), fix="expected a folder with jobs/ in it")
    return opened[0] if len(opened) == 1 else MergedResults(opened)


class MergedResults(Results):
    """Several results folders seen as one."""

    def __init__(self, parts: Sequence[Results]) -> None:
        super().__init__(parts[0].folder)
        self.parts = tuple(parts)

    def _all_jobs(self) -> Iterator[JobResult]:
        for part in self.parts:
            yield from part._all_jobs()

    def part_of(self, job_hash: str) -> Results:
        """Return the folder that holds a job."""
        return next(part for part in self.parts if part.job_path(job_hash).exists())

    def examples(self, job_hash: str) -> pd.DataFrame:
        """Return a job's per-example table."""
        return self.part_of(job_hash).examples(job_hash)


def _finished(job: JobResult) -> str:
    return str(job.provenance.get("finished", ""))


def _parse_job(path: Path) -> JobResult:
    document = read_json(path)
    if document.get("format", 0) > FORMAT:
        raise UserError("written by a newer clipbench", where=str(path), fix="upgrade clipbench to read it")
    try:
        document = {key: value for key, value in document.items() if key != "format"}
        document["pedigree"] = Pedigree(**document["pedigree"])
        document["records"] = tuple(Record(**record) for record in document["records"])
        document["tables"] = {
            name: Table(tuple(table["columns"]), tuple(tuple(row) for row in table["rows"]))
            for name, table in document["tables"].items()
        }
        for name in ("pictures", "notes", "broken"):
            document[name] = tuple(document[name])
        return JobResult(**document)
    except (KeyError, TypeError) as error:
        raise UserError(
            f"not a job's records ({error})", where=str(path), fix="delete the file to run the job again"
        ) from error


def _to_json(document: Mapping[str, Any]) -> bytes:
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text.encode()


def _plain(value: Any) -> Any:
    """Turn numpy scalars into Python's own, NaN into None."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value
