"""How results are shown: by what their tasks and analyses declare."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache

from clipbench.analyses.registry import ANALYSES, load_analysis
from clipbench.metrics.specs import Declared, MetricSpec
from clipbench.report.text import numbers
from clipbench.results.records import AnalysisResult, JobResult, Record
from clipbench.tasks.registry import TASKS, load_task


def declared(result: JobResult | AnalysisResult) -> Declared:
    """Return what a result's task or analysis declares; of those that are not built in it is stored with the result."""
    if isinstance(result, JobResult):
        return _built_in(load_task, result.task) if result.task in TASKS else result.declared
    return _built_in(load_analysis, result.analysis) if result.analysis in ANALYSES else result.declared


@cache
def _built_in(load: Callable[[str], object], name: str) -> Declared:
    return Declared.by(load(name))


def task_label(result: JobResult | AnalysisResult) -> str:
    """Return what a reader calls a result's task or analysis."""
    name = result.task if isinstance(result, JobResult) else result.analysis
    return declared(result).label or name.replace("_", " ")


def label_of_task(name: str) -> str:
    """Return what a reader calls a built-in task."""
    return (_built_in(load_task, name).label if name in TASKS else "") or name.replace("_", " ")


def task_order(name: str) -> tuple[int, str]:
    """Return a sort key: built-in tasks in the order of their registry, then others by name."""
    order = list(TASKS)
    return (order.index(name), "") if name in TASKS else (len(order), name)


def metric_of(result: JobResult | AnalysisResult, record: Record) -> MetricSpec:
    """Return how a record of a result is shown; in the unit that it was stored with where none is declared."""
    spec = declared(result).metric(record.metric)
    return replace(spec, unit=record.unit) if spec.unit in {"", "fraction"} else spec


def as_shown(result: JobResult | AnalysisResult, record: Record) -> Record:
    """Return a record with the unit it is shown in."""
    return replace(record, unit=metric_of(result, record).unit)


def heading(spec: MetricSpec) -> str:
    """Return a metric with the unit it is shown in, e.g. 'gap, points'."""
    return ", ".join(part for part in (spec.label, numbers.suffix(spec.unit)) if part)


@dataclass(frozen=True)
class Definition:
    """What some metrics of a page mean."""

    labels: tuple[str, ...]
    text: str
    source: str


def definitions(results: Iterable[JobResult | AnalysisResult]) -> tuple[Definition, ...]:
    """Define the metrics of some results, in the order in which they are declared; those defined alike together."""
    labels: dict[tuple[str, str], dict[str, None]] = {}
    for result in results:
        for spec in declared(result).metrics:
            if spec.definition and any(spec.match(record.metric) for record in result.records):
                # A family stands for its members: 'R@k'.
                label = spec.label.replace("{", "").replace("}", "")
                labels.setdefault((spec.definition, spec.source), {})[label] = None
    return tuple(Definition(tuple(found), *meaning) for meaning, found in labels.items())


class Terms:
    """The metrics of a page that are explained already, so that each is explained once, where it is first used."""

    def __init__(self) -> None:
        self._told: set[Definition] = set()

    def of(self, results: Iterable[JobResult | AnalysisResult]) -> tuple[Definition, ...]:
        """Define the metrics of some results that were not defined before."""
        found = tuple(part for part in definitions(results) if part not in self._told)
        self._told.update(found)
        return found
