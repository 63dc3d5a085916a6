"""Analyses of a results folder: made when a job was added, and kept beside the jobs."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from clipbench.analyses.base import Analysis, AnalysisSettings, Evidence, Finding
from clipbench.analyses.registry import ANALYSES, load_analysis
from clipbench.errors import UserError
from clipbench.fingerprint import digest
from clipbench.results.folder import MergedResults, Results
from clipbench.results.records import JobResult, Pedigree, Record, Table

if TYPE_CHECKING:
    import pandas as pd

INCOMPLETE = ""
"""The key of findings that are shown, but made anew the next time, since an examples file could not be read."""


class _Examples:
    """Reads per-example tables, and remembers whether one could not be read."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.complete = True

    def __call__(self, job_hash: str) -> pd.DataFrame:
        try:
            return self.results.examples(job_hash)
        except UserError:
            self.complete = False
            raise


@dataclass(frozen=True)
class _Asked:
    """An analysis with its settings."""

    name: str
    settings: Mapping[str, Any]
    plain: bool
    """Whether it reads only jobs on whole data sets as they are."""

    @property
    def file(self) -> str:
        """What its findings are called in a folder."""
        return self.name if self.plain else f"{self.name}-{digest(dict(self.settings))[:12]}"


def analyse(results: Results) -> tuple[JobResult, ...]:
    """Return the findings of every analysis, shaped as jobs; makes those anew whose jobs have changed.

    These are the analyses that need no settings, and those that the suites of the results ask for. A folder keeps
    them in `analyses/`; several folders together are only read, and what none of them keeps is made each time. An
    analysis that breaks, whatever the reason, gives a failed result and hides no other.

    Raises:
        UserError: a job's file is damaged.
    """
    jobs = [job for job in results.jobs() if job.status == "done"]
    asked = [_Asked(name, {"analysis": name}, plain=True) for name in ANALYSES]
    asked += [_Asked(str(settings["analysis"]), settings, plain=False) for settings in results.analyses]
    if not isinstance(results, MergedResults):
        results.keep_findings({one.file for one in asked})
    return tuple(finding for one in asked for finding in _attempt(one, jobs, results))


def _attempt(asked: _Asked, jobs: Sequence[JobResult], results: Results) -> tuple[JobResult, ...]:
    try:
        return _of_analysis(asked, jobs, results)
    except UserError as error:
        return (_failed(asked.name, str(error)),)
    except Exception as error:  # noqa: BLE001 - records are safe; one analysis must not hide the others
        return (_failed(asked.name, f"unexpected {type(error).__name__}: {error}", traceback.format_exc()),)


def _of_analysis(asked: _Asked, jobs: Sequence[JobResult], results: Results) -> tuple[JobResult, ...]:
    analysis = load_analysis(asked.name)
    evidence = [job for job in jobs if job.task in analysis.tasks and (job.plain or not asked.plain)]
    key = digest([dict(asked.settings), analysis.protocol, sorted(job.hash for job in evidence)])
    kept = results.read_findings(asked.file, key)
    if kept is not None:
        return kept
    examples = _Examples(results)
    settings = _settings(analysis, asked.settings)
    found = analysis.analyse(Evidence(evidence, examples), settings)
    made = tuple(_as_result(analysis, finding) for finding in found)
    if not isinstance(results, MergedResults) and (made or results.has_findings(asked.file)):
        results.write_findings(asked.file, key if examples.complete else INCOMPLETE, made)
    return made


def _settings(analysis: Analysis, given: Mapping[str, Any]) -> AnalysisSettings:
    try:
        return analysis.Settings.model_validate(given)
    except ValidationError as error:
        problem = f"its settings in run.json are not what this version expects ({error.error_count()} problems)"
        raise UserError(problem, where=analysis.name, fix="run the suite again; finished jobs are kept") from error


def _as_result(analysis: Analysis, finding: Finding) -> JobResult:
    about = finding.about
    return JobResult(
        hash=digest([analysis.name, analysis.protocol, dict(about), sorted(finding.jobs)])[:32],
        model=about.get("model", ""),
        dataset=about.get("dataset", ""),
        split=about.get("split", ""),
        task=analysis.name,
        variant=about.get("variant", ""),
        status="done",
        pedigree=Pedigree(protocol=f"{analysis.name}/{analysis.protocol}", subset=about.get("subset", "")),
        records=tuple(map(Record.of, finding.metrics)),
        tables={name: Table.of(frame) for name, frame in finding.tables.items()},
        notes=finding.notes,
        about={"jobs": list(finding.jobs)},
    )


def _failed(name: str, error: str, details: str = "") -> JobResult:
    return JobResult(
        hash=digest(["failed", name])[:32],
        model="",
        dataset="",
        split="",
        task=name,
        variant="",
        status="failed",
        pedigree=Pedigree(),
        error=error,
        about={"jobs": []},
        provenance={"traceback": details},
    )
