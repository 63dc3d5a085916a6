"""The JSON files of a results folder: read whole or refused by name, and parsed once as long as they stay the same."""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from clipbench.errors import UserError
from clipbench.files import StatKey, stat_key, write_atomically
from clipbench.results.records import AnalysisResult, JobResult

FORMAT = 3
"""Of the files in a results folder. What is newer is refused; what is older is passed over, and made again by a run."""

Parsed = TypeVar("Parsed")


class Damaged(UserError):
    """A file that is not what its name says."""


class _RunKeys(BaseModel):
    """What is read of the record of a run, beside all that is only shown."""

    suite: str
    order: int
    jobs: tuple[str, ...] = ()
    analyses: tuple[_Asked, ...] = ()


class _Asked(BaseModel):
    """An analysis that a suite asks for; its other settings are the analysis's own."""

    analysis: str


@dataclass(frozen=True)
class _Kind(Generic[Parsed]):
    """A kind of file."""

    name: str
    remedy: str
    """What deleting a damaged one leads to."""
    parse: Callable[[dict[str, Any], str], Parsed]
    """Makes of a document, and of the file's name without its ending, what is read; ValueError where it cannot."""


_JOB = TypeAdapter(JobResult)
_ANALYSES = TypeAdapter(tuple[AnalysisResult, ...])
_LARGE = re.compile(rb"(?:\d[eE]\+?[3-9]\d\d|\d{309})[\d.eE+]*(?=[\s,\]}])")
"""The end of what may be a number that no float holds."""


def _parse_job(document: dict[str, Any], name: str) -> JobResult:
    job = _JOB.validate_python(document)
    if job.hash != name:
        raise ValueError(f"it is of another job, {job.hash!r}")
    return job


def _parse_analysis(document: dict[str, Any], name: str) -> tuple[str, tuple[AnalysisResult, ...]]:
    return str(document.get("key")), _ANALYSES.validate_python(document.get("results"))


def _parse_run(document: dict[str, Any], name: str) -> Mapping[str, Any]:
    _RunKeys.model_validate(document)
    return document


_OF_A_JOB = _Kind("a job's records", "run the job again", _parse_job)
_OF_AN_ANALYSIS = _Kind("what an analysis found", "have it made again", _parse_analysis)
_OF_A_RUN = _Kind("the record of a run", "run the suite again", _parse_run)


def write_document(path: Path, document: Mapping[str, Any]) -> None:
    """Write a file of this format.

    Raises:
        UserError: the place cannot be written.
        ValueError, TypeError: the document holds NaN, or what JSON does not know.
    """
    text = json.dumps({"format": FORMAT, **document}, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_atomically(path, text.encode(errors="replace"))


def read_job(path: Path) -> JobResult | None:
    """Return a job's records; None if an older clipbench wrote them.

    Raises:
        Damaged: the file holds no job's records, or those of another.
        UserError: a newer clipbench wrote it.
    """
    return _read(path, _OF_A_JOB)


def read_analysis(path: Path) -> tuple[str, tuple[AnalysisResult, ...]] | None:
    """Return what an analysis found, after the key of what it was made of; otherwise as `read_job`."""
    return _read(path, _OF_AN_ANALYSIS)


def read_run(path: Path) -> Mapping[str, Any] | None:
    """Return what was written of the last run of a suite, with its `suite` and `order`; otherwise as `read_job`."""
    return _read(path, _OF_A_RUN)


def _read(path: Path, kind: _Kind[Parsed]) -> Parsed | None:
    try:
        return _parsed(path, kind, stat_key(path))  # type: ignore[no-any-return]
    except FileNotFoundError:
        return None
    except OSError as error:
        fix = f"delete it to {kind.remedy}"
        raise Damaged(f"cannot be read ({error.strerror or error})", where=str(path), fix=fix) from error


@lru_cache(maxsize=20_000)
def _parsed(path: Path, kind: _Kind[Any], known: StatKey) -> Any:
    """Parse a file; `known` is what says that it is still the same."""
    content = path.read_bytes()
    try:
        document = from_json(content, allow_inf_nan=False)
        if any(_is_infinite(content, place.end()) for place in _LARGE.finditer(content)):
            raise ValueError("a number is infinite")
        written = document.pop("format", 0) if isinstance(document, dict) else None
        if type(written) is not int:
            raise ValueError("it is no JSON object with a format")
        if written > FORMAT:
            raise UserError("written by a newer clipbench", where=str(path), fix="upgrade clipbench to read it")
        return kind.parse(document, path.stem) if written == FORMAT else None
    except ValueError as error:
        fix = f"delete the file to {kind.remedy}"
        raise Damaged(f"is not {kind.name} ({_reason(error)})", where=str(path), fix=fix) from error


def _is_infinite(content: bytes, end: int) -> bool:
    """Whether what ends here is a number, and none that a float holds; digests look like such numbers."""
    start = 1 + max(content.rfind(sign, 0, end) for sign in (b" ", b":", b",", b"[", b"\n"))
    try:
        return math.isinf(float(content[start:end]))
    except ValueError:
        return False


def _reason(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}, not {reprlib.repr(first['input'])}"
