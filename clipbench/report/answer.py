"""The answer of a run in a few sentences and a picture: who leads, what is lost, what labels and wording change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from clipbench.report.averages import Average, Means, may_be_averaged
from clipbench.report.figures import axes, figures
from clipbench.report.figures.figures import Figure
from clipbench.report.leaderboard import Column
from clipbench.report.marks import compared_jobs, is_tied
from clipbench.report.sections.base import PageData
from clipbench.report.sections.prompts.section import Wording, find_wordings
from clipbench.report.sections.real_world.section import Key, Part, find_parts
from clipbench.report.sections.sets.section import gap, rows_of_one
from clipbench.report.text import labels, numbers
from clipbench.report.text.claims import Claim
from clipbench.results.records import AnalysisResult, Record

_MOST = 12
"""Models, or sets, in the picture."""

_LABEL = 30


@dataclass(frozen=True)
class Contender:
    """A model in the ranking."""

    model: str
    measured: Record | Average
    best: bool
    at_chance: bool


@dataclass(frozen=True)
class Lead:
    """The ranking that the first sentence is about, the highest first."""

    contenders: tuple[Contender, ...]
    column: Column | None
    """Where it is one column, whose models are compared image by image where that is possible."""

    @property
    def best(self) -> tuple[Contender, ...]:
        """Those that none is surely ahead of; nobody where that is all of them, or of those that are at chance."""
        return tuple(contender for contender in self.contenders if contender.best)


@dataclass(frozen=True)
class Loss:
    """What one model loses where something is changed."""

    model: str
    reference: str
    kind: str
    """'shifts' or 'corruptions'."""
    part: Part
    lost: int
    """Models that are shown to lose, of `models`."""
    models: int


@dataclass(frozen=True)
class Labels:
    """What a linear head changes."""

    result: AnalysisResult
    claim: Claim
    of: str
    """The metric."""


@dataclass(frozen=True)
class Answer:
    """What is known of each; None where nothing is."""

    lead: Lead | None
    columns: int
    """In which models were compared, and in `tied` of them no single one is the best."""
    tied: int
    loss: Loss | None
    labels: Labels | None
    wording: Wording | None
    figure: Figure | None
    caption: str


def find_answer(data: PageData) -> Answer:
    """Answer for the model that comes first in the leaderboard, as far as it was measured."""
    shifts, corruptions, _ = find_parts(data)
    loss = _loss(shifts, "shifts", data.rank) or _loss(corruptions, "corruptions", data.rank)
    lead, wordings = _lead(data), find_wordings(data)
    figure, caption = next(_pictures(data, shifts, loss, lead), (None, ""))
    caption += f" The first {_MOST} models." if len(data.leaderboard.models) > _MOST else ""
    compared = compared_jobs(data.analyses)
    tied = [found for column in data.leaderboard.columns if (found := is_tied(column, compared)) is not None]
    return Answer(lead, len(tied), sum(tied), loss, _labels(data), wordings[0] if wordings else None, figure, caption)


def _lead(data: PageData) -> Lead | None:
    """Rank in the first group in which several models are ranked, benchmark sets first; else in the first there is."""
    ranked = [(group, [mean for mean in group.by_model.values() if mean.ranked]) for group in data.means]
    ranked = sorted(
        (found for found in ranked if found[1]), key=lambda found: (len(found[1]) < 2, found[0].regime != "benchmark")
    )
    if not ranked:
        return None
    group, means = ranked[0]
    column = _only_column(data, group)
    if column is None:
        contenders = [Contender(mean.model, mean, mean.best, mean.at_chance) for mean in means]
    else:
        cells = [(mean.model, column.cells[mean.model]) for mean in means]
        contenders = [Contender(model, cell.record, cell.best, cell.at_chance) for model, cell in cells if cell.record]
    return Lead(tuple(sorted(contenders, key=lambda contender: -(contender.measured.value or 0))), column)


def _only_column(data: PageData, group: Means) -> Column | None:
    of_group = [
        column
        for column in data.leaderboard.columns
        if (column.measurement, column.regime) == (group.measurement, group.regime) and may_be_averaged(column)
    ]
    return of_group[0] if len(of_group) == 1 else None


def _loss(parts: Mapping[Key, Part], kind: str, rank: Mapping[str, int]) -> Loss | None:
    """Return what the first model loses on the benchmark with most images; at chance it has nothing to lose."""
    if not parts:
        return None
    last = len(rank)
    key = min(parts, key=lambda key: (rank.get(key.model, last), parts[key].lost.at_chance, -parts[key].left.n))
    like = [part for other, part in parts.items() if other[1:] == key[1:]]
    lost = sum(part.lost.verdict == "higher" for part in like)
    return Loss(key.model, key.reference, kind, parts[key], lost, len(like))


def _labels(data: PageData) -> Labels | None:
    """Return how a linear probe stands to zero-shot, for the first model of which that is known."""
    for result in data.results_of("probe_vs_zero_shot"):
        for metric, of in (("mean_per_class_recall_difference", "mean per-class recall"), ("top1_difference", "top-1")):
            if record := result.record(metric):
                return Labels(result, Claim(record, record.params.get("at_chance") is True), of)
    return None


def _pictures(
    data: PageData, shifts: Mapping[Key, Part], loss: Loss | None, lead: Lead | None
) -> Iterator[tuple[Figure, str]]:
    """Draw what the answer is about: the loss under shift, else the ranking, of one model its sets."""
    if len(data.leaderboard.models) == 1:
        if figure := _of_one(data):
            yield figure, f"{data.leaderboard.models[0]} on each set, with intervals."
        return
    if loss and loss.kind == "shifts" and (figure := _shift(data, shifts, loss)):
        yield (
            figure,
            "Top-1 on the same classes of the benchmark and elsewhere; on the right what is between them, in points.",
        )
    if figure := gap(data.leaderboard, data.means):
        yield (
            figure,
            "Means over benchmark sets and over shift sets. These are other sets, so this is no matched comparison.",
        )
    if lead and len(lead.contenders) > 1:
        yield _ranking(data, lead), "The models with their intervals."


def _shift(data: PageData, shifts: Mapping[Key, Part], loss: Loss) -> Figure | None:
    """Draw the models on one benchmark beside its shifts; None where it is one model."""
    parts = {key.model: part for key, part in shifts.items() if key.reference == loss.reference}
    shown = sorted(parts, key=lambda model: data.rank.get(model, len(data.rank)))[:_MOST]
    if len(shown) < 2:
        return None
    sides = [[parts[model].before for model in shown], [parts[model].left for model in shown]]
    names = (loss.reference, loss.part.name or f"mean of {labels.counted(loss.part.count, 'shift')}")
    hovers = [[figures.hover(m, numbers.with_interval(r)) for m, r in zip(shown, side, strict=True)] for side in sides]
    traces = figures.pairs(
        names, [[r.value for r in side] for side in sides], hovers, error_x=[*map(figures.errors, sides)]
    )
    values = [numbers.number(parts[model].lost.record.value, "gap") for model in shown]
    return _rows(shown, values, traces, "top-1 on the benchmark and under shift")


def _of_one(data: PageData) -> Figure | None:
    """Draw one model on each of its sets; None where there are fewer than two of one measurement."""
    board, model = data.leaderboard, data.leaderboard.models[0]
    first = board.columns[0]
    like = [column for column in board.columns if (column.measurement, column.unit) == (first.measurement, first.unit)]
    found = {
        column.label: cell
        for column in like
        if (cell := column.cells.get(model)) and cell.record and cell.record.value is not None
    }
    return rows_of_one(first.unit, dict(list(found.items())[:_MOST])) if len(found) > 1 else None


def _ranking(data: PageData, lead: Lead) -> Figure:
    shown, series = lead.contenders[:_MOST], figures.series_of(data.leaderboard.models)
    names, measured = [contender.model for contender in shown], [contender.measured for contender in shown]
    hovers = [figures.hover(name, numbers.with_interval(item)) for name, item in zip(names, measured, strict=True)]
    colours = {"series": [series[name] for name in names]}
    bars = figures.bars([item.value for item in measured], hovers, colours, figures.errors(measured))
    return _rows(names, [numbers.with_unit(item.value) for item in measured], [bars], "the ranking")


def _rows(names: Sequence[str], values: Sequence[str], traces: Sequence[figures.Trace], summary: str) -> Figure:
    short = labels.short_names(names, _LABEL)
    told = "; ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
    ticks = [figures.text(short[name]) for name in names]
    return figures.rows(ticks, values, traces, axes.whole_share(), f"{summary}: {told}", 30)
