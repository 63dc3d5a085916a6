"""The board as a table: heads, and of each model its entries and numbers, ready to be written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from clipbench.report import marks
from clipbench.report.site.data.board import Board, Cell, Column, Model, Preset, Ranking
from clipbench.report.site.pages.base import SiteData
from clipbench.report.site.pages.index.robustness import Robustness, robustness
from clipbench.report.text import labels, numbers
from clipbench.report.text.claims import basis, chances
from clipbench.results.records import Record, Subject

_SIZES = ((1e8, "up to 100 M"), (3e8, "100 to 300 M"), (1e9, "300 M to 1 B"), (float("inf"), "more than 1 B"))
_NAMED = 3
"""Up to so many training sets are named."""


@dataclass(frozen=True)
class Head:
    """Of a column; its lines stand below its label."""

    key: str
    """Its name in the page's address."""
    label: str
    lines: tuple[str, ...] = ()
    title: str = ""
    kind: str = "figure"
    """'figure' of a model, 'mean' of a preset, 'set'."""
    first: str = "descending"
    """The order in which it is sorted first."""
    about: Mapping[str, str] = field(default_factory=dict)
    """By which columns are chosen: task, regime, limit; of a mean its preset and its columns."""


@dataclass(frozen=True)
class Entry:
    """What stands in a row before the sets: a text, and a number to sort by."""

    text: str = numbers.MISSING
    small: str = ""
    value: float | None = None
    span: tuple[float | None, ...] = ()
    """Value, ends, the scale's ends and a reference, where it is drawn."""
    state: str = ""


@dataclass(frozen=True)
class Number:
    """What stands in a set's column: marks behind the number, its interval on a second line."""

    text: str
    href: str
    state: str


@dataclass(frozen=True)
class Row:
    """A model."""

    place: int
    model: Model
    href: str
    remark: str
    size: str
    entries: tuple[Entry, ...]
    numbers: tuple[Number | None, ...]


@dataclass(frozen=True)
class Filter:
    """Of rows or columns, by one of their properties; '' as a value is what is not known."""

    key: str
    label: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """What the template shows."""

    heads: tuple[Head, ...]
    rows: tuple[Row, ...]
    preset: str
    """That is chosen at first."""
    filters: tuple[Filter, ...]

    @property
    def ranked(self) -> bool:
        """Whether its first column is that of the ranks."""
        return self.heads[0].key == "rank"


def size_of(model: Model) -> str:
    """Return the class of a model's size; '' where that is not known."""
    return next(label for end, label in _SIZES if model.parameters <= end) if model.parameters else ""


def table_of(data: SiteData) -> Table:
    """Set out a site's board; a column that nothing fills is left out."""
    board = data.board
    shown = next((preset for preset in board.presets if preset.slug == "measured"), None)
    shown = shown or max(board.presets, key=lambda preset: len(preset.columns), default=None)
    columns = [
        (head, entries)
        for head, entries in _entries(board, robustness(data), shown)
        if any(entry.text != numbers.MISSING for entry in entries.values())
    ]
    mixed = len({model.origin for model in board.models}) > 1
    cells = [{cell.model: _number(data, column, cell) for cell in column.cells} for column in board.columns]
    rows = tuple(
        Row(
            place,
            model,
            data.model_path(place),
            _remark(model) if mixed else "",
            size_of(model),
            tuple(entries.get(place, Entry()) for _, entries in columns),
            tuple(of_column.get(place) for of_column in cells),
        )
        for place, model in enumerate(board.models)
    )
    heads = (*(head for head, _ in columns), *(_head(column) for column in board.columns))
    return Table(heads, rows, shown.slug if shown else "", tuple(_filters(heads, rows)))


def _filters(heads: Sequence[Head], rows: Sequence[Row]) -> Iterator[Filter]:
    """Yield the filters that tell something apart."""
    sizes = [label for _, label in _SIZES]
    declared = any(row.model.trained_on is not None for row in rows)
    found = (
        ("task", "Task", [head.about["task"] for head in heads if "task" in head.about]),
        (
            "regime",
            "Regime",
            sorted({h.about["regime"] for h in heads if "regime" in h.about}, key=labels.regime_order),
        ),
        ("limit", "Images", sorted(head.about["limit"] for head in heads if "limit" in head.about)),
        ("origin", "Origin", [row.model.origin for row in rows]),
        ("size", "Size", sorted((row.size for row in rows), key=[*sizes, ""].index)),
        ("family", "Family", sorted((row.model.family or "" for row in rows), key=lambda name: (not name, name))),
        ("trained", "Training data", ["declared", "not declared", "undeclared"] if declared else []),
    )
    for key, label, values in found:
        if len(known := tuple(dict.fromkeys(values))) > 1:
            yield Filter(key, label, known)


def _remark(model: Model) -> str:
    return "measured here" if model.origin == "measured" else "published"


_Entries = tuple[Head, Mapping[int, Entry]]


def _entries(board: Board, shifts: Sequence[Robustness], shown: Preset | None) -> Iterator[_Entries]:
    """Yield what stands before the sets."""
    models = dict(enumerate(board.models))
    ranked = shown.rankings[0] if shown and shown.rankings else None
    by = (f"by {ranked.regime} mean" if ranked.regime else "by mean",) if ranked else ()
    yield Head("rank", "Rank", by, first="ascending"), _ranks(ranked)
    yield (
        Head("parameters", "Parameters"),
        {
            place: Entry(_count(model.parameters), value=model.parameters)
            for place, model in models.items()
            if model.parameters
        },
    )
    yield (
        Head("trained", "Training data", ("declared, or family",), first="ascending"),
        {place: Entry(*_trained(model), state="words") for place, model in models.items()},
    )
    for preset in board.presets:
        for number, ranking in enumerate(preset.rankings):
            # Of one column the mean is the column, but a reader looks for benchmark and shift.
            if len(ranking.columns) > 1 or _headline(ranking):
                yield _mean(preset, number, ranking)
    for group in shifts:
        yield from _robustness(board, group)
    if any(model.published for model in board.models):
        yield _own_means(board)
    sets = {model.published.sets for model in board.models if model.published}
    for preset in board.presets:
        # Over all sets of the table it is the table's own mean.
        if preset.published and {len(preset.published.columns)} != sets:
            yield _published(preset)
    # Filled in for a choice of one's own.
    yield Head("plain", "Plain mean", kind="mean"), dict.fromkeys(models, Entry(""))


def _ranks(ranking: Ranking | None) -> Mapping[int, Entry]:
    rows = ranking.rows if ranking and len(ranking.rows) > 1 else ()
    return {row.model: Entry(span_of_ranks(row.lowest, row.highest), value=row.lowest) for row in rows}


def span_of_ranks(lowest: int, highest: int) -> str:
    """Return '2', '1–3'."""
    return f"{lowest}" if lowest == highest else f"{lowest}–{highest}"


def _count(parameters: int | None) -> str:
    if not parameters:
        return numbers.MISSING
    return f"{parameters / 1e9:.2f} B" if parameters >= 1e9 else f"{parameters / 1e6:.0f} M"


def _trained(model: Model) -> tuple[str, str]:
    """Return the declared training sets; else the family, which is told by the name and declares nothing."""
    if model.trained_on is None:
        return (model.family, "undeclared") if model.family else (numbers.MISSING, "")
    more = len(model.trained_on) - _NAMED
    named = ", ".join(model.trained_on[:_NAMED]) or "none"
    return (f"{named} and {more} more" if more > 0 else named), ""


def _mean(preset: Preset, number: int, ranking: Ranking) -> _Entries:
    """Return the means of a ranking, with their ranks; of models that lack some sets they stand apart."""
    means = [(row.value, row.low, row.high) for row in ranking.rows]
    means += [(row.value, row.low, row.high) for row in ranking.apart]
    scale = [end for mean in means for end in mean if end is not None]
    ends = (min(scale, default=0.0), max(scale, default=1.0))
    many, apart = len(ranking.rows) > 1, any(row.lowest > 1 for row in ranking.rows)
    found = {
        row.model: Entry(
            numbers.number(row.value),
            "\n".join(
                (numbers.ends(row.low, row.high), *([f"rank {span_of_ranks(row.lowest, row.highest)}"] if many else []))
            ).strip(),
            row.value,
            (row.value, row.low, row.high, *ends),
            "chance" if row.at_chance else "best" if row.lowest == 1 and apart else "",
        )
        for row in ranking.rows
    }
    for row in ranking.apart:
        told = f"{len(row.datasets)} other sets, not ranked" if ranking.datasets else "not ranked"
        found[row.model] = Entry(numbers.number(row.value), told, None, (row.value, row.low, row.high, *ends), "apart")
    sets = labels.sets(len(ranking.datasets), ranking.regime)
    label = f"{labels.capitalised(ranking.regime) or preset.label} mean"
    task = "" if ranking.task == "zero_shot" else ranking.label
    lines = tuple(part for part in (task, f"{ranking.metric_label}, %", sets) if part)
    about = {"preset": preset.slug, "columns": " ".join(ranking.columns)}
    key, sets_of = f"mean-{preset.slug}-{number + 1}", ", ".join(ranking.datasets)
    if _headline(ranking):
        return Head(f"{ranking.regime}-mean", label, lines, sets_of), found
    return Head(key, label, lines, sets_of, "mean", about=about), found


def _headline(ranking: Ranking) -> bool:
    """Return whether it is what a reader looks for whatever sets are shown."""
    return ranking.task == "zero_shot" and bool(ranking.regime)


def _robustness(board: Board, group: Robustness) -> Iterator[_Entries]:
    """Yield the gap and the effective robustness on the shifts of one reference."""
    told = f"{group.reference} to {labels.counted(len(group.datasets), 'shift')}"
    listed = ", ".join(group.datasets)
    for key, label, found, first in (
        ("gap", "Class-matched gap", group.gaps, "ascending"),
        ("robustness", "Effective robustness", group.effective, "descending"),
    ):
        ends = [end for claim in found.values() for end in _ends(claim.record)] + [0.0]
        lines = tuple(line for line in (told, group.condition, "points") if line)
        yield (
            Head(f"{key}-{group.slug}", label, lines, listed, first=first),
            {
                place: Entry(
                    numbers.number(record.value, unit := "gap" if key == "gap" else "difference"),
                    numbers.ends(record.low, record.high, unit),
                    record.value,
                    (record.value, record.low, record.high, min(ends), max(ends), 0.0),
                    "chance" if claim.at_chance else "",
                )
                for place, claim in found.items()
                for record in (claim.record,)
            },
        )


def _ends(record: Record) -> Iterator[float]:
    yield from (end for end in (record.value, record.low, record.high) if end is not None)


def _own_means(board: Board) -> _Entries:
    """Return what a published table says of its models, in its own terms."""
    count = sum(model.published is not None for model in board.models)
    lines = ("over its own sets, %", "ranks are the table's")
    return Head("published", "Published mean", lines), {
        place: Entry(numbers.number(found.value), f"{found.rank} of {count} there", found.value)
        for place, model in enumerate(board.models)
        if (found := model.published)
    }


def _published(preset: Preset) -> _Entries:
    assert preset.published is not None
    about = {"preset": preset.slug, "columns": " ".join(preset.published.columns)}
    lines = (f"{preset.label}, {labels.counted(len(preset.published.columns), 'published set')}, %", "not ranked")
    return Head(f"published-{preset.slug}", "Published mean", lines, kind="mean", about=about), {
        place: Entry(numbers.number(value), value=value) for place, value in preset.published.means
    }


def _head(column: Column) -> Head:
    suffix = numbers.suffix(column.unit)
    guess = Record(column.metric, None, column.unit, chance=column.chance, commonest=column.commonest)
    lines = (
        ", ".join(part for part in ("" if column.task == "zero_shot" else column.task_label, column.setting) if part),
        ", ".join(part for part in (column.metric_label, suffix) if part),
        basis(Subject(n=column.n or 0, subset=column.limit or "")),
        *chances(guess),
    )
    return Head(
        column.slug,
        column.dataset,
        tuple(line for line in lines if line),
        column.regime,
        "set",
        "ascending" if column.higher_is_better is False else "descending",
        {"task": column.task_label, "regime": column.regime, "limit": "limited" if column.limit else "full"},
    )


def _number(data: SiteData, column: Column, cell: Cell) -> Number:
    states = {"b": "best", "c": "chance", "f": "flagged"}
    state = " ".join(name for mark, name in states.items() if mark in cell.marks)
    href = data.evidence_path(column, cell)
    if cell.value is None:
        return Number("failed" if "x" in cell.marks else "undefined", href, "why")
    seen = marks.SEEN if "s" in cell.marks else ""
    note = f"†{cell.footnote}" if cell.footnote else ""
    ends = numbers.ends(cell.low, cell.high, column.unit) if cell.job else ""
    return Number(f"{numbers.number(cell.value, column.unit)}{seen}{note}\n{ends}".rstrip(), href, state)
