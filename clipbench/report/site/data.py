"""Writing a site's data: the board, tidy tables and the evidence of each number, for pages and for people."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.files import file_written_atomically, write_atomically
from clipbench.fingerprint import digest
from clipbench.report import pictures
from clipbench.report.site import board
from clipbench.report.site.assemble import make_board
from clipbench.report.site.names import slugs, without_paths
from clipbench.report.tables import to_csv
from clipbench.results.folder import Results
from clipbench.results.records import JobResult

if TYPE_CHECKING:
    import pandas as pd

_MARKS = {"best": "b", "at_chance": "c", "seen_in_training": "s", "flagged": "f", "failed": "x"}
_OF_COLUMN = ("dataset", "split", "task", "setting", "regime", "metric", "unit")
_KNOWN_OF_COLUMN = ("n", "limit", "chance", "commonest", "classes")


def write_site_data(results: Results, output: Path, *, published: Collection[str] = (), images: bool = True) -> None:
    """Write what the pages of a site read: each file whole or not at all, the board last.

    Args:
        results: of one or several runs; nothing in them names a file as it is.
        output: the site's folder; `data/`, `jobs/` and `img/` are made in it.
        published: tables to show beside what was measured: 'open-clip'.
        images: whether thumbnails are copied.

    Raises:
        UserError: no such table, a job's file is damaged, or the folder cannot be written.
    """
    made = make_board(results, published)
    jobs = results.jobs()
    evidence = slugs(job.hash for job in jobs)
    for job in jobs:
        shown = list(_copied(job, results, output / "img")) if images else []
        write_atomically(output / "jobs" / f"{evidence[job.hash]}.json", _json(_record(job, shown), indent=1))
    frame = tidy(made)
    write_atomically(output / "data" / "board.csv", to_csv(frame.set_index("model")).encode(errors="replace"))
    with file_written_atomically(output / "data" / "board.parquet") as draft:
        frame.to_parquet(draft, index=False)
    content = without_paths(board.plain(made))
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    text = _json({"format": board.FORMAT, "made": moment, "content": digest(content), "board": content})
    write_atomically(output / "data" / "board.schema.json", _json(board.schema(), indent=1))
    # A script loads from disk, where pages may not fetch; what could end it in a page is written as an escape.
    write_atomically(output / "data" / "board.js", b"window.clipbench=" + text.replace(b"<", b"\\u003c") + b";\n")
    write_atomically(output / "data" / "board.json", text)


def tidy(made: board.Board) -> pd.DataFrame:
    """Return a row a number, with its model, its column and its marks; a failed job has a row without a value."""
    import pandas as pd

    rows = [
        {
            "model": without_paths(made.models[cell.model].name),
            "model_slug": made.models[cell.model].slug,
            "origin": made.models[cell.model].origin,
            **{name: getattr(column, name) for name in _OF_COLUMN},
            **{name: getattr(cell, name) for name in ("value", "low", "high")},
            **{name: getattr(column, name) for name in _KNOWN_OF_COLUMN},
            **{name: mark in cell.marks for name, mark in _MARKS.items()},
            "column": column.slug,
            "job": cell.job,
        }
        for column in made.columns
        for cell in column.cells
    ]
    # Half characters, which a file's name may hold, are in no table.
    return pd.DataFrame(rows).map(lambda v: v.encode(errors="replace").decode() if isinstance(v, str) else v)


def _record(job: JobResult, shown: list[Mapping[str, str]]) -> Mapping[str, Any]:
    """Return a job's record for publication: as it is stored, but naming files without their folders."""
    record: dict[str, Any] = without_paths(asdict(job))
    return {**record, "pictures": shown}


def _copied(job: JobResult, results: Results, folder: Path) -> Iterator[Mapping[str, str]]:
    """Copy a job's thumbnails, each by its content, and yield what is said of them; what is none is left out."""
    thumbs = pictures.thumbs_of(results, job.hash)
    for picture in job.pictures:
        content = pictures.read(thumbs, str(picture.get("thumb", ""))) if picture.get("thumb") else None
        kind = pictures.kind_of(content) if content else None
        if content is None or kind is None:
            continue
        name = f"{hashlib.sha256(content).hexdigest()[:32]}.{kind.rpartition('/')[2]}"
        if not (folder / name).exists():
            write_atomically(folder / name, content)
        told = without_paths({key: str(value) for key, value in picture.items() if key != "thumb"})
        yield {**told, "image": f"img/{name}"}


def _json(value: object, indent: int | None = None) -> bytes:
    return json.dumps(value, allow_nan=False, indent=indent, separators=None if indent else (",", ":")).encode()
