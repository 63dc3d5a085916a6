"""What every page of a site reads: the shape of `data/board.json`, whose JSON schema is made of these types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

from pydantic import ConfigDict, TypeAdapter

FORMAT = 1
"""Raised when a page that reads the former format would be wrong."""

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Figure:
    """A number of a model over several data sets; ends are at 95 %."""

    __pydantic_config__ = _STRICT
    value: float
    low: float | None
    high: float | None
    unit: str
    datasets: tuple[str, ...]
    reference: str | None = None
    """The data set that a gap starts from."""
    prompts: str | None = None
    subset: str | None = None
    """How its examples were chosen, where not all of them were measured."""


@dataclass(frozen=True)
class PublishedMean:
    """What a published table says of a model over all of its sets."""

    __pydantic_config__ = _STRICT
    value: float
    rank: int
    """In that table, 1 the highest mean; equal means share a rank."""
    sets: int
    table: str


@dataclass(frozen=True)
class Model:
    """One row of the board."""

    __pydantic_config__ = _STRICT
    slug: str
    name: str
    origin: Literal["measured", "published"]
    family: str | None = None
    """After what it was pre-trained on; near-relatives have the same."""
    parameters: int | None = None
    trained_on: tuple[str, ...] | None = None
    """Absent: not declared, which is not the empty list."""
    also: tuple[str, ...] | None = None
    """Other names under which the same figures were published."""
    benchmark_mean: Figure | None = None
    shift_mean: Figure | None = None
    matched_gap: Figure | None = None
    effective_robustness: Figure | None = None
    published: PublishedMean | None = None


class Cell(NamedTuple):
    """One number: stored as a list in this order."""

    model: int
    """Its place in `models`."""
    value: float | None
    low: float | None = None
    high: float | None = None
    marks: str = ""
    """Letters: b the best or not distinguishable from it, c not above chance, s seen in training, f flagged (not
    compared), x failed."""
    job: str | None = None
    """Its evidence, `jobs/JOB.json`; null where it is published."""
    footnote: int | None = None


class ColumnRank(NamedTuple):
    """The ranks that a measured model may have in a column: stored as a list in this order."""

    model: int
    lowest: int
    """1 and the models that are surely better."""
    highest: int
    """All less those that are surely worse."""


@dataclass(frozen=True)
class Column:
    """What models are measured on."""

    __pydantic_config__ = _STRICT
    slug: str
    label: str
    dataset: str
    split: str
    task: str
    task_label: str
    setting: str
    """Prompts and condition in words; '' for none."""
    regime: str
    metric: str
    metric_label: str
    unit: str
    cells: tuple[Cell, ...]
    higher_is_better: bool | None = None
    """Absent where neither end is better."""
    n: int | None = None
    limit: str | None = None
    """How its examples were chosen; absent: all."""
    chance: float | None = None
    commonest: float | None = None
    classes: int | None = None
    tied: bool | None = None
    """Whether no single measured model is surely the best; absent where nothing was compared."""
    ranks: tuple[ColumnRank, ...] | None = None
    """By answers to the same images; all of a column hold together at 95 %. Absent without such answers."""


class Rank(NamedTuple):
    """A measured model in a ranking: stored as a list in this order."""

    model: int
    value: float
    low: float | None
    high: float | None
    lowest: int
    """The best rank that it may have: 1 and the models that are surely better."""
    highest: int
    """The worst: all less those that are surely worse."""
    at_chance: bool


class OtherMean(NamedTuple):
    """The mean of a model that lacks some of a ranking's sets, over those that it has; unranked."""

    model: int
    value: float
    low: float | None
    high: float | None
    datasets: tuple[str, ...]


@dataclass(frozen=True)
class Ranking:
    """Measured models by their mean over the data sets that they have in common; all ranks hold together at 95 %."""

    __pydantic_config__ = _STRICT
    task: str
    label: str
    """Task and condition in words."""
    regime: str
    metric_label: str
    datasets: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Rank, ...]
    apart: tuple[OtherMean, ...]
    paired: bool | None = None
    """Whether by answers to the same images; false: by the means' own intervals. Absent: nothing to compare."""


@dataclass(frozen=True)
class PublishedMeans:
    """Plain means of published models, [place in `models`, mean], over some columns; never ranked beside measured."""

    __pydantic_config__ = _STRICT
    columns: tuple[str, ...]
    means: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Preset:
    """A choice of columns with what may be said of it."""

    __pydantic_config__ = _STRICT
    slug: str
    label: str
    columns: tuple[str, ...]
    rankings: tuple[Ranking, ...]
    ties: int
    """Of `compared` columns those in which no single measured model is surely the best."""
    compared: int
    wanted: int | None = None
    """How many data sets the choice has where it comes from; absent for one's own."""
    source: str | None = None
    published: PublishedMeans | None = None


@dataclass(frozen=True)
class Footnote:
    """Why cells of a column, or a model's whole row, are not compared."""

    __pydantic_config__ = _STRICT
    number: int
    models: tuple[int, ...]
    text: str
    column: str | None = None
    """Its slug; absent where it is about whole rows."""


@dataclass(frozen=True)
class PublishedTable:
    """A table whose figures the board shows."""

    __pydantic_config__ = _STRICT
    key: str
    title: str
    url: str
    licence: str
    citation: str


@dataclass(frozen=True)
class Board:
    """All models by all columns."""

    __pydantic_config__ = _STRICT
    models: tuple[Model, ...]
    columns: tuple[Column, ...]
    presets: tuple[Preset, ...]
    footnotes: tuple[Footnote, ...]
    published: tuple[PublishedTable, ...]


@dataclass(frozen=True)
class Document:
    """The file: a board with its date and a digest of all but the date."""

    __pydantic_config__ = _STRICT
    format: Literal[1]
    made: str
    """UTC, ISO 8601."""
    content: str
    board: Board


@cache
def schema() -> Mapping[str, Any]:
    """Return the JSON schema of `data/board.json`."""
    return TypeAdapter(Document).json_schema()


def plain(value: object) -> Any:
    """Return dataclasses as objects without what is None, tuples as lists, floats at six decimals."""
    if is_dataclass(value):
        found = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name: plain(part) for name, part in found if part is not None}
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    return round(value, 6) if isinstance(value, float) else value
