"""What labels add: zero-shot beside heads that were fitted on labelled images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from clipbench.report.leaderboard import Column, Footnote
from clipbench.report.measured import Remark, distinct, outcomes, remarks
from clipbench.report.sections.sets.shots import ShotsChart, charts
from clipbench.report.site.data.names import slugs
from clipbench.report.site.pages.base import DataFile, Document, SiteData
from clipbench.report.site.pages.labels.tables import FITTED, fitting, gain_of, gains, heads
from clipbench.report.site.pages.listing import Listing
from clipbench.report.text.claims import basis
from clipbench.results.records import AnalysisResult


@dataclass(frozen=True)
class Tally:
    """How many linear probes are better or worse than zero-shot, or neither that could be told."""

    better: int
    worse: int
    undecided: int
    at_chance: int
    """Of the undecided: neither of the two is above chance."""
    together: int
    """How many intervals hold at once."""
    basis: str

    @property
    def models(self) -> int:
        """Of how many."""
        return self.better + self.worse + self.undecided


@dataclass(frozen=True)
class Labels:
    """One data set."""

    slug: str
    name: str
    split: str
    """As far as it needs saying."""
    tally: Tally | None
    charts: tuple[ShotsChart, ...]
    numbers: Listing
    footnotes: tuple[Footnote, ...]
    gains: Listing | None
    results: tuple[AnalysisResult, ...]
    """Of probes beside zero-shot, to be said in words."""
    remarks: tuple[Remark, ...]


@dataclass(frozen=True)
class Content:
    """What the template shows."""

    parts: tuple[Labels, ...]
    models: tuple[AnalysisResult, ...]
    """Heads of one model against those of another, set by set."""
    fitting: tuple[Listing, ...]
    """What fitting to a benchmark gains there and costs under shift."""


class LabelsPage:
    """Zero-shot, nearest neighbours, few-shot, linear probe and WiSE-FT of each model, set by set."""

    name: ClassVar[str] = "labels"
    label: ClassVar[str] = "Labels"

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        """Return its documents; none where there is nothing to show."""
        fitted = any(column.task in FITTED and column.typical for column in data.leaderboard.columns)
        return (Document("labels.html", "Labels", lambda: _content(data)),) if fitted else ()


def _content(data: SiteData) -> Content:
    together: dict[tuple[str, str], list[Column]] = defaultdict(list)
    for column in data.leaderboard.columns:
        if column.task in (*FITTED, "zero_shot") and column.typical:
            together[column.dataset, column.split].append(column)
    parts = {key: columns for key, columns in together.items() if any(column.task in FITTED for column in columns)}
    names = [name for name, _ in parts]
    several = {name for name in names if names.count(name) > 1}
    addresses = slugs(" ".join(_told(*key, several)) for key in parts)
    compared = data.as_report.results_of("probe_vs_zero_shot")
    drawn = charts(data.leaderboard)
    return Content(
        parts=tuple(
            _labels(columns, addresses[" ".join(_told(*key, several))], key[0] in several, compared, drawn, data)
            for key, columns in parts.items()
        ),
        models=tuple(result for result in compared if result.record("sets_won")),
        fitting=fitting(data),
    )


def _told(dataset: str, split: str, several: set[str]) -> Iterator[str]:
    yield dataset
    if dataset in several:
        yield split


def _labels(
    columns: Sequence[Column],
    slug: str,
    several: bool,
    compared: Sequence[AnalysisResult],
    drawn: Sequence[ShotsChart],
    data: SiteData,
) -> Labels:
    first, names = columns[0], {column.name for column in columns}
    place = ((first.dataset,), first.split)
    here = [r for r in compared if (r.about.datasets, r.about.split) == place and not r.record("sets_won")]
    found = outcomes(here)
    return Labels(
        slug=slug,
        name=first.dataset,
        split=first.split if several else "",
        tally=_tally(found.measured),
        charts=tuple(chart for chart in drawn if chart.columns[0] in columns),
        numbers=heads(columns, data),
        footnotes=tuple(note for note in data.leaderboard.footnotes if note.column in names or not note.column),
        gains=gains(found.measured, data),
        results=found.measured,
        remarks=(*remarks(found.silent), *distinct([("", [error]) for error in found.errors])),
    )


def _tally(results: Sequence[AnalysisResult]) -> Tally | None:
    """Count what may be said of the probes; None where none has an interval."""
    found = [(result, claim) for result in results if (claim := gain_of(result)) and claim.verdict != "undefined"]
    if not found:
        return None
    verdicts = [claim.verdict for _, claim in found]
    grounds = {basis(result.about) for result, _ in found}
    return Tally(
        better=verdicts.count("higher"),
        worse=verdicts.count("lower"),
        undecided=verdicts.count("not_distinguishable"),
        at_chance=sum(claim.at_chance for _, claim in found),
        together=found[0][1].record.family,
        basis=grounds.pop() if len(grounds) == 1 else "",
    )
