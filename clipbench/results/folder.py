"""The folder of a run: records of its jobs, their per-example tables, thumbnails."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from clipbench.errors import UserError
from clipbench.files import read_json, write_atomically
from clipbench.results.records import AnalysisResult, JobResult

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 2
"""Of the files in a results folder. What is newer is refused; what is older is passed over, and made again by a run."""


Parsed = TypeVar("Parsed")
_JOB = TypeAdapter(JobResult)
_ANALYSES = TypeAdapter(tuple[AnalysisResult, ...])


class Results:
    """The folder of a run: `run.json`, `jobs/`, `examples/`, `thumbs/`, `analyses/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parts: tuple[Results, ...] = (self,)
        """The folders that are seen as one."""

    def write_run(self, run: Mapping[str, Any]) -> None:
        """Write the suite as run, versions and machine."""
        write_atomically(self.folder / "run.json", _to_json({"format": FORMAT, **run}))

    @property
    def run(self) -> Mapping[str, Any]:
        """What `write_run` wrote; empty if nothing did."""
        path = self.folder / "run.json"
        return read_json(path) if path.exists() else {}

    @property
    def analyses(self) -> tuple[Mapping[str, Any], ...]:
        """The settings of the analyses that the suites ask for, each with its `analysis`."""
        asked: list[Mapping[str, Any]] = []
        for part in self.parts:
            asked += [settings for settings in part.run.get("analyses", ()) if settings not in asked]
        return tuple(asked)

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
        """Return the jobs that count: of those that measure the same, the one finished last.

        A failure never hides an earlier success.
        """
        jobs = sorted(self._all_jobs(), key=lambda job: (job.status == "done", str(job.provenance.get("finished", ""))))
        latest = {job.key: job for job in jobs}
        return tuple(sorted(_without_mended(latest.values()), key=lambda job: job.key))

    def forget_failure(self, job_hash: str) -> None:
        """Remove the file of a failed job that has succeeded since."""
        self.job_path(job_hash).unlink(missing_ok=True)

    def _all_jobs(self) -> Iterator[JobResult]:
        parsed = (_parse_job(path) for part in self.parts for path in sorted((part.folder / "jobs").glob("*.json")))
        return (job for job in parsed if job is not None)

    def part_of(self, job_hash: str) -> Results:
        """Return the folder that holds a job."""
        return next((part for part in self.parts if part.job_path(job_hash).exists()), self)

    def examples(self, job_hash: str) -> pd.DataFrame:
        """Return a job's per-example table.

        Raises:
            UserError: it is missing or damaged.
        """
        import pandas as pd

        part = self.part_of(job_hash)
        path, fix = part.examples_path(job_hash), f"delete {part.job_path(job_hash)} and run again"
        try:
            return pd.read_parquet(path)
        except FileNotFoundError as error:
            raise UserError("the job's per-example table is missing", where=str(path), fix=fix) from error
        except (OSError, ValueError) as error:
            raise UserError(f"cannot be read as parquet ({error})", where=str(path), fix=fix) from error

    def read_analysis(self, name: str, key: str) -> tuple[AnalysisResult, ...] | None:
        """Return what an analysis found; None if it was never made of the jobs that the key stands for.

        `name` is the analysis's or, where a folder has it with several settings, a name of its own for each.

        Raises:
            UserError: the file is damaged or of a newer clipbench.
        """
        for path in (part._analysis_path(name) for part in self.parts):
            document = _read(path) if path.exists() else None
            if document and document.get("key") == key:
                return _parse(_ANALYSES, document["results"], path)
        return None

    def has_analysis(self, name: str) -> bool:
        """Say whether an analysis was made of any jobs."""
        return self._analysis_path(name).exists()

    def write_analysis(self, name: str, key: str, found: Sequence[AnalysisResult]) -> None:
        """Keep what an analysis found, instead of what it found before."""
        document = {"format": FORMAT, "key": key, "results": [asdict(result) for result in found]}
        write_atomically(self._analysis_path(name), _to_json(document))

    def keep_analyses(self, names: Collection[str]) -> None:
        """Remove what analyses found that are not asked for any more."""
        for path in (self.folder / "analyses").glob("*.json"):
            if path.stem not in names:
                path.unlink(missing_ok=True)

    def _analysis_path(self, name: str) -> Path:
        return self.folder / "analyses" / f"{name}.json"

    def analysis_results(self) -> tuple[AnalysisResult, ...]:
        """Return what analyses found; what rests on a job that was replaced is left out.

        What several folders that are seen as one say alike is returned once.
        """
        known = {job.hash for job in self.jobs()}
        found = {result.hash: result for result in self._all_analyses()}
        return tuple(result for result in found.values() if known.issuperset(result.jobs))

    def _all_analyses(self) -> Iterator[AnalysisResult]:
        for path in (path for part in self.parts for path in sorted((part.folder / "analyses").glob("*.json"))):
            if document := _read(path):
                yield from _parse(_ANALYSES, document["results"], path)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The tidy table: one row a record, of findings too, one row (value None) a failed job.

        The pedigree is in the columns `pedigree.*`.
        """
        from clipbench.results.frames import tidy

        return tidy((*self.jobs(), *self.analysis_results()))

    def wide(self, metric: str | None = None) -> pd.DataFrame:
        """Return one row a model and one column a data set, of a metric, by default each job's main one.

        Values are of the record's unit. A column is named by the data set and, where several would
        share the name, by what tells them apart (task, prompt set, subset).
        """
        from clipbench.results.frames import wide

        return wide(self.frame, metric)


def load_results(*folders: str | Path) -> Results | MergedResults:
    """Open one or several results folders.

    Raises:
        UserError: a folder holds no results, or only those of an older clipbench.
    """
    opened = [Results(Path(folder)) for folder in folders]
    for results in opened:
        if not (results.folder / "jobs").is_dir():
            raise UserError("holds no results", where=str(results.folder), fix="expected a folder with jobs/ in it")
        files = list((results.folder / "jobs").glob("*.json"))
        if files and all(_read(path) is None for path in files):
            fix = "run the suite again: images and texts are not encoded again"
            raise UserError("written by an older clipbench", where=str(results.folder), fix=fix)
    return opened[0] if len(opened) == 1 else MergedResults(opened)


class MergedResults(Results):
    """Several results folders seen as one."""

    def __init__(self, parts: Sequence[Results]) -> None:
        super().__init__(parts[0].folder)
        self.parts = tuple(parts)


def _without_mended(jobs: Iterable[JobResult]) -> list[JobResult]:
    """Leave out failures from before the prompts were known, so without a variant, of jobs that are done since."""
    kept = list(jobs)
    done = {replace(job, variant="").key for job in kept if job.status == "done"}
    return [job for job in kept if job.status == "done" or job.variant or job.key not in done]


def _read(path: Path) -> dict[str, Any] | None:
    """Return a document; None if an older clipbench wrote it."""
    document = read_json(path)
    written = document.pop("format", 0)
    if written > FORMAT:
        raise UserError("written by a newer clipbench", where=str(path), fix="upgrade clipbench to read it")
    return document if written == FORMAT else None


def _parse_job(path: Path) -> JobResult | None:
    document = _read(path)
    return None if document is None else _parse(_JOB, document, path)


def _parse(adapter: TypeAdapter[Parsed], document: object, path: Path) -> Parsed:
    try:
        return adapter.validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        problem = f"not a job's records ({'.'.join(map(str, first['loc']))}: {first['msg']})"
        raise UserError(problem, where=str(path), fix="delete the file to run the job again") from error


def _to_json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
