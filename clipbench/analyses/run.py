"""Analyses of a results folder: made when a job was added, and kept beside the jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from clipbench.analyses.base import Analysis, Evidence, Finding
from clipbench.analyses.registry import ANALYSES, load_analysis
from clipbench.fingerprint import digest
from clipbench.records import JobResult, Pedigree, Record, Table
from clipbench.results import MergedResults, Results


def analyse(results: Results) -> tuple[JobResult, ...]:
    """Return the findings of every analysis, shaped as jobs; makes those anew whose jobs have changed.

    A folder keeps them in `analyses/`; for several folders together they are made each time. An analysis that
    breaks gives a failed result and hides no other.
    """
    jobs = [job for job in results.jobs() if job.status == "done"]
    return tuple(finding for name in ANALYSES for finding in _of_analysis(name, jobs, results))


def _of_analysis(name: str, jobs: Sequence[JobResult], results: Results) -> tuple[JobResult, ...]:
    analysis = load_analysis(name)
    evidence = [job for job in jobs if job.task in analysis.tasks]
    key = digest([name, analysis.protocol, sorted(job.hash for job in evidence)])
    merged = isinstance(results, MergedResults)
    kept = None if merged else results.read_findings(name, key)
    if kept is not None:
        return kept
    try:
        made = tuple(_make(analysis, Evidence(evidence, results.examples)))
    except Exception as error:  # noqa: BLE001 - records are safe; one analysis must not hide the others
        return (_failed(analysis, key, error),)
    if not merged and (made or results.has_findings(name)):
        results.write_findings(name, key, made)
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
        records=tuple(
            Record(
                metric=metric.name,
                value=metric.value,
                unit=metric.unit,
                low=metric.interval.low if metric.interval else None,
                high=metric.interval.high if metric.interval else None,
                level=metric.interval.level if metric.interval else None,
                interval=metric.interval.kind if metric.interval else "",
                n=metric.n,
                params=metric.params,
            )
            for metric in finding.metrics
        ),
        tables={name: Table.of(frame) for name, frame in finding.tables.items()},
        notes=finding.notes,
        about={"jobs": list(finding.jobs)},
    )


def _failed(analysis: Analysis, key: str, error: Exception) -> JobResult:
    protocol = f"{analysis.name}/{analysis.protocol}"
    found = JobResult(key[:32], "", "", "", analysis.name, "", "failed", Pedigree(protocol=protocol))
    return replace(found, error=f"{type(error).__name__}: {error}", about={"jobs": []})
