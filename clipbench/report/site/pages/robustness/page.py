"""Accuracy elsewhere against that on the benchmark."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from clipbench.reference.robustness import CATALOG_SHIFTS
from clipbench.report.measured import Outcomes, outcomes
from clipbench.report.sections.real_world.section import Line, RealWorldSection
from clipbench.report.sections.robustness.findings import Shift, gather
from clipbench.report.site.data.names import slugs
from clipbench.report.site.pages.base import DataFile, Document, SiteData
from clipbench.report.site.pages.listing import Listing
from clipbench.report.site.pages.robustness.benchmark import Benchmark, benchmark
from clipbench.report.site.pages.robustness.corrupted import Corrupted, corrupted
from clipbench.report.site.pages.robustness.published import Published, listing, with_published

_ANALYSES = ("robustness", "corruption_error")


@dataclass(frozen=True)
class Robustness:
    """What the template shows."""

    lines: tuple[Line, ...]
    """What is left of each model's benchmark accuracy."""
    benchmarks: tuple[Benchmark, ...]
    published: Listing | None
    """The published models on all shifts of the catalog."""
    corrupted: tuple[Corrupted, ...]
    outcomes: Outcomes
    """Of both analyses: what failed, and what says no number, with its notes."""


class RobustnessPage:
    """A scatter for each shift of each benchmark, what is left of each model's accuracy, and corruptions."""

    name: ClassVar[str] = "robustness"
    label: ClassVar[str] = "Robustness"

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        """Return its documents; none where there is nothing to show."""
        if data.as_report.results_of(*_ANALYSES) or data.board.published:
            return (Document("robustness.html", "Robustness", lambda: _content(data)),)
        return ()


def _content(data: SiteData) -> Robustness:
    measured, summaries = gather(outcomes(data.as_report.results_of("robustness")).measured)
    shifts = sorted(with_published(measured, {table.key for table in data.board.published}), key=_place)
    # The shifts stand measured ones first, and so do their benchmarks.
    names = dict.fromkeys(shift.about.reference for shift, _ in shifts)
    left = RealWorldSection().show(data.as_report, 0)
    return Robustness(
        lines=left.lines if left else (),
        benchmarks=tuple(
            benchmark(
                name,
                slug,
                [(shift, beside) for shift, beside in shifts if shift.about.reference == name],
                [summary for summary in summaries if summary.result.about.reference == name],
                data,
            )
            for name, slug in slugs(names).items()
        ),
        published=listing([beside for _, beside in shifts if beside], data),
        corrupted=corrupted(data),
        outcomes=outcomes(data.as_report.results_of(*_ANALYSES)),
    )


def _place(found: tuple[Shift, Published | None]) -> tuple[object, ...]:
    """Return a sort key: measured ones first, then the catalog's order, then by name."""
    shift, name = found[0], found[0].about.dataset
    known = CATALOG_SHIFTS.index(name) if name in CATALOG_SHIFTS else len(CATALOG_SHIFTS)
    return (not shift.results, known, name, shift.condition)
