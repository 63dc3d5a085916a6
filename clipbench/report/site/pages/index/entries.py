"""What stands in a board's rows before the sets: ranks, properties of the models, and their means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from clipbench.report.site.data.board import Board, Model, Preset, Ranking
from clipbench.report.site.pages.index.robustness import Robustness
from clipbench.report.text import labels, numbers
from clipbench.results.records import Record

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


Entries = tuple[Head, Mapping[int, Entry]]
"""Of a column, by the model's place in the board."""


def entries_of(board: Board, shifts: Sequence[Robustness], shown: Preset | None) -> Iterator[Entries]:
    """Yield what stands before the sets, also what nothing fills.

    Args:
        board: all models.
        shifts: what is left under shift, by reference.
        shown: the preset that is chosen at first, by whose first ranking the ranks are.
    """
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
    return {row.model: Entry(numbers.ranks(row.lowest, row.highest), value=row.lowest) for row in rows}


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


def _mean(preset: Preset, number: int, ranking: Ranking) -> Entries:
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
                (numbers.ends(row.low, row.high), *([f"rank {numbers.ranks(row.lowest, row.highest)}"] if many else []))
            ).strip(),
            row.value,
            (row.value, row.low, row.high, *ends),
            "chance" if row.at_chance else "best" if row.lowest == 1 and apart else "",
        )
        for row in ranking.rows
    }
    for row in ranking.apart:
        told = f"{labels.counted(len(row.datasets), 'other set')},\nnot ranked" if ranking.datasets else "not ranked"
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


def _robustness(board: Board, group: Robustness) -> Iterator[Entries]:
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


def _own_means(board: Board) -> Entries:
    """Return what a published table says of its models, in its own terms."""
    count = sum(model.published is not None for model in board.models)
    lines = ("over its own sets, %", "ranks are the table's")
    return Head("published", "Published mean", lines), {
        place: Entry(numbers.number(found.value), f"{found.rank} of {count} there", found.value)
        for place, model in enumerate(board.models)
        if (found := model.published)
    }


def _published(preset: Preset) -> Entries:
    assert preset.published is not None
    about = {"preset": preset.slug, "columns": " ".join(preset.published.columns)}
    lines = (f"{preset.label}, {labels.counted(len(preset.published.columns), 'published set')}, %", "not ranked")
    return Head(f"published-{preset.slug}", "Published mean", lines, kind="mean", about=about), {
        place: Entry(numbers.number(value), value=value) for place, value in preset.published.means
    }
