"""Analyses of a results folder: made when a job was added, and kept beside the jobs."""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from clipbench.analyses.base import Analysis, AnalysisSettings, Evidence, Finding
from clipbench.analyses.registry import ANALYSES, analysis_names, load_analysis
from clipbench.errors import UserError, problem_of
from clipbench.fingerprint import digest, digest_code
from clipbench.metrics.specs import Declared
from clipbench.results.folder import Results
from clipbench.results.records import AnalysisResult, JobResult, Record, Table

if TYPE_CHECKING:
    import pandas as pd

INCOMPLETE = ""
"""The key of findings that are shown, but made anew the next time, since an examples file could not be read."""


def analyse(results: Results, only: Collection[str] = ()) -> tuple[AnalysisResult, ...]:
    """Return what every analysis finds, or those named in `only`; makes those anew whose jobs have changed.

    These are the automatic analyses, and those that the suites of the results ask for. A folder keeps their results in
    `analyses/`; several folders together are only read, and what none of them keeps is made each time. An analysis
    that breaks, whatever the reason, gives a failed result and hides no other.

    Raises:
        UserError: a job's file is damaged.
    """
    jobs = [job for job in results.jobs(trials=True) if job.status == "done"]
    # By what their results are called in a folder.
    asked: dict[str, Mapping[str, Any]] = {name: {"analysis": name} for name in analysis_names()}
    asked |= {f"{settings['analysis']}-{digest(dict(settings))[:12]}": settings for settings in results.analyses}
    if not results.read_only:
        results.keep_analyses(asked)
    wanted = {file: settings for file, settings in asked.items() if not only or settings["analysis"] in only}
    return tuple(found for file, settings in wanted.items() for found in _attempt(file, settings, jobs, results))


def _attempt(
    file: str, settings: Mapping[str, Any], jobs: Sequence[JobResult], results: Results
) -> tuple[AnalysisResult, ...]:
    name = str(settings["analysis"])
    try:
        return _made(file, settings, jobs, results)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - records are safe; one analysis must not hide the others
        details = "" if isinstance(error, UserError) else traceback.format_exc()
        return (_failed(name, problem_of(error), details),)


def _made(
    file: str, settings: Mapping[str, Any], jobs: Sequence[JobResult], results: Results
) -> tuple[AnalysisResult, ...]:
    analysis = load_analysis(settings["analysis"])
    automatic = file == settings["analysis"]
    if automatic and not analysis.automatic:
        return ()
    read = [job for job in jobs if not analysis.tasks or job.task in analysis.tasks]
    evidence = [job for job in read if job.plain or not automatic]
    # Its code counts too, and what its models are called by now.
    rests_on = sorted([job.hash, job.model] for job in evidence)
    key = digest([dict(settings), analysis.protocol, digest_code(type(analysis)), rests_on])
    kept = results.read_analysis(file, key)
    if kept is not None:
        return kept
    unread = []

    def examples(job_hash: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        try:
            return results.examples(job_hash, columns)
        except UserError:
            unread.append(job_hash)
            raise

    found = analysis.analyse(Evidence(evidence, examples), _settings(analysis, settings))
    made = tuple(_result(analysis, finding) for finding in _without_trials(found))
    if not results.read_only and (made or results.has_analysis(file)):
        results.write_analysis(file, INCOMPLETE if unread else key, made)
    return made


def _without_trials(findings: Sequence[Finding]) -> list[Finding]:
    """Leave out what was found on a limited number of examples of a model of which the same was found on more."""
    apart = ("models", "subset", "limit", "n", "n_train")
    alike: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        told = {name: value for name, value in asdict(finding.about).items() if name not in apart}
        # A mean is over what there was.
        alike[digest(told | {"datasets": []} if finding.about.averaged else told)].append(finding)

    def is_trial(finding: Finding, others: Sequence[Finding]) -> bool:
        models = set(finding.about.models)
        return any(_fullness(finding) < _fullness(other) and models & {*other.about.models} for other in others)

    trials = {id(finding) for others in alike.values() for finding in others if is_trial(finding, others)}
    return [finding for finding in findings if id(finding) not in trials]


def _fullness(finding: Finding) -> tuple[bool, int]:
    return (not finding.about.subset, finding.about.limit or 0)


def _settings(analysis: Analysis[Any], given: Mapping[str, Any]) -> AnalysisSettings:
    try:
        return cast(AnalysisSettings, analysis.Settings.model_validate(given))
    except ValidationError as error:
        problem = (
            f"its settings in the folder's runs/ are not what this version expects ({error.error_count()} problems)"
        )
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
