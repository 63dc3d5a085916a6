"""A head of one model beside a head of another, set by set: on how many sets does either win?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, get_args

from pydantic import Field

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.comparable import differing, measured, not_compared, subject_of
from clipbench.analyses.labels.head_pairs import SAME_IMAGES, HeadPair, differences
from clipbench.analyses.robustness.matched_pairs import verdict_on
from clipbench.errors import UserError
from clipbench.metrics.specs import ColumnSpec, MetricSpec, TableSpec
from clipbench.results.choice import fullest
from clipbench.results.records import JobResult, Subject, Verdict
from clipbench.stats.intervals import ends
from clipbench.tasks.base import Metric
from clipbench.tasks.registry import Head

HEADS = get_args(Head)

_SOURCE = "Radford et al. 2021, figure 5"
SETS = (
    MetricSpec("sets_won", "sets won", "count", None, "sets on which the first head is surely better.", _SOURCE),
    MetricSpec("sets_lost", "sets lost", "count", None, "sets on which the second head is surely better.", _SOURCE),
    MetricSpec("sets_undecided", "sets undecided", "count", None, "sets whose interval holds zero.", _SOURCE),
)

HEADS_SET_BY_SET = TableSpec(
    "heads_set_by_set",
    "Heads of two models, set by set",
    (
        ColumnSpec("dataset", "data set"),
        ColumnSpec("metric"),
        ColumnSpec("first", unit="fraction"),
        ColumnSpec("second", unit="fraction"),
        ColumnSpec("difference", unit="difference", low="low", high="high"),
        ColumnSpec("verdict", "first is"),
        ColumnSpec("n", unit="count"),
        ColumnSpec("subset"),
    ),
    definition="The intervals of all differences hold together; the first is higher or lower where its interval leaves "
    "out zero.",
)

_VERDICT = 7
"""Its place in a row, which has the difference's ends beside it."""


class ProbeVsZeroShotSettings(AnalysisSettings):
    """Settings of the comparison of heads."""

    against: str = Field(default="", description="A model of this run, with a head of which every model is compared.")
    head: Head = Field(default="zero_shot", description="The head of every model.")
    against_head: Head = Field(default="linear_probe", description="The head of the model in `against`.")
    datasets: tuple[str, ...] = Field(default=(), description="On these data sets; on all that both have if empty.")
    split: str = Field(default="test", description="The split that is evaluated.")


def heads_of_two_models(evidence: Evidence, settings: ProbeVsZeroShotSettings) -> list[Finding]:
    """Return, for each model and kind of its head, one finding over all sets that the other's head was tested on too.

    Sets of which images or labels differ are named in a note. All intervals of a finding hold together.
    """

    def jobs_of(task: str) -> list[JobResult]:
        jobs = (job for job in evidence.jobs if job.task == task and job.plain and job.split == settings.split)
        return [job for job in fullest(jobs) if not settings.datasets or job.dataset in settings.datasets]

    others: dict[str, list[JobResult]] = defaultdict(list)
    for job in jobs_of(settings.against_head):
        if job.model == settings.against:
            others[job.variant].append(job)
    together: dict[tuple[str, str], list[JobResult]] = defaultdict(list)
    for job in jobs_of(settings.head):
        if (job.model, job.task) != (settings.against, settings.against_head):
            together[job.model, job.variant].append(job)
    found = [
        _finding([(job, by_set[job.dataset]) for job in jobs if job.dataset in by_set], evidence, settings)
        for jobs in together.values()
        for by_set in ({job.dataset: job for job in second} for second in others.values())
        if any(job.dataset in by_set for job in jobs)
    ]
    nothing = f"No set was measured with {settings.head} of a model and {settings.against_head} of {settings.against}."
    return found or [Finding(Subject((settings.against,)), (), notes=(nothing,))]


def _finding(
    couples: Sequence[tuple[JobResult, JobResult]], evidence: Evidence, settings: ProbeVsZeroShotSettings
) -> Finding:
    pairs, notes = [], []
    for first, second in couples:
        try:
            if parts := differing(first, second, among=SAME_IMAGES):
                raise UserError(not_compared(parts).rstrip("."))
            pairs.append((first, second, HeadPair.read(first, second, evidence.examples)))
        except UserError as error:
            notes.append(f"Left out: {first.dataset} ({error.problem}).")
    jobs = [job for couple in couples for job in couple]
    about = replace(
        subject_of(couples[0]),
        datasets=tuple(first.dataset for first, _, _ in pairs),
        reference=settings.against,
        subset=next((job.pedigree.subset for job in jobs if job.pedigree.subset), ""),
        n=sum(len(pair.ids) for _, _, pair in pairs),
    )
    corrected = differences([pair for _, _, pair in pairs]) if pairs else []
    rows = [_row(*pair, metrics[0]) for pair, metrics in zip(pairs, corrected, strict=True)]
    return Finding(
        about,
        tuple(_counts(rows, settings)) if rows else (),
        tables={HEADS_SET_BY_SET.name: HEADS_SET_BY_SET.frame(rows)} if rows else {},
        jobs=tuple(job.hash for job in jobs),
        notes=tuple(notes),
    )


def _row(first: JobResult, second: JobResult, pair: HeadPair, difference: Metric) -> tuple[Any, ...]:
    """Return a row of the table; the difference is that of the data set's main metric."""
    metric = difference.name.removesuffix("_difference")
    values = ((measured(job, metric) or (None, 0))[0] for job in (first, second))
    limited = first.pedigree.subset or second.pedigree.subset
    return (first.dataset, metric, *values, difference.value, *ends(difference.interval), _verdict(pair, difference),
            difference.n, limited)  # fmt: skip


def _verdict(pair: HeadPair, difference: Metric) -> Verdict:
    return "not_distinguishable" if pair.at_chance else verdict_on(difference)


def _counts(rows: Sequence[tuple[Any, ...]], settings: ProbeVsZeroShotSettings) -> Iterator[Metric]:
    """Yield on how many sets the first is higher, lower, and neither."""
    verdicts = Counter(row[_VERDICT] for row in rows)
    params = {"sets": len(rows), "head": settings.head, "against_head": settings.against_head}
    for spec, count in zip(SETS, (verdicts["higher"], verdicts["lower"]), strict=False):
        yield Metric(spec.name, count, len(rows), unit="count", params=params)
    undecided = len(rows) - verdicts["higher"] - verdicts["lower"]
    yield Metric(SETS[-1].name, undecided, len(rows), unit="count", params=params)
