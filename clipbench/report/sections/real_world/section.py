"""The section 'What is left': each model's benchmark accuracy under natural shifts, corruptions and other wording."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

from clipbench.report.grids import Entry, Grid, Head
from clipbench.report.measured import outcomes
from clipbench.report.sections.base import PageData
from clipbench.report.sections.robustness.findings import gather
from clipbench.report.text import numbers
from clipbench.report.text.claims import Claim, at_chance, basis, rests_on
from clipbench.results.records import JobResult, Record, Subject

_LEAST = 2
"""Parts of a line: of one alone its own section says as much."""

_HEADS = (
    *("same classes, %", "natural shifts, %", "gap under shifts, points", "", ""),
    *("clean images, %", "corruptions, %", "gap under corruptions, points", "", ""),
    *("templates averaged, %", "one template, %", "gap to one template, points"),
    *("worst template, %", "spread over templates, points"),
)
"""Of the records of each part; '' where a part has none."""


class Key(NamedTuple):
    """What the parts of a line share. Prompts are '' for wording, which is no matter of one set of them."""

    model: str
    reference: str
    split: str
    prompts: str


_Found = tuple[Key, tuple[bool, int, int], "Part"]
"""A part with how full it is: on whole sets, images, and corruptions or templates."""


@dataclass(frozen=True)
class Part:
    """What is left of a model's benchmark accuracy where one thing is changed."""

    count: int
    """Shifts, corruptions or templates."""
    before: Record
    left: Record
    lost: Claim
    """Before minus left."""
    basis: str
    name: str = ""
    """Of the shift, where there is one, or of the set of templates."""
    worst: Record | None = None
    """Of the template that is right least often."""
    spread: Record | None = None
    """Over templates, freed of the noise of the images."""

    @property
    def records(self) -> tuple[Record | None, ...]:
        """What stands in the table, in the units of its heads."""
        return (self.before, self.left, replace(self.lost.record, unit="gap"), self.worst, self.spread)


@dataclass(frozen=True)
class Line:
    """One model on one benchmark; what was not measured is None."""

    model: str
    reference: str
    distinction: str
    """Split and prompts, where the model has several lines on the benchmark."""
    shifts: Part | None
    corruptions: Part | None
    wording: Part | None

    @property
    def parts(self) -> tuple[Part | None, ...]:
        """In the order of the table's columns."""
        return (self.shifts, self.corruptions, self.wording)


@dataclass(frozen=True)
class RealWorld:
    """What the template shows."""

    lines: tuple[Line, ...]
    tables: tuple[Grid, ...]
    """One for each benchmark, with a line a row."""


class RealWorldSection:
    """Shifts, corruptions and wording of one benchmark side by side; other sections show each at length."""

    name: ClassVar[str] = "real_world"
    title: ClassVar[str] = "What is left"
    order: ClassVar[int] = 5
    analyses: ClassVar[tuple[str, ...]] = ("robustness", "corruption_error")
    template: ClassVar[str] = "real_world.html.j2"

    def show(self, data: PageData, figures: int) -> RealWorld | None:
        """Set out a line for each model on a benchmark where at least two of the three are known."""
        lines = _lines(data)
        if not lines:
            return None
        references = dict.fromkeys(line.reference for line in lines)
        tables = (_table(name, [line for line in lines if line.reference == name]) for name in references)
        return RealWorld(lines, tuple(tables))


def find_parts(data: PageData) -> tuple[Mapping[Key, Part], Mapping[Key, Part], Mapping[Key, Part]]:
    """Return what shifts, corruptions and wording leave, by model and benchmark: of several the one that says most."""
    shifts, corruptions, wording = (_fullest(found(data)) for found in (_shifts, _corruptions, _wording))
    return shifts, corruptions, wording


def _lines(data: PageData) -> tuple[Line, ...]:
    shifts, corruptions, wording = find_parts(data)
    several: dict[tuple[str, str], list[Line]] = {}
    for key in dict.fromkeys((*shifts, *corruptions)):
        distinction = ", ".join(part for part in (key.split, key.prompts) if part)
        parts = shifts.get(key), corruptions.get(key), wording.get(key._replace(prompts=""))
        line = Line(key.model, key.reference, distinction, *parts)
        if sum(part is not None for part in parts) >= _LEAST:
            several.setdefault((key.reference, key.model), []).append(line)
    last = len(data.rank)
    order = sorted(several, key=lambda names: (names[0], data.rank.get(names[1], last), names[1]))
    found = (several[names] for names in order)
    return tuple(line if len(like) > 1 else replace(line, distinction="") for like in found for line in like)


def _fullest(found: Iterable[_Found]) -> dict[Key, Part]:
    """Return by benchmark the part that says most, of equals the first."""
    best: dict[Key, tuple[tuple[bool, int, int], Part]] = {}
    for key, fullness, part in found:
        if key not in best or fullness > best[key][0]:
            best[key] = (fullness, part)
    return {key: part for key, (_, part) in best.items()}


def _shifts(data: PageData) -> Iterator[_Found]:
    _, summaries = gather(outcomes(data.results_of("robustness")).measured)
    for summary in summaries:
        about, left = summary.result.about, summary.result.record("mean_shift_top1")
        assert left is not None
        part = Part(
            count=len(about.datasets),
            before=Record("reference_top1", summary.on_reference, n=left.n),
            left=left,
            # The mean over sets may be above chance where none of them is.
            lost=Claim(summary.gap.record, summary.at_chance and at_chance(left)),
            basis=basis(about),
            name=about.dataset if len(about.datasets) == 1 else "",
        )
        yield _key(about, about.reference), (not about.subset, about.n, part.count), part


def _corruptions(data: PageData) -> Iterator[_Found]:
    for result in outcomes(data.results_of("corruption_error")).measured:
        about = result.about
        clean, left, gap = map(result.record, ("clean_top1", "corrupted_top1", "corruption_gap"))
        if clean and left and gap:
            count = int(left.params.get("corruptions", 0))
            lost = Claim(gap, at_chance(clean) and at_chance(left))
            part = Part(count, clean, left, lost, basis(about))
            yield _key(about, about.dataset), (not about.subset, about.n, count), part


def _key(about: Subject, reference: str) -> Key:
    return Key(about.model, reference, about.split, about.prompts)


def _wording(data: PageData) -> Iterator[_Found]:
    for job in data.jobs:
        part = _of_wording(job) if job.task == "prompt_sensitivity" and job.plain else None
        if part:
            key = Key(job.model, job.dataset, job.split, "")
            yield key, (not job.pedigree.subset, part.left.n, part.count), part


def _of_wording(job: JobResult) -> Part | None:
    """Return what one template leaves of the accuracy of all of them averaged; None where that was not measured."""
    known = {record.metric: record for record in job.records if record.value is not None}
    ensemble, mean, gain = map(known.get, ("ensemble_top1", "mean", "ensemble_gain"))
    if not (ensemble and mean and gain):
        return None
    spread = known.get("template_spread")
    return Part(
        count=int(mean.params.get("templates", 0)),
        before=ensemble,
        left=mean,
        lost=Claim(gain, at_chance(ensemble) and at_chance(mean)),
        basis=rests_on(mean, job.pedigree.subset),
        name=job.prompts,
        worst=known.get("worst"),
        spread=replace(spread, unit="gap") if spread else None,
    )


def _table(reference: str, lines: Sequence[Line]) -> Grid:
    """Set out a line a row; columns in which nothing was measured are left out."""
    none = (None,) * (len(_HEADS) // len(lines[0].parts))
    rows = [[record for part in line.parts for record in (part.records if part else none)] for line in lines]
    kept = [place for place in range(len(_HEADS)) if any(row[place] for row in rows)]
    heads = (Head("Model"), *(Head(_HEADS[place], numeric=True) for place in kept))
    cells = (
        (Entry(line.model, line.distinction), *(_entry(row[place]) for place in kept))
        for line, row in zip(lines, rows, strict=True)
    )
    return Grid(f"What is left of {reference}", heads, tuple(cells))


def _entry(record: Record | None) -> Entry:
    if record is None:
        return Entry(numbers.MISSING)
    return Entry(numbers.number(record.value, record.unit), numbers.interval(record), at_chance=at_chance(record))
