"""Images that tell of a data set: those that all models get wrong, that split them, whose labels to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clipbench.analyses.rankings.consensus import Answers, Consensus, Group, consensus
from clipbench.errors import UserError
from clipbench.report.site.data.board import Column
from clipbench.report.site.pages.base import SiteData
from clipbench.report.site.pages.dataset.source import MeasuredColumn, pictures_of
from clipbench.results.records import JobResult

_LABELS = ("label_name", "label_names", "label")
"""Columns of per-example tables that tell a reader what an image is; the first that there is."""


@dataclass(frozen=True)
class Image:
    """One image, and what models say of it."""

    id: str
    path: str
    """Of its picture; '' where none is stored."""
    label: str
    right: int
    answers: tuple[tuple[str, int], ...]
    """Wrong classes with how many models give each."""
    families: int


@dataclass(frozen=True)
class Images:
    """What the models of a column make of the same images."""

    column: Column
    found: Consensus
    at_chance: tuple[str, ...]
    """Models that are left out, since they are not above chance."""
    missed: tuple[Image, ...]
    split: tuple[Image, ...]
    doubted: tuple[Image, ...]


def images_of(data: SiteData, dataset: str, columns: Sequence[MeasuredColumn]) -> Images | None:
    """Return what the models of the first column whose tables say it make of the same images; None without any."""
    for column in columns:
        known = column.above_chance
        jobs = [cell.job for cell in known.values()]
        related = families([data.board.models[place].family for place in known], jobs)
        pictures = pictures_of(data, dataset, column.shown.split)
        try:
            found = consensus(data.results, jobs, related, pictured=pictures)
        except UserError:
            continue
        groups = (found.missed, found.split, found.doubted or Group(0, ()))
        labels = _labels(data, jobs[0], {image.id for group in groups for image in group.images})
        classes = _class_names(jobs)
        shown = (tuple(_image(image, pictures, labels, classes) for image in group.images) for group in groups)
        return Images(column.shown, found, column.at_chance, *shown)
    return None


def families(known: Sequence[str | None], jobs: Sequence[JobResult]) -> Mapping[str, str]:
    """Return models' families: what they were pre-trained on; where that is unknown, those of one architecture are one.

    Such a one may be a copy of any model of its architecture, so it joins the family of one that is known.

    Args:
        known: what each model was pre-trained on.
        jobs: of the same models.
    """
    architectures = [job.pedigree.architecture for job in jobs]
    alike = {architecture: family for architecture, family in zip(architectures, known, strict=True) if family}
    return {
        job.model: family or alike.get(architecture) or f"={architecture}"
        for job, family, architecture in zip(jobs, known, architectures, strict=True)
    }


def _labels(data: SiteData, job: JobResult, wanted: Iterable[str]) -> Mapping[str, str]:
    table = data.results.examples(job.hash, ["id", *_LABELS]).set_index("id")
    column = next((name for name in _LABELS if name in table), None)
    if column is None:
        return {}
    return {str(key): str(label) for key, label in table.loc[list(wanted), column].items()}


def _class_names(jobs: Sequence[JobResult]) -> Sequence[str]:
    """Return the classes' names in the order of their labels."""
    tables = (job.tables["per_class"] for job in jobs if "per_class" in job.tables)
    return next(([str(row["class"]) for row in table.dicts()] for table in tables if "class" in table.columns), [])


def _image(
    image: Answers, pictures: Mapping[str, Mapping[str, str]], labels: Mapping[str, str], classes: Sequence[str]
) -> Image:
    named = tuple((classes[c] if 0 <= c < len(classes) else str(c), count) for c, count in image.answers)
    path = pictures[image.id]["image"] if image.id in pictures else ""
    return Image(image.id, path, labels.get(image.id, ""), image.right, named, image.families)
