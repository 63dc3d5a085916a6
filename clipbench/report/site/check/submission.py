"""Checking submissions to a published board: folders of results that anybody may have sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clipbench.errors import UserError, problem_of
from clipbench.report.site.check import examples, record
from clipbench.report.site.check.layout import layout_of
from clipbench.report.site.data.names import without_paths
from clipbench.results.files import read_job, read_run
from clipbench.results.records import JobResult

_OF_MODEL = ("weights", "architecture", "transform", "tokenizer", "precision", "adapter")


@dataclass(frozen=True)
class Submission:
    """What was found in a submission's folder."""

    folder: Path
    jobs: tuple[JobResult, ...]
    """Those that could be read."""
    problems: tuple[UserError, ...]
    """Each keeps it from being published."""
    notes: tuple[UserError, ...]
    """What a reviewer should look at."""


def check_submissions(folders: Sequence[Path]) -> tuple[Submission, ...]:
    """Check folders one by one and against each other; nothing in them is run or unpickled, no link followed."""
    found = [_check(folder) for folder in folders]
    twice = _measured_twice(found)
    return tuple(
        Submission(each.folder, each.jobs, (*each.problems, *twice.get(number, ())), each.notes)
        for number, each in enumerate(found)
    )


def _check(folder: Path) -> Submission:
    layout = layout_of(folder)
    problems, notes, jobs = list(layout.problems), [], []
    for path in layout.jobs:
        try:
            job = read_job(path)
            if job is None:
                fix = "run the suite again: images and texts are not encoded again"
                raise UserError("was written by an older clipbench", where=str(path), fix=fix)
            record.check_declared(job, str(path))
        except UserError as error:
            problems.append(error)
            continue
        jobs.append(job)
        try:
            problems.extend(record.problems_of(job, str(path)))
            notes.extend([*record.notes_of(job, str(path)), *_places(asdict(job), path)])
        except Exception as error:  # noqa: BLE001 - what cannot be checked is not published
            problems.append(
                UserError(f"cannot be checked ({problem_of(error)[:200]})", where=str(path), fix="remove it")
            )
    problems.extend(_of_tables(folder, jobs, layout.examples))
    for path in layout.runs:
        try:
            notes.extend(_places(read_run(path), path))
        except UserError as error:
            problems.append(error)
    return Submission(folder, tuple(jobs), tuple(problems), tuple(notes))


def _of_tables(folder: Path, jobs: Sequence[JobResult], paths: Sequence[Path]) -> Iterator[UserError]:
    """Yield problems of per-example tables; each job has one, and each is of a job."""
    tables = {path.stem: path for path in paths}
    for job in jobs:
        if job.hash in tables:
            yield from examples.problems_of(job, tables[job.hash])
        elif job.status == "done":
            place = folder / "examples" / f"{job.hash}.parquet"
            yield UserError("the job's per-example table is missing", where=str(place), fix="copy examples/ whole")
    for name in sorted(tables.keys() - {job.hash for job in jobs}):
        yield UserError("is of no job that could be read", where=str(tables[name]), fix="remove it")


def _places(document: Any, path: Path) -> Iterator[UserError]:
    """Say which folders of a machine a file names."""
    named = [text for text in _texts(document) if without_paths(text) != text]
    if named:
        fix = "a site cuts them, the file in the repository does not: is this meant?"
        yield UserError(f"names folders of a machine, as in {named[0][:80]!r}", where=str(path), fix=fix)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.items():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def _measured_twice(found: Sequence[Submission]) -> dict[int, list[UserError]]:
    """Return by submission the measurements that others before it have too: of these a board would show one alone."""
    first: dict[tuple[str, ...], Path] = {}
    problems: dict[int, list[UserError]] = defaultdict(list)
    for number, each in enumerate(found):
        for job in each.jobs:
            path = each.folder / "jobs" / f"{job.hash}.json"
            # Whatever the model is called.
            model = tuple(getattr(job.pedigree, part) for part in _OF_MODEL)
            known = first.setdefault((*model, *job.key[1:]), path)
            if known != path:
                told = f"measures {job.task} of the same model on {job.dataset!r}, as {known} does"
                problems[number].append(UserError(told, where=str(path), fix="publish one of them"))
    return problems
