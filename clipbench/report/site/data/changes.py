"""What changed between two builds of a site: models, columns, values with what moved them, and rank ranges."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import ConfigDict, TypeAdapter, ValidationError

from clipbench.errors import UserError
from clipbench.files import read_json, write_atomically
from clipbench.report.site.data import board
from clipbench.report.text import numbers
from clipbench.results.records import Pedigree

BUILDS = 50
"""So many of the last builds are kept."""
LISTED = 100
"""Up to so many moved values, and as many rank ranges, are listed of one build; the others are counted."""

Records: TypeAlias = tuple[Path, Path]
"""Folders of the records of the board before and of the new one."""

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
_WORDS = {"data": "images", "subset": "examples", "scale": "logit scale", "training": "training examples"}
_LEGIBLE = {"subset", "precision", "protocol"}
"""Parts of a pedigree that are words; the others are digests. Without a subset all examples count."""


@dataclass(frozen=True)
class Move:
    """A cell whose value, as it is shown, is another one."""

    __pydantic_config__ = _STRICT
    model: str
    model_slug: str
    column: str
    column_slug: str
    unit: str
    before: float | None
    after: float | None
    job: str | None = None
    """Of the new value; absent where it is published."""
    why: tuple[str, ...] | None = None
    """In what the pedigrees differ; empty: in nothing. Absent where that is not known."""


@dataclass(frozen=True)
class RankChange:
    """A model whose rank range in a choice of columns is another one: lowest, highest, and of how many models."""

    __pydantic_config__ = _STRICT
    model: str
    preset: str
    ranking: str
    before: tuple[int, int, int]
    after: tuple[int, int, int]


@dataclass(frozen=True)
class Build:
    """A build whose content differs from that of the one before."""

    __pydantic_config__ = _STRICT
    made: str
    content: str
    models: int
    columns: int
    former: str | None = None
    """Content of the build that it is compared with."""
    missing: Literal["first", "board unreadable", "log unreadable"] | None = None
    new_models: tuple[str, ...] = ()
    gone_models: tuple[str, ...] = ()
    new_columns: tuple[str, ...] = ()
    gone_columns: tuple[str, ...] = ()
    moved: tuple[Move, ...] = ()
    """The largest changes first."""
    more_moved: int = 0
    ranks: tuple[RankChange, ...] = ()
    more_ranks: int = 0


@dataclass(frozen=True)
class Log:
    """The file: builds, the newest first."""

    __pydantic_config__ = _STRICT
    format: Literal[1]
    builds: tuple[Build, ...]


def record(former: Path, output: Path, document: Mapping[str, Any]) -> tuple[Build, ...]:
    """Compare a board with the one that a site had, write what changed to its log, and return the log.

    Nothing is added where the content is the same. What cannot be read, damaged or of another format, is not compared.

    Args:
        former: folder of the site that it had, with board, log and records; it may be the same.
        output: where the log is written, beside the new records.
        document: the new board, as it will be written.

    Raises:
        UserError: the log cannot be written.
    """
    now, before = _typed(document), _read_board(former / "data" / "board.json")
    log = _read_log(former / "data" / "changes.json")
    builds = log.builds if isinstance(log, Log) else ()
    if builds and isinstance(before, board.Document) and builds[0].former == before.content:
        builds = builds[1:]  # that build was not finished, since the board is still the one before
    seen = {builds[0].content if builds else "", before.content if isinstance(before, board.Document) else ""}
    if not builds or now.content not in seen:
        found = _build((former / "jobs", output / "jobs"), now, before, log)
        builds = (found, *builds)[:BUILDS]
    write_atomically(output / "data" / "changes.json", json.dumps(board.plain(Log(1, builds)), indent=1).encode())
    return builds


def _typed(document: object) -> board.Document:
    # Half characters, which a file's name may hold, are in no text that pydantic takes.
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    return _documents().validate_json(text.encode(errors="replace"))


@cache
def _documents() -> TypeAdapter[board.Document]:
    return TypeAdapter(board.Document)


def _read_board(path: Path) -> board.Document | Literal["none", "unreadable"]:
    if not path.exists():
        return "none"
    try:
        found = _typed(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return "unreadable"
    rows = [row for preset in found.board.presets for ranking in preset.rankings for row in ranking.rows]
    places = {entry.model for column in found.board.columns for entry in column.cells} | {row.model for row in rows}
    return found if places <= set(range(len(found.board.models))) else "unreadable"


def _read_log(path: Path) -> Log | Literal["none", "unreadable"]:
    try:
        return TypeAdapter(Log).validate_json(path.read_bytes()) if path.exists() else "none"
    except (OSError, ValidationError):
        return "unreadable"


def _build(records: Records, now: board.Document, former: board.Document | str, log: Log | str) -> Build:
    told: dict[str, Any] = {
        "made": now.made,
        "content": now.content,
        "models": len(now.board.models),
        "columns": len(now.board.columns),
    }
    if not isinstance(former, board.Document):
        return Build(**told, missing="first" if former == log == "none" else "board unreadable")
    moved = sorted(_moves(former.board, now.board), key=lambda move: _size(move[0]), reverse=True)
    ranks = list(_rank_changes(former.board, now.board))
    old, new = ({model.slug: model.name for model in found.board.models} for found in (former, now))
    was, columns = ({column.slug: _named(column) for column in found.board.columns} for found in (former, now))
    return Build(
        **told,
        former=former.content,
        missing="log unreadable" if log == "unreadable" else None,
        new_models=tuple(new[slug] for slug in new if slug not in old),
        gone_models=tuple(old[slug] for slug in old if slug not in new),
        new_columns=tuple(columns[slug] for slug in columns if slug not in was),
        gone_columns=tuple(was[slug] for slug in was if slug not in columns),
        moved=tuple(_with_reason(records, *move) for move in moved[:LISTED]),
        more_moved=max(0, len(moved) - LISTED),
        ranks=tuple(ranks[:LISTED]),
        more_ranks=max(0, len(ranks) - LISTED),
    )


def _named(column: board.Column) -> str:
    setting = "" if column.setting in column.label else column.setting
    return ", ".join(part for part in (column.label, column.task_label, setting) if part)


def _moves(former: board.Board, now: board.Board) -> Iterator[tuple[Move, str | None]]:
    """Yield the cells of both whose value is shown otherwise now, each with its former job."""
    old = {(former.models[cell.model].slug, c.slug): cell for c in former.columns for cell in c.cells}
    for column in now.columns:
        for cell in column.cells:
            model = now.models[cell.model]
            before = old.get((model.slug, column.slug))
            if before and numbers.number(before.value, column.unit) != numbers.number(cell.value, column.unit):
                told = (model.name, model.slug, _named(column), column.slug, column.unit)
                yield Move(*told, before.value, cell.value, cell.job), before.job


def _size(move: Move) -> float:
    """Return how far a value moved; one that was not there, or is not any more, moved furthest."""
    return float("inf") if move.before is None or move.after is None else abs(move.after - move.before)


def _with_reason(records: Records, move: Move, former: str | None) -> Move:
    if move.before is None or move.after is None or not former or not move.job:
        return move
    return replace(move, why=_differences(records, former, move.job))


def _differences(records: Records, former: str, job: str) -> tuple[str, ...] | None:
    """Return in what the pedigrees of two jobs differ; None where a record is not there any more."""
    if former == job:
        return ()
    try:
        before, after = (_pedigree(*found) for found in zip(records, (former, job), strict=True))
    except (UserError, RecursionError):
        return None
    parts = [part.name for part in fields(Pedigree) if before.get(part.name, "") != after.get(part.name, "")]
    return tuple(
        f"{_WORDS.get(name, name)} ({before.get(name) or 'all'} → {after.get(name) or 'all'})"
        if name in _LEGIBLE
        else _WORDS.get(name, name)
        for name in parts
    )


def _pedigree(folder: Path, job: str) -> Mapping[str, Any]:
    # The name comes from a file that anyone may have written.
    if not re.fullmatch(r"[a-z0-9-]{1,80}", job):
        raise UserError("is no job's name", where=job)
    found = read_json(folder / f"{job}.json").get("pedigree")
    return found if isinstance(found, Mapping) else {}


def _rank_changes(former: board.Board, now: board.Board) -> Iterator[RankChange]:
    old = _ranges(former)
    for (preset, ranking, slug), (model, after) in _ranges(now).items():
        before = old.get((preset, ranking, slug), (model, after))[1]
        if before != after:
            yield RankChange(model, preset, ranking, before, after)


def _ranges(found: board.Board) -> Mapping[tuple[str, str, str], tuple[str, tuple[int, int, int]]]:
    """Return by choice of columns, ranking and model's slug the model's name and its range."""
    return {
        (
            preset.label,
            ", ".join(part for part in (ranking.label, ranking.regime, ranking.metric_label) if part),
            found.models[row.model].slug,
        ): (found.models[row.model].name, (row.lowest, row.highest, len(ranking.rows)))
        for preset in found.presets
        for ranking in preset.rankings
        for row in ranking.rows
    }
