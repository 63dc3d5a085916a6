"""Where the published tables come from, and their rows."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml


@dataclass(frozen=True)
class Column:
    """Accuracies of one set in a published table."""

    there: str
    """What the published table calls it."""
    images: int | None = None
    metric: str = "top1"
    balanced: bool = False
    """Whether its classes have about as many images each; where nothing is known, they are taken not to."""


@dataclass(frozen=True)
class PairEntry:
    """A shift in a table that stands beside ImageNet."""

    shift: str
    matched: str | None = "imagenet"
    """The column of ImageNet on the same classes; None where the table has none."""
    warning: str = ""


@dataclass(frozen=True)
class Source:
    """A published table: what it is, whose, under which licence, and what was done to it."""

    name: str
    title: str
    authors: str
    year: int
    url: str
    paper: str
    licence: str
    file: str
    unit: str
    columns: Mapping[str, Column]
    changed: str
    left_out: str
    pairs: tuple[PairEntry, ...] = ()

    @property
    def citation(self) -> str:
        """Authors, year, title and address in one line."""
        return f"{self.authors.split(',')[0]} et al. {self.year}, {self.title}, {self.paper}"

    @property
    def scale(self) -> float:
        """What an accuracy in the file is multiplied by to be a fraction."""
        return 0.01 if self.unit.startswith("per cent") else 1.0


@cache
def sources() -> Mapping[str, Source]:
    """Return the published tables by key: 'imagenet-testbed', 'open-clip', 'clip-paper'."""
    document: dict[str, dict[str, Any]] = yaml.safe_load(_text("sources.yaml"))
    return MappingProxyType({key: _source(entry) for key, entry in document.items()})


@cache
def rows(key: str) -> tuple[Mapping[str, str], ...]:
    """Return a table's rows as they are in its file: column -> text, '' where there is nothing."""
    lines = _text(sources()[key].file).splitlines()
    return tuple(MappingProxyType(row) for row in csv.DictReader(lines))


def number(source: Source, row: Mapping[str, str], column: str) -> float | None:
    """Return an accuracy as a fraction; None where the table has none."""
    return float(row[column]) * source.scale if row[column] else None


def _text(name: str) -> str:
    return files("clipbench.reference").joinpath(name).read_text(encoding="utf-8")


def _source(entry: Mapping[str, Any]) -> Source:
    columns = {name: Column(**column) for name, column in entry["columns"].items()}
    pairs = tuple(
        PairEntry(pair["shift"], pair.get("matched", "imagenet") or None, pair.get("warning", ""))
        for pair in entry.get("pairs", ())
    )
    return Source(**{**entry, "columns": MappingProxyType(columns), "pairs": pairs})
