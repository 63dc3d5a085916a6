"""Thumbnails: small copies of the images that a page shows, kept with the results."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from clipbench.files import write_atomically
from clipbench.fingerprint import digest
from clipbench.tasks.base import SAMPLE, Outcome, Picture

if TYPE_CHECKING:
    from clipbench.datasets.base import View
    from clipbench.results.records import Pedigree
    from clipbench.runs.jobs import PreparedJob

SIDE = 128
"""Largest width and height in pixels."""

SAMPLES = 8
"""Pictures that show a data set."""

CLEAN = "as it is"
"""Role of the picture of an unchanged image, behind that of the changed one."""


def keep_thumbnails(
    prepared: PreparedJob, outcome: Outcome, folder: Path, pedigree: Pedigree
) -> tuple[tuple[Mapping[str, str], ...], tuple[str, ...]]:
    """Store thumbnails of what an outcome shows; return what a page needs to show them, and notes.

    An image that can't be shown does not cost the job its numbers, but is noted.
    """
    kept, failed = [], []
    view = prepared.job.view
    for picture in _seen_through(view, outcome) if view else (*outcome.pictures, *_samples(outcome)):
        changed = pedigree.view and picture.role != CLEAN
        shown = picture.id + (f"|{pedigree.view}" if changed else "")
        name = f"{pedigree.data[:16]}/{hashlib.sha256(shown.encode()).hexdigest()[:16]}.webp"
        try:
            if not (folder / name).exists():
                write_atomically(folder / name, _thumbnail(prepared, picture))
            kept.append({**asdict(picture), "thumb": name})
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a data set's own code raises
            failed.append(f"No thumbnail of {picture.id}: {type(error).__name__}: {error}")
    return tuple(kept), tuple(failed)


def _thumbnail(prepared: PreparedJob, picture: Picture) -> bytes:
    image = prepared.split(picture.split).image(picture.id)
    if prepared.job.view is not None and picture.role != CLEAN:
        image = prepared.job.view(image, picture.id)
    image.thumbnail((SIDE, SIDE))
    encoded = io.BytesIO()
    image.save(encoded, "webp", quality=80)
    return encoded.getvalue()


def _names_images(outcome: Outcome) -> bool:
    """Return whether its examples say which images they are; those of a task of the user's own need not."""
    return not outcome.examples.empty and {"id", "split"} <= {*outcome.examples}


def _samples(outcome: Outcome) -> tuple[Picture, ...]:
    """Choose pictures that show a data set, of one class each: the same ones whatever the model."""
    if not _names_images(outcome):
        return ()
    label = next((name for name in ("label_name", "label_names") if name in outcome.examples), "id")
    columns = [*dict.fromkeys(("id", "split", label))]
    rows = outcome.examples[columns].assign(order=outcome.examples["id"].map(digest))
    first = rows.sort_values("order").drop_duplicates(label).head(SAMPLES)
    told = (first[name].astype(str) for name in ("id", "split", label))
    return tuple(
        Picture(example, split, SAMPLE, shown, "" if label == "id" else shown)
        for example, split, shown in zip(*told, strict=True)
    )


def _seen_through(view: View, outcome: Outcome) -> tuple[Picture, ...]:
    """Choose what shows a view, and the same image as it is: of one image in every view, whatever the model."""
    if not _names_images(outcome):
        return ()
    rows = outcome.examples[["id", "split"]].itertuples(index=False, name=None)
    _, example_id, split = min((digest(str(example_id)), str(example_id), str(split)) for example_id, split in rows)
    caption = f"{view.about['corruption'].replace('_', ' ')}, severity {view.about['severity']}"
    return (Picture(example_id, split, "corrupted", caption), Picture(example_id, split, CLEAN, CLEAN))
