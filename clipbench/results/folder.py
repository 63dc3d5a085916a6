"""The folder of a run: records of its jobs, their per-example tables, thumbnails."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.errors import UserError
from clipbench.files import read_json, write_atomically
from clipbench.results.records import JobResult, Pedigree, Record, Table

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
"""Of the files in a results folder; a reader refuses what is newer than itself."""


class Results:
    """The folder of a run: `run.json`, `jobs/`, `examples/`, `thumbs/`, `analyses/`."""

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

    @property
    def analyses(self) -> tuple[Mapping[str, Any], ...]:
        """The settings of the analyses that the suite asks for, each with its `analysis`."""
        return tuple(self.run.get("analyses", ()))

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
        latest: dict[tuple[str, ...], JobResult] = {}
        for job in sorted(self._all_jobs(), key=_finished):
            latest[job.key] = job
        return tuple(sorted(_without_mended(latest.values()), key=lambda job: job.key))

    def forget_failure(self, job_hash: str) -> None:
        """Remove the file of a failed job that has succeeded since."""
        self.job_path(job_hash).unlink(missing_ok=True)

    def _all_jobs(self) -> Iterator[JobResult]:
        folder = self.folder / "jobs"
        if not folder.is_dir():
            return
        for path in sorted(folder.glob("*.json")):
            yield _parse_job(path)

    def examples(self, job_hash: str) -> pd.DataFrame:
        """Return a job's per-example table.

        Raises:
            UserError: it is missing or damaged.
        """
        import pandas as pd

        path = self.examples_path(job_hash)
        fix = f"delete {self.job_path(job_hash)} and run again"
        try:
            return pd.read_parquet(path)
        except FileNotFoundError as error:
            raise UserError("the job's per-example table is missing", where=str(path), fix=fix) from error
        except (OSError, ValueError) as error:
            raise UserError(f"cannot be read as parquet ({error})", where=str(path), fix=fix) from error

    def read_findings(self, analysis: str, key: str) -> tuple[JobResult, ...] | None:
        """Return what an analysis found; None if it was never made of the jobs that the key stands for.

        `analysis` is its name or, where a folder has it with several settings, a name of its own for each.

        Raises:
            UserError: the file is damaged or of a newer clipbench.
        """
        path = self._findings_path(analysis)
        document = _checked(path) if path.exists() else {}
        if document.get("key") != key:
            return None
        return tuple(_job(finding, path) for finding in document["findings"])

    def has_findings(self, analysis: str) -> bool:
        """Say whether an analysis was made of any jobs."""
        return self._findings_path(analysis).exists()

    def write_findings(self, analysis: str, key: str, findings: Sequence[JobResult]) -> None:
        """Keep what an analysis found, instead of what it found before."""
        document = {"format": FORMAT, "key": key, "findings": [asdict(finding) for finding in findings]}
        write_atomically(self._findings_path(analysis), _to_json(document))

    def keep_findings(self, analyses: Collection[str]) -> None:
        """Remove what analyses found that are not asked for any more."""
        for path in (self.folder / "analyses").glob("*.json"):
            if path.stem not in analyses:
                path.unlink(missing_ok=True)

    def _findings_path(self, analysis: str) -> Path:
        return self.folder / "analyses" / f"{analysis}.json"

    def findings(self) -> tuple[JobResult, ...]:
        """Return what analyses found, shaped as jobs; those that rest on a job which was replaced are left out.

        What several folders that are seen as one say alike is returned once.
        """
        known = {job.hash for job in self.jobs()}
        found = {finding.hash: finding for finding in self._all_findings()}
        return tuple(finding for finding in found.values() if known.issuperset(finding.about["jobs"]))

    def _all_findings(self) -> Iterator[JobResult]:
        for path in sorted((self.folder / "analyses").glob("*.json")):
            for finding in _checked(path)["findings"]:
                yield _job(finding, path)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The tidy table: one row a record, of findings too, one row (value None) a failed job.

        The pedigree is in the columns `pedigree.*`.
        """
        from clipbench.results.frames import tidy

        return tidy((*self.jobs(), *self.findings()))

    def wide(self, metric: str | None = None) -> pd.DataFrame:
        """Return one row a model and one column a data set.

        Args:
            metric: the metric to show; by default each job's main one.

        Values are of the record's unit. A column is named by the data set and, where several would
        share the name, by what tells them apart (task, prompt set, subset).
        """
        from clipbench.results.frames import wide

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

    @property
    def analyses(self) -> tuple[Mapping[str, Any], ...]:
        """The settings of the analyses that any of the suites asks for."""
        asked: list[Mapping[str, Any]] = []
        for part in self.parts:
            asked += [settings for settings in part.analyses if settings not in asked]
        return tuple(asked)

    def _all_jobs(self) -> Iterator[JobResult]:
        for part in self.parts:
            yield from part._all_jobs()

    def _all_findings(self) -> Iterator[JobResult]:
        for part in self.parts:
            yield from part._all_findings()

    def read_findings(self, analysis: str, key: str) -> tuple[JobResult, ...] | None:
        """Return what an analysis found, from the first folder in which it was made of the same jobs."""
        found = (part.read_findings(analysis, key) for part in self.parts)
        return next((findings for findings in found if findings is not None), None)

    def part_of(self, job_hash: str) -> Results:
        """Return the folder that holds a job."""
        return next(part for part in self.parts if part.job_path(job_hash).exists())

    def examples(self, job_hash: str) -> pd.DataFrame:
        """Return a job's per-example table."""
        return self.part_of(job_hash).examples(job_hash)


def _without_mended(jobs: Iterable[JobResult]) -> list[JobResult]:
    """Leave out failures from before the prompts were known, so without a variant, of jobs that are done since."""
    kept = list(jobs)
    done = {replace(job, variant="").key for job in kept if job.status == "done"}
    return [job for job in kept if job.status == "done" or job.variant or job.key not in done]


def _finished(job: JobResult) -> tuple[bool, str]:
    return (job.status == "done", str(job.provenance.get("finished", "")))


def _parse_job(path: Path) -> JobResult:
    return _job({key: value for key, value in _checked(path).items() if key != "format"}, path)


def _checked(path: Path) -> dict[str, Any]:
    document = read_json(path)
    if document.get("format", 0) > FORMAT:
        raise UserError("written by a newer clipbench", where=str(path), fix="upgrade clipbench to read it")
    return document


def _job(document: dict[str, Any], path: Path) -> JobResult:
    try:
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
