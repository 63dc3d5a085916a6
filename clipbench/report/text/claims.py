"""Differences as a sentence may state them: a direction only where the interval leaves out zero."""

from __future__ import annotations

from dataclasses import dataclass

from clipbench.analyses.base import verdict_of
from clipbench.report.text import numbers
from clipbench.results.records import Record, Subject, Verdict
from clipbench.results.records import at_chance as at_chance
from clipbench.results.records import floor as floor


@dataclass(frozen=True)
class Claim:
    """A difference, and what its interval allows to be said of it."""

    record: Record
    """Of a difference in fractions, points or gaps; its interval is the one that its table corrects."""
    at_chance: bool = False
    """Whether neither of the two numbers is above chance: then nothing is gained or lost between them."""

    @property
    def verdict(self) -> Verdict:
        """What the interval says; without one, or between two numbers at chance, no direction."""
        record = self.record
        return "undefined" if record.value is None else verdict_of(record.low, record.high, at_chance=self.at_chance)

    @property
    def size(self) -> str:
        """Without its sign: '2.3 points'."""
        value = self.record.value
        return numbers.with_unit(None if value is None else abs(value), "gap")

    @property
    def interval(self) -> str:
        """Of the size, turned round where the difference is negative: '[1.2, 3.4]'; '' where there is none."""
        low, high = self.record.low, self.record.high
        if low is None or high is None:
            return ""
        negative = (self.record.value or 0) < 0
        return numbers.ends(*((-high, -low) if negative else (low, high)), "gap")

    @property
    def difference(self) -> str:
        """With its sign and interval: '+0.4 points [−0.3, +1.1]'."""
        return numbers.with_ends(self.record.value, self.record.low, self.record.high, "difference")

    def says(self, higher: str, lower: str, undecided: str, undefined: str = "") -> str:
        """Return the sentence that the verdict allows, its {size}, {interval} and {difference} filled in.

        Args:
            higher: said where the first is higher, e.g. '{size} {interval} better than zero-shot'.
            lower: said where it is lower.
            undecided: said where the interval holds zero, e.g. 'not to be told apart from zero-shot ({difference})'.
            undefined: said where there is no interval; by default `undecided`.
        """
        sentences: dict[Verdict, str] = {
            "higher": higher,
            "lower": lower,
            "not_distinguishable": undecided,
            "undefined": undefined or undecided,
        }
        return sentences[self.verdict].format(size=self.size, interval=self.interval, difference=self.difference)


def chance(record: Record) -> str:
    """Return 'chance 10.0 %, commonest class 18.2 %', as far as either is known; the latter where it is another."""
    return ", ".join(chances(record))


def chances(record: Record) -> tuple[str, ...]:
    """Return the parts of `chance`."""
    guess, commonest = (numbers.with_unit(known, record.unit) for known in (record.chance, record.commonest))
    parts = (
        f"chance {guess}" if record.chance is not None else "",
        f"commonest class {commonest}" if record.commonest is not None and commonest != guess else "",
    )
    return tuple(part for part in parts if part)


def basis(about: Subject) -> str:
    """Return what a statement rests on, as far as it is known: 'n = 1,000, limit 1000, fitted on 500 images'."""
    parts = (
        f"n = {numbers.count(about.n)}" if about.n else "",
        about.subset,
        f"fitted on {numbers.count(about.n_train)} images" if about.n_train is not None else "",
    )
    return ", ".join(part for part in parts if part)


def rests_on(record: Record, subset: str) -> str:
    """Return what a job's number rests on: its n, how its examples were chosen, and what a head was fitted on."""
    n_train = record.params.get("n_train")
    return basis(Subject(n=record.n, subset=subset, n_train=n_train if isinstance(n_train, int) else None))
