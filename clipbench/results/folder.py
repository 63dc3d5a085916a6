"""The folder of a run: records of its jobs, their per-example tables, thumbnails."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.errors import UserError
from clipbench.fingerprint import digest
from clipbench.results.choice import Candidate, fullest, newest
from clipbench.results.files import FORMAT as FORMAT
from clipbench.results.files import Damaged, read_analysis, read_job, read_run, write_document
from clipbench.results.records import AnalysisResult, JobResult

if TYPE_CHECKING:
    import pandas as pd


class Results:
    """The folder of a run: `runs/`, `jobs/`, `examples/`, `thumbs/`, `analyses/`."""

    def __init__(
        self, folder: Path, *others: Path, only: Collection[str] | None = None, read_only: bool = False
    ) -> None:
        """Show a folder, or several as one; `only`: of a single one just the jobs with these hashes."""
        self.folder = folder
        self.only = only
        self.read_only = read_only or only is not None or bool(others)
        """Whether nothing is kept in it: so too of a part of a folder, and of several folders."""
        self.parts: tuple[Results, ...] = tuple(map(Results, (folder, *others))) if others else (self,)
        """The folders that are seen as one."""

    def write_run(self, run: Mapping[str, Any], jobs: Sequence[str] = ()) -> None:
        """Write the suite as run, versions and machine, and the hashes of the run's jobs so far.

        Jobs that the suite's last run named stay named, before these: what is named last counts. Of several suites
        that share the folder, the one that was written first after the others comes last.
        """
        path, others = self.run_path(str(run["suite"])), []
        before: Mapping[str, Any] = {}
        for other in (self.folder / "runs").glob("*.json"):
            try:
                known = read_run(other) or {}
            except Damaged:
                known = {}
            if other == path:
                before = known
            else:
                others.append(known.get("order", 0))
        again = set(jobs)
        named = [job for job in before.get("jobs", ()) if job not in again and (jobs or self.job_path(job).exists())]
        order = max(before.get("order", 0), 1 + max(others, default=0))
        write_document(path, {**run, "order": order, "jobs": [*named, *jobs]})

    def run_path(self, suite: str) -> Path:
        """Return where the record of a suite's last run is or will be."""
        safe = re.sub(r"[^\w.-]+", "_", suite).strip(".")[:80]
        name = safe if safe and safe == suite else f"{safe}-{digest(suite)[:6]}"
        return self.folder / "runs" / f"{name}.json"

    @property
    def runs(self) -> tuple[Mapping[str, Any], ...]:
        """What `write_run` wrote, each suite's once, the last one last.

        Raises:
            UserError: a file is damaged or of a newer clipbench.
        """
        known = (read_run(path) for path in sorted((self.folder / "runs").glob("*.json")))
        return tuple(sorted((run for run in known if run is not None), key=lambda run: int(run["order"])))

    @property
    def analyses(self) -> tuple[Mapping[str, Any], ...]:
        """The settings of the analyses that the suites ask for, each with its `analysis`."""
        asked: list[Mapping[str, Any]] = []
        for run in (run for part in self.parts for run in part.runs):
            asked += [settings for settings in run.get("analyses", ()) if settings not in asked]
        return tuple(asked)

    def job_path(self, job_hash: str) -> Path:
        """Return where a job's records are or will be."""
        return self.folder / "jobs" / f"{job_hash}.json"

    def examples_path(self, job_hash: str) -> Path:
        """Return where a job's per-example table is or will be."""
        return self.folder / "examples" / f"{job_hash}.parquet"

    def write_job(self, job: JobResult) -> None:
        """Write a job's records; once they are there, the job is done."""
        write_document(self.job_path(job.hash), asdict(job))

    def read_job(self, job_hash: str) -> JobResult | None:
        """Return a job's records, or None if it has none.

        Raises:
            UserError: the file is damaged or of a newer clipbench.
        """
        path = self.job_path(job_hash)
        return read_job(path) if path.exists() else None

    def read_done(self, job_hash: str) -> JobResult | None:
        """Return the records of a job that is done; None if it has to be run, since they or its examples are not there.

        Raises:
            UserError: the records are of a newer clipbench.
        """
        try:
            job = self.read_job(job_hash)
        except Damaged:
            return None
        return job if job and job.status == "done" and _is_whole(self.examples_path(job_hash)) else None

    def jobs(self, *, trials: bool = False) -> tuple[JobResult, ...]:
        """Return the jobs that count: of those that measure the same, the one that a run named last.

        Of those that differ only in their limit, the one on all examples counts, else the one on most; with `trials`
        all of them do. A failure never hides an earlier success. Where several models share a name, each is told by
        six digits of its weights' digest.

        Raises:
            UserError: a file is damaged or of a newer clipbench.
        """
        jobs = newest(known for part in self.parts for known in part._candidates())
        return jobs if trials else fullest(jobs)

    def _candidates(self) -> Iterator[Candidate]:
        claimed = {
            job: (order, place) for order, run in enumerate(self.runs) for place, job in enumerate(run.get("jobs", ()))
        }
        for path in sorted((self.folder / "jobs").glob("*.json")):
            if (self.only is None or path.stem in self.only) and (job := read_job(path)) is not None:
                yield Candidate(job, str(self.folder), claimed.get(job.hash, (-1, -1)))

    def forget_failure(self, job_hash: str) -> None:
        """Remove the file of a failed job that has succeeded since."""
        self.job_path(job_hash).unlink(missing_ok=True)

    def part_of(self, job_hash: str) -> Results:
        """Return the folder that holds a job."""
        return next((part for part in self.parts if part.job_path(job_hash).exists()), self)

    def examples(self, job_hash: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return a job's per-example table, or those of some columns that it has.

        Raises:
            UserError: it is missing or damaged.
        """
        import pandas as pd

        part = self.part_of(job_hash)
        path, fix = part.examples_path(job_hash), f"delete {part.job_path(job_hash)} and run again"
        try:
            table = pd.read_parquet(path) if columns is None else _columns(path, columns)
        except FileNotFoundError as error:
            raise UserError("the job's per-example table is missing", where=str(path), fix=fix) from error
        except Exception as error:
            # Readers of parquet differ in what a damaged file makes them raise.
            raise UserError(f"cannot be read as parquet ({error})", where=str(path), fix=fix) from error
        if "id" not in table or pd.api.types.infer_dtype(table["id"], skipna=False) not in ("string", "empty"):
            raise UserError("is no per-example table: it has no column 'id' of text", where=str(path), fix=fix)
        return table

    def read_analysis(self, name: str, key: str) -> tuple[AnalysisResult, ...] | None:
        """Return what an analysis found; None if it was never made of the jobs that the key stands for, or is damaged.

        `name` is the analysis's or, where a folder has it with several settings, a name of its own for each.

        Raises:
            UserError: the file is of a newer clipbench.
        """
        for path in (part._analysis_path(name) for part in self.parts):
            try:
                known = read_analysis(path) if path.exists() else None
            except Damaged:
                continue
            if known and known[0] == key:
                return known[1]
        return None

    def has_analysis(self, name: str) -> bool:
        """Say whether an analysis was made of any jobs."""
        return self._analysis_path(name).exists()

    def write_analysis(self, name: str, key: str, found: Sequence[AnalysisResult]) -> None:
        """Keep what an analysis found, instead of what it found before."""
        write_document(self._analysis_path(name), {"key": key, "results": [asdict(result) for result in found]})

    def keep_analyses(self, names: Collection[str]) -> None:
        """Remove what analyses found that no suite of the folder asks for any more."""
        for path in (self.folder / "analyses").glob("*.json"):
            if path.stem not in names and path.is_file():
                path.unlink(missing_ok=True)

    def _analysis_path(self, name: str) -> Path:
        return self.folder / "analyses" / f"{name}.json"

    def analysis_results(self) -> tuple[AnalysisResult, ...]:
        """Return what analyses found; what rests on a job that was replaced is left out.

        What several folders that are seen as one say alike is returned once.

        Raises:
            UserError: a file is damaged or of a newer clipbench.
        """
        models = {job.hash: job.model for job in self.jobs(trials=True)}
        found: dict[str, AnalysisResult] = {}
        for part in self.parts:
            for path in sorted((part.folder / "analyses").glob("*.json")):
                for result in (read_analysis(path) or ("", ()))[1]:
                    if models.keys() >= set(result.jobs):
                        found[result.hash] = part._renamed(result, models)
        return tuple(found.values())

    def _renamed(self, result: AnalysisResult, models: Mapping[str, str]) -> AnalysisResult:
        """Call the models of a result as its jobs do by now, where others share their names."""
        jobs = [job for job_hash in result.jobs if (job := self.read_job(job_hash))]
        names = {job.model: models[job.hash] for job in jobs if job.model != models[job.hash]}
        if not names:
            return result
        about, named = result.about, [names.get(model, model) for model in result.about.models]
        about = replace(about, models=tuple(named), reference=names.get(about.reference, about.reference))
        return replace(result, about=about)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The tidy table: one row a record, of findings too, one row (value None) a failed job.

        The pedigree is in the columns `pedigree.*`.
        """
        from clipbench.results.frames import tidy

        return tidy((*self.jobs(trials=True), *self.analysis_results()), {job.hash for job in self.jobs()})

    def wide(self, metric: str | None = None) -> pd.DataFrame:
        """Return one row a model and one column a data set, of a metric, by default each job's main one.

        Values are of the record's unit. A column is named by the data set and, where several would
        share the name, by what tells them apart (task, prompt set, subset).
        """
        from clipbench.results.frames import wide

        return wide(self.frame, metric)


def load_results(*folders: str | Path) -> Results:
    """Open one or several results folders.

    Raises:
        UserError: a folder holds no results, or only those of an older clipbench.
    """
    merged = Results(*map(Path, folders))
    for results in merged.parts:
        if (results.folder / "data" / "board.json").exists():
            # It has a folder jobs/ too.
            fix = "give the results folders that it was made of"
            raise UserError("is a site, no results folder", where=str(results.folder), fix=fix)
        if not (results.folder / "jobs").is_dir():
            raise UserError("holds no results", where=str(results.folder), fix="expected a folder with jobs/ in it")
        files = list((results.folder / "jobs").glob("*.json"))
        if files and all(read_job(path) is None for path in files):
            fix = "run the suite again: images and texts are not encoded again"
            raise UserError("written by an older clipbench", where=str(results.folder), fix=fix)
    return merged


def _columns(table: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read those of some columns that a parquet file has; of many small files in a quarter of pandas' time."""
    from pyarrow.parquet import ParquetFile

    with ParquetFile(table) as file:
        present = [name for name in columns if name in file.schema_arrow.names]
        frame: pd.DataFrame = file.read(columns=present, use_threads=False).to_pandas()
    return frame


def _is_whole(table: Path) -> bool:
    """Whether a parquet file is there and was written to its end."""
    try:
        with table.open("rb") as file:
            file.seek(-4, 2)
            return file.read() == b"PAR1"
    except OSError:
        return False
