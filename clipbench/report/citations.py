"""How the numbers of results were made, as a paragraph, and BibTeX of what they rest on: both ready to paste."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from clipbench.report.columns import trained_on
from clipbench.report.tables import escape_latex
from clipbench.report.text import labels, numbers
from clipbench.report.text.claims import rests_on
from clipbench.report.text.declared import task_label
from clipbench.results.folder import Results
from clipbench.results.records import AnalysisResult, JobResult, Record

_RESAMPLED = ("bootstrap", "paired bootstrap", "cluster bootstrap")
"""Kinds of intervals of which it matters how many resamples were drawn, and with which seed."""


def methods(results: Results, jobs: Sequence[JobResult], analyses: Sequence[AnalysisResult]) -> str:
    """Return a paragraph on what was measured and with which intervals and corrections, from the records alone."""
    done = [job for job in jobs if job.status == "done"]
    found: tuple[JobResult | AnalysisResult, ...] = (*done, *analyses)
    measured = [(result, record) for result in found for record in result.records]
    sentences = [
        *(f"{labels.capitalised(task)}: {'; '.join(sets)}." for task, sets in _sets(done).items()),
        *_intervals([record for _, record in measured if record.low is not None]),
        *_corrections(measured),
    ]
    made_with = ", ".join(f"{name} {version}" for name, version in _of_runs(results, "versions").items())
    return " ".join([*([f"Made with {made_with}."] if made_with else []), *sentences])


def _sets(jobs: Sequence[JobResult]) -> Mapping[str, Sequence[str]]:
    """Return by task the data sets with what their numbers rest on; of the jobs on data sets as they are."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for job in jobs:
        if job.plain and job.main:
            split = f"{job.split}, " if job.split else ""
            found[task_label(job)][f"{job.dataset} ({split}{rests_on(job.main, job.pedigree.subset)})"] = None
    return {task: list(sets) for task, sets in found.items()}


def _intervals(records: Sequence[Record]) -> Iterator[str]:
    kinds: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in records:
        if record.interval:
            said = ("resamples", "seed") if record.interval in _RESAMPLED else ()
            drawn = {name: record.params[name] for name in said if name in record.params}
            words = ", ".join(f"{name} {numbers.count(value)}" for name, value in drawn.items())
            kinds[numbers.percent_of_level(record.level), labels.interval(record.interval)].add(words)
    if kinds:
        told = (f"the {level} {kind}{_beside(drawn)}" for (level, kind), drawn in sorted(kinds.items()))
        yield f"Intervals are {'; '.join(told)}."


def _beside(drawn: Iterable[str]) -> str:
    words = "; ".join(sorted(filter(None, drawn)))
    return f" ({words})" if words else ""


def _corrections(measured: Sequence[tuple[JobResult | AnalysisResult, Record]]) -> Iterator[str]:
    families: dict[str, set[int]] = defaultdict(set)
    for result, record in measured:
        # The comparisons behind the best of a column have a family and print no interval.
        size = record.params.get("family", record.family)
        if isinstance(size, int) and size > 1:
            families[task_label(result)].add(size)
    if families:
        told = (f"{name} {' and '.join(map(numbers.count, sorted(sizes)))}" for name, sizes in families.items())
        yield f"Comparisons that hold together at their level: {', '.join(told)}."


def _of_runs(results: Results, name: str) -> Mapping[str, str]:
    """Return a mapping that the records of runs have, e.g. their versions; of several runs the last one's value."""
    mappings = (run.get(name) for part in results.parts for run in part.runs)
    items = (item for mapping in mappings if isinstance(mapping, Mapping) for item in mapping.items())
    return {str(key): str(value) for key, value in items if value}


def bibtex(results: Results, jobs: Sequence[JobResult]) -> str:
    """Return BibTeX entries of clipbench, of the data sets and of the models."""
    version = _of_runs(results, "versions").get("clipbench", "unknown")
    entries: dict[str, Mapping[str, object]] = {"clipbench": {"title": "clipbench", "note": f"version {version}"}}
    locations = _of_runs(results, "models")
    for job in sorted(jobs, key=lambda job: job.status != "done"):
        declared = {"howpublished": job.about.get("source"), "note": job.about.get("licence")}
        entries.setdefault(entry_key("data", job.dataset), {"title": job.dataset, **declared})
    for job in jobs:
        trained = ", ".join(trained_on(job))
        library = str(job.run_metadata.get("library") or "")
        note = "; ".join(filter(None, (library, f"trained on {trained}" if trained else "")))
        known = {"title": job.model, "howpublished": locations.get(job.model), "note": note}
        entries.setdefault(entry_key("model", job.model), known)
    return "\n".join(entry(key, fields) for key, fields in entries.items())


def entry_key(kind: str, name: str) -> str:
    """Return the key of an entry, e.g. 'data-cifar-10'."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in name.lower())
    return "-".join([kind, *plain.split()])


def entry(key: str, fields: Mapping[str, object]) -> str:
    """Return a BibTeX entry; fields without a value are left out."""
    lines = [f"  {name} = {{{escape_latex(str(value))}}}," for name, value in fields.items() if value]
    return "\n".join([f"@misc{{{key},", *lines, "}", ""])
