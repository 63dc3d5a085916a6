"""How results are shown: by what their tasks and analyses declare."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from clipbench.analyses.registry import ANALYSES, load_analysis
from clipbench.metrics.specs import Declared, MetricSpec
from clipbench.report.text import numbers
from clipbench.results.records import AnalysisResult, JobResult, Record
from clipbench.tasks.registry import TASKS, load_task


def declared(result: JobResult | AnalysisResult) -> Declared:
    """Return what a result's task or analysis declares; of those that are not built in it is stored with the result."""
    if isinstance(result, JobResult):
        return _task(result.task) if result.task in TASKS else result.declared
    return _analysis(result.analysis) if result.analysis in ANALYSES else result.declared


@cache
def _task(name: str) -> Declared:
    return Declared.by(load_task(name))


@cache
def _analysis(name: str) -> Declared:
    return Declared.by(load_analysis(name))


def task_label(result: JobResult | AnalysisResult) -> str:
    """Return what a reader calls a result's task or analysis."""
    name = result.task if isinstance(result, JobResult) else result.analysis
    return declared(result).label or name.replace("_", " ")


def metric_of(result: JobResult | AnalysisResult, record: Record) -> MetricSpec:
    """Return how a record of a result is shown; an undeclared one in the unit that it was stored with."""
    spec = declared(result).metric(record.metric)
    return spec if spec.unit else replace(spec, unit=record.unit)


def as_shown(result: JobResult | AnalysisResult, record: Record) -> Record:
    """Return a record with the unit it is shown in."""
    return replace(record, unit=metric_of(result, record).unit)


def heading(spec: MetricSpec) -> str:
    """Return a metric with the unit it is shown in, e.g. 'gap, points'."""
    return ", ".join(part for part in (spec.label, numbers.suffix(spec.unit)) if part)
