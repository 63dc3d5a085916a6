"""What was run, for the record: suites, versions, machines, digests, as names with values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeGuard

from clipbench.report.text import numbers
from clipbench.report.text.labels import capitalised
from clipbench.results.folder import Results

_SHORT, _DIGEST = 12, 32
"""Characters of a digest that are shown, the whole one being a pointer's rest away; and from how many on one is cut."""

_NAMED = {"models", "versions"}
"""Parts of a run whose keys are names: of models, of packages."""


@dataclass(frozen=True)
class Fact:
    """A name with a value; `full` is the value where `text` is cut."""

    name: str
    text: str
    full: str = ""


@dataclass(frozen=True)
class Run:
    """The last run of a suite into a results folder."""

    name: str
    description: str
    groups: tuple[tuple[str, tuple[Fact, ...]], ...]
    suite: str
    """Its text; '' where the run has none."""


def runs(results: Results) -> tuple[Run, ...]:
    """Describe the runs of each results folder, the last one first; a folder without any by its name."""
    return tuple(_run(run, part.folder.name) for part in results.parts for run in part.runs[::-1] or ({},))


def _run(run: Mapping[str, Any], folder: str) -> Run:
    apart = {"format", "suite", "description", "suite_text", "analyses", "jobs", "order"}
    nested = {key: value for key, value in run.items() if isinstance(value, Mapping)}
    plain = {key: value for key, value in run.items() if key not in {*apart, *nested}}
    groups = [("Run", facts(plain))]
    groups += [(capitalised(key), facts(value, named=key in _NAMED)) for key, value in nested.items()]
    return Run(
        name=str(run.get("suite") or folder),
        description=str(run.get("description") or ""),
        groups=tuple(group for group in groups if group[1]),
        suite=str(run.get("suite_text") or "").strip("\n"),
    )


def facts(mapping: Mapping[str, Any], prefix: str = "", *, named: bool = False) -> tuple[Fact, ...]:
    """Return a mapping as names and values; nested ones joined by dots, digests cut, empty values left out.

    Args:
        mapping: of fields, whose underscores become spaces.
        prefix: of each name.
        named: whether the keys are names, which stay as they are, and not fields.
    """
    found: list[Fact] = []
    for key, value in mapping.items():
        label = f"{prefix}{key if named else str(key).replace('_', ' ')}"
        if isinstance(value, Mapping):
            found += facts(value, f"{label} · ")
        elif _is_list(value) and any(isinstance(part, Mapping) or _is_list(part) for part in value):
            found += facts({str(place): part for place, part in enumerate(value, start=1)}, f"{label} · ")
        elif key == "seconds" and isinstance(value, int | float):
            found.append(Fact("time", numbers.duration(value)))
        elif key in {"started", "finished"}:
            found.append(Fact(label, moment(str(value))))
        elif isinstance(value, str) and len(value) >= _DIGEST and set(value) <= set("0123456789abcdef"):
            found.append(Fact(label, value[:_SHORT], value))
        elif value not in (None, "", [], ()):
            found.append(Fact(label, ", ".join(map(_plain, value)) if _is_list(value) else _plain(value)))
    return tuple(found)


def moment(text: str) -> str:
    """Return '2026-01-02 03:04 UTC' for an ISO time in UTC; any other text as it is."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{time:%Y-%m-%d %H:%M} UTC" if time.utcoffset() == timedelta(0) else text


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}".replace("-", "−")
    return numbers.cell(value) if isinstance(value, bool) else str(value)
