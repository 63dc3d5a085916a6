"""Analyses of a results folder: made when a job was added, and kept beside the jobs."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from clipbench.analyses.base import Analysis, AnalysisSettings, Evidence, Finding
from clipbench.analyses.registry import ANALYSES, analysis_names, load_analysis
from clipbench.errors import UserError
from clipbench.fingerprint import digest
from clipbench.metrics.specs import Declared
from clipbench.results.folder import MergedResults, Results
from clipbench.results.records import AnalysisResult, JobResult, Record, Table

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
    automatic: bool
    """Whether it reads only jobs on whole data sets as they are."""

    @property
    def file(self) -> str:
        """What its results are called in a folder."""
        return self.name if self.automatic else f"{self.name}-{digest(dict(self.settings))[:12]}"


def analyse(results: Results) -> tuple[AnalysisResult, ...]:
    """Return what every analysis finds; makes those anew whose jobs have changed.

    These are the automatic analyses, and those that the suites of the results ask for. A folder keeps their results in
    `analyses/`; several folders together are only read, and what none of them keeps is made each time. An analysis
    that breaks, whatever the reason, gives a failed result and hides no other.

    Raises:
        UserError: a job's file is damaged.
    """
    jobs = [job for job in results.jobs() if job.status == "done"]
    asked = [_Asked(name, {"analysis": name}, automatic=True) for name in analysis_names()]
    asked += [_Asked(str(settings["analysis"]), settings, automatic=False) for settings in results.analyses]
    if not isinstance(results, MergedResults):
        results.keep_analyses({analysis.file for analysis in asked})
    return tuple(found for analysis in asked for found in _attempt(analysis, jobs, results))


def _attempt(asked: _Asked, jobs: Sequence[JobResult], results: Results) -> tuple[AnalysisResult, ...]:
    try:
        return _made(asked, jobs, results)
    except UserError as error:
        return (_failed(asked.name, str(error)),)
    except Exception as error:  # noqa: BLE001 - records are safe; one analysis must not hide the others
        return (_failed(asked.name, f"unexpected {type(error).__name__}: {error}", traceback.format_exc()),)


def _made(asked: _Asked, jobs: Sequence[JobResult], results: Results) -> tuple[AnalysisResult, ...]:
    analysis = load_analysis(asked.name)
    if asked.automatic and not analysis.automatic:
        return ()
    evidence = [job for job in jobs if job.task in analysis.tasks and (job.plain or not asked.automatic)]
    key = digest([dict(asked.settings), analysis.protocol, sorted(job.hash for job in evidence)])
    kept = results.read_analysis(asked.file, key)
    if kept is not None:
        return kept
    examples = _Examples(results)
    found = analysis.analyse(Evidence(evidence, examples), _settings(analysis, asked.settings))
    made = tuple(_result(analysis, finding) for finding in found)
    if not isinstance(results, MergedResults) and (made or results.has_analysis(asked.file)):
        results.write_analysis(asked.file, key if examples.complete else INCOMPLETE, made)
    return made


def _settings(analysis: Analysis[Any], given: Mapping[str, Any]) -> AnalysisSettings:
    try:
        return cast(AnalysisSettings, analysis.Settings.model_validate(given))
    except ValidationError as error:
        problem = f"its settings in run.json are not what this version expects ({error.error_count()} problems)"
        raise UserError(problem, where=analysis.name, fix="run the suite again; finished jobs are kept") from error


def _result(analysis: Analysis[Any], finding: Finding) -> AnalysisResult:
    about = finding.about
    return AnalysisResult(
        hash=digest([analysis.name, analysis.protocol, asdict(about), sorted(finding.jobs)])[:32],
        analysis=analysis.name,
        protocol=analysis.protocol,
        status="done",
        about=about,
        verdict=finding.verdict,
        records=tuple(map(Record.of, finding.metrics)),
        tables={name: Table.of(frame) for name, frame in finding.tables.items()},
        notes=finding.notes,
        jobs=finding.jobs,
        declared=Declared() if analysis.name in ANALYSES else Declared.by(analysis),
    )


def _failed(name: str, error: str, details: str = "") -> AnalysisResult:
    return AnalysisResult(digest(["failed", name])[:32], name, 0, "failed", error=error, traceback=details)
