"""Writing a site's data: the board, tidy tables and the evidence of each number, for pages and for people."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.datasets.catalog import catalog_definitions
from clipbench.files import file_written_atomically, write_atomically
from clipbench.fingerprint import digest
from clipbench.report import pictures
from clipbench.report.site.data import board, changes
from clipbench.report.site.data.assemble import Measurements, board_of
from clipbench.report.site.data.names import slugs, without_paths
from clipbench.report.tables import to_csv
from clipbench.results.folder import Results
from clipbench.results.records import JobResult
from clipbench.tasks.base import SAMPLE

if TYPE_CHECKING:
    import pandas as pd

_MARKS = {"best": "b", "at_chance": "c", "seen_in_training": "s", "flagged": "f", "failed": "x"}
_OF_COLUMN = ("dataset", "split", "task", "setting", "regime", "metric", "unit")
_KNOWN_OF_COLUMN = ("n", "limit", "chance", "commonest", "classes")


@dataclass(frozen=True)
class Written:
    """What the files of a site's data say of themselves."""

    board: board.Board
    made: str
    """UTC, ISO 8601."""
    content: str
    """Digest of the board: two builds with the same content have the same."""
    evidence: Mapping[str, str]
    """Job hash -> the name of its file in `jobs/`, without its ending."""
    samples: Mapping[str, Sequence[Mapping[str, str]]]
    """Job hash -> pictures of its data set that are chosen without regard to any model, as `pictures` has them."""
    pictures: Mapping[str, Sequence[Mapping[str, str]]]
    """Job hash -> its pictures: id, role, caption, true_label, prediction, and `image`, the path of the thumbnail."""
    builds: Sequence[changes.Build] = ()
    """What changed in this and in former builds, the newest first."""


def write_site_data(results: Results, output: Path, *, published: Collection[str] = (), images: bool = True) -> None:
    """Write what the pages of a site read: each file whole or not at all, the board last.

    Args:
        results: of one or several runs; nothing in them names a file as it is.
        output: the site's folder; `data/`, `jobs/` and `img/` are made in it.
        published: tables to show beside what was measured: 'open-clip', and 'imagenet-testbed' beside shifts.
        images: whether thumbnails are copied.

    Raises:
        UserError: no such table, a job's file is damaged, or the folder cannot be written.
    """
    write_data(Measurements.of(results), output, published=published, images=images)


def write_data(
    here: Measurements,
    output: Path,
    *,
    published: Collection[str] = (),
    images: bool = True,
    former: Path | None = None,
) -> Written:
    """Write what the pages of a site read, and return what they say of themselves; see `write_site_data`.

    Args:
        here: what was measured.
        output: folder that is written.
        published: tables to show beside.
        images: whether thumbnails are copied.
        former: folder of the site that this one takes the place of, where it is another one.
    """
    made, jobs = board_of(here, published), here.jobs
    evidence, shown = slugs(job.hash for job in jobs), {}
    for job in jobs:
        shown[job.hash] = (
            list(_copied(job, here.results, output / "img")) if images and _may_be_shown(job.dataset) else []
        )
        record = _json(_record(job, shown[job.hash]), indent=1)
        write_atomically(output / "jobs" / f"{evidence[job.hash]}.json", record, durable=False)
    frame = tidy(made)
    write_atomically(output / "data" / "board.csv", to_csv(frame.set_index("model")).encode(errors="replace"))
    with file_written_atomically(output / "data" / "board.parquet") as draft:
        frame.to_parquet(draft, index=False)
    content = without_paths(board.plain(made))
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    document = {"format": board.FORMAT, "made": moment, "content": digest(content), "board": content}
    write_atomically(output / "data" / "board.schema.json", _json(board.schema(), indent=1))
    builds = changes.record(former or output, output, document)
    write_atomically(output / "data" / "board.js", script("clipbench", document))
    write_atomically(output / "data" / "board.json", _json(document))
    chosen, others = _apart(shown, samples=True), _apart(shown, samples=False)
    return Written(made, moment, document["content"], evidence, chosen, others, builds)


def _apart(
    shown: Mapping[str, Sequence[Mapping[str, str]]], *, samples: bool
) -> Mapping[str, Sequence[Mapping[str, str]]]:
    """Return of each job the pictures that are samples of its data set, or the others."""
    return {
        job: [picture for picture in pictures if (picture.get("role") == SAMPLE) is samples]
        for job, pictures in shown.items()
    }


def script(name: str, value: object) -> bytes:
    """Return a script that sets `window.NAME`: it loads from disk, where pages may not fetch.

    What could end a script in a page is written as an escape.
    """
    return f"window.{name}=".encode() + _json(value).replace(b"<", b"\\u003c") + b";\n"


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


def _may_be_shown(dataset: str) -> bool:
    """Return whether the catalog lets images of a data set be shown; of others the runs have decided."""
    known = catalog_definitions().get(dataset)
    return known is None or known.info.show_images


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
            write_atomically(folder / name, content, durable=False)
        told = without_paths({key: str(value) for key, value in picture.items() if key != "thumb"})
        yield {**told, "image": f"img/{name}"}


def _json(value: object, indent: int | None = None) -> bytes:
    return json.dumps(value, allow_nan=False, indent=indent, separators=None if indent else (",", ":")).encode()
