"""What the records of a submitted job must hold, as far as they can be checked without running it again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from clipbench.datasets.catalog import catalog_definitions
from clipbench.errors import UserError, did_you_mean, printable
from clipbench.metrics.specs import MetricSpec
from clipbench.report.text.declared import declared, metric_of
from clipbench.results.names import expected_hash
from clipbench.results.records import JobResult, Record
from clipbench.stats.intervals import KINDS, MIN_EXAMPLES, wilson
from clipbench.tasks.registry import TASKS, load_task

_AS_WRITTEN = "publish the file as clipbench wrote it, or run the job again"
_ALWAYS = ("weights", "architecture", "transform", "precision", "adapter", "data", "labels", "protocol", "settings")
_OF_PROMPTS = ("prompts", "tokenizer", "scale")
_FITTED = ("linear_probe", "few_shot", "knn", "wise_ft")
_DIGESTS = ("data", "view", "labels", "training", "prompts", "settings")
_NAMES = ("model", "dataset", "split", "task", "variant", "prompts", "view", "matched", "trained_on", "study")
_LONGEST_NAME = 300
_MOST = 1_000_000_000
"""Examples."""
_RANGES: Mapping[str, tuple[float, float]] = {
    "fraction": (0, 1),
    "gap": (0, 1),
    "difference": (-1, 1),
    "tau": (-1, 1),
    "kappa": (-1, 1),
    "p": (0, 1),
    "rank": (1, _MOST),
}
_ROUNDING = 1e-6


def check_declared(job: JobResult, where: str) -> None:
    """Check the names of the metrics that a plug-in declares, which become patterns.

    Raises:
        UserError: one could take for ever to match.
    """
    for spec in job.declared.metrics:
        if not re.fullmatch(r"[\w.-]*(\{\w+\}[\w.-]*){0,3}", spec.name):
            problem = f"declared.metrics have {spec.name[:60]!r}"
            raise UserError(problem, where=where, fix="expected a word, with at most three {parts}")


def problems_of(job: JobResult, where: str) -> Iterator[UserError]:
    """Yield what is wrong with a job, key by key.

    Args:
        job: as it was read.
        where: its file.
    """

    def wrong(key: str, problem: str, fix: str = _AS_WRITTEN) -> UserError:
        return UserError(f"{key} {problem}", where=where, fix=fix)

    if job.status == "failed":
        yield wrong("status", "is 'failed'", "run it again, or `clipbench results remove FOLDER --failed`")
        return
    for key in _NAMES:
        name = getattr(job, key)
        if name != printable(name) or len(name) > _LONGEST_NAME:
            yield wrong(key, f"is {name[:40]!r}, which no page can show", "name it by at most 300 printable characters")
    yield from (wrong(f"pedigree.{part}", told) for part, told in _wrong_parts(job))
    if job.task in TASKS and (named := expected_hash(job)) != job.hash:
        changed = "of its model, data set, variant or pedigree give another name"
        yield wrong("hash", f"is {job.hash}, but the values {changed}, {named}")
    if job.pedigree.subset != (f"limit {job.limit}" if job.limit is not None else ""):
        yield wrong("limit", f"is {job.limit}, but pedigree.subset is {job.pedigree.subset!r}")
    if (regime := job.about.get("regime")) not in ("benchmark", "shift", "field"):
        yield wrong("about.regime", f"is {regime!r}", "one of: benchmark, field, shift")
    for number, picture in enumerate(job.pictures):
        if not re.fullmatch(r"(?:[0-9a-f]{16}/[0-9a-f]{16}\.webp)?", thumb := picture.get("thumb", "")):
            yield wrong(f"pictures[{number}].thumb", f"is {thumb[:60]!r}", "expected DIGEST/DIGEST.webp or ''")
    if (mains := sum(record.main for record in job.records)) != 1:
        yield wrong("records", f"have {mains} main ones, of one")
    for metric, times in Counter(record.metric for record in job.records).items():
        if times > 1:
            yield wrong("records", f"have {metric[:60]!r} {times} times")
    for number, record in enumerate(job.records):
        yield from (wrong(f"records[{number}].{key}", told) for key, told in _wrong_values(job, record))


def notes_of(job: JobResult, where: str) -> Iterator[UserError]:
    """Yield what a reviewer should know of a job: what cannot be checked here, or is only odd."""
    if job.status == "failed":
        return
    if job.task not in TASKS:
        fix = "its digest, metrics and protocol are those of its package: look at them"
        yield UserError(f"task {job.task[:60]!r} is not built in", where=where, fix=fix)
    elif job.pedigree.protocol != (ours := f"{job.task}/{load_task(job.task).protocol}"):
        problem = f"pedigree.protocol is {job.pedigree.protocol[:60]!r}, here it is {ours!r}"
        yield UserError(problem, where=where, fix="it is compared with no job of another protocol")
    known, main = catalog_definitions().get(job.dataset), job.main
    count = known.counts.get(job.split) if known and not (job.pedigree.subset or job.matched) else None
    if count and main and not main.n <= count <= main.n + job.n_broken:
        problem = f"{job.dataset!r} has {count:,} examples in the catalog, and {main.n:,} here"
        yield UserError(problem, where=where, fix="is it another version of the data set?")


def _wrong_parts(job: JobResult) -> Iterator[tuple[str, str]]:
    fitted = ("training",) if job.task in _FITTED else ()
    needed = (*_ALWAYS, *(_OF_PROMPTS if job.prompts else ()), *fitted)
    yield from ((part, "is missing") for part in needed if not getattr(job.pedigree, part))
    for part in _DIGESTS:
        value = getattr(job.pedigree, part)
        if value and not re.fullmatch(r"[0-9a-f]{64}", value):
            yield part, f"is {value[:40]!r}, no sha256 of 64 digits"


def _wrong_values(job: JobResult, record: Record) -> Iterator[tuple[str, str]]:
    """Yield key and problem of what no measurement gives."""
    told = declared(job)
    if told.metrics and not any(spec.match(record.metric) for spec in told.metrics):
        fix = did_you_mean(record.metric, [spec.name for spec in told.metrics])
        yield "metric", f"is {record.metric[:60]!r}, which {job.task} does not measure: {fix}"
        return
    spec = metric_of(job, record)
    if spec.unit != record.unit and record.unit != "fraction":
        yield "unit", f"is {record.unit[:40]!r}, not {spec.unit!r}"
    low, high = _RANGES.get(spec.unit, (-float("inf"), float("inf")))
    known = {key: getattr(record, key) for key in ("value", "low", "high", "chance", "commonest")}
    for key, value in known.items():
        if value is not None and not low - _ROUNDING <= value <= high + _ROUNDING:
            yield key, f"is {value:.6g}, outside {low:g} to {high:g}"
    if not (0 <= record.n <= _MOST and 0 <= record.n_broken <= _MOST) or (record.n == 0 and record.value is not None):
        yield "n", f"is {record.n} with {record.n_broken} broken, which is not plausible"
    elif job.limit is not None and record.main and record.n > job.limit:
        yield "n", f"is {record.n}, more than the limit of {job.limit}"
    yield from _wrong_interval(record, spec)


def _wrong_interval(record: Record, spec: MetricSpec) -> Iterator[tuple[str, str]]:
    low, high, value = record.low, record.high, record.value
    if low is None or high is None:
        if low is not high or record.interval or record.level is not None:
            yield "interval", f"is {record.interval[:40]!r} with ends {low} and {high}"
        return
    if value is None or not low - _ROUNDING <= value <= high + _ROUNDING:
        yield "low", f"and high, {low:.6g} to {high:.6g}, leave out the value, {value}"
    if record.interval not in KINDS:
        yield "interval", f"is {record.interval[:40]!r}: {did_you_mean(record.interval, KINDS)}"
    if record.level != 0.95 or record.family < 1:
        yield "level", f"is {record.level} for a family of {record.family}; intervals here are at 0.95"
    if record.n < MIN_EXAMPLES:
        yield "n", f"is {record.n}, too few for an interval"
    elif value is not None and (record.interval, record.family, spec.unit) == ("wilson", 1, "fraction"):
        expected = wilson(min(max(round(value * record.n), 0), record.n), record.n)
        if max(abs(low - expected.low), abs(high - expected.high)) > _ROUNDING:
            yield (
                "low",
                f"and high are {low:.6g} to {high:.6g}; Wilson's interval is {expected.low:.6g} to {expected.high:.6g}",
            )
