"""Analyses of a results folder: made when a job was added, and kept beside the jobs."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from clipbench.analyses.base import Analysis, Evidence, Finding
from clipbench.analyses.registry import ANALYSES, load_analysis
from clipbench.errors import UserError
from clipbench.fingerprint import digest
from clipbench.records import JobResult, Pedigree, Record, Table
from clipbench.results import MergedResults, Results

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


def analyse(results: Results) -> tuple[JobResult, ...]:
    """Return the findings of every analysis, shaped as jobs; makes those anew whose jobs have changed.

    A folder keeps them in `analyses/`; several folders together are only read, and what none of them keeps is made
    each time. An analysis that breaks, whatever the reason, gives a failed result and hides no other.

    Raises:
        UserError: a job's file is damaged.
    """
    jobs = [job for job in results.jobs() if job.status == "done"]
    return tuple(finding for name in ANALYSES for finding in _attempt(name, jobs, results))


def _attempt(name: str, jobs: Sequence[JobResult], results: Results) -> tuple[JobResult, ...]:
    try:
        return _of_analysis(name, jobs, results)
    except UserError as error:
        return (_failed(name, str(error)),)
    except Exception as error:  # noqa: BLE001 - records are safe; one analysis must not hide the others
        return (_failed(name, f"unexpected {type(error).__name__}: {error}", traceback.format_exc()),)


def _of_analysis(name: str, jobs: Sequence[JobResult], results: Results) -> tuple[JobResult, ...]:
    analysis = load_analysis(name)
    evidence = [job for job in jobs if job.task in analysis.tasks]
    key = digest([name, analysis.protocol, sorted(job.hash for job in evidence)])
    kept = results.read_findings(name, key)
    if kept is not None:
        return kept
    examples = _Examples(results)
    made = tuple(_make(analysis, Evidence(evidence, examples)))
    if not isinstance(results, MergedResults) and (made or results.has_findings(name)):
        results.write_findings(name, key if examples.complete else INCOMPLETE, made)
    return made


def _make(analysis: Analysis, evidence: Evidence) -> Iterator[JobResult]:
    settings = analysis.Settings(analysis=analysis.name)
    for finding in analysis.analyse(evidence, settings):
        yield _as_result(analysis, finding)


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
