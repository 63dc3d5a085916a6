"""Numbers as a reader sees them: percentages with one decimal, intervals in the same unit."""

from __future__ import annotations

from typing import Protocol

MISSING = "–"


class Measured(Protocol):
    """A value with its uncertainty: a record, or a mean of records."""

    @property
    def value(self) -> float | None:
        """In `unit`; None is undefined."""
        ...

    @property
    def low(self) -> float | None:
        """Lower end of the interval, in the value's unit."""
        ...

    @property
    def high(self) -> float | None:
        """Upper end of the interval, in the value's unit."""
        ...

    @property
    def unit(self) -> str:
        """'fraction', 'rank', 'points', 'difference' or 'gap' (of two fractions), ..."""
        ...


def number(value: float | None, unit: str = "fraction") -> str:
    """Return a value without its unit: '91.2' for the fraction 0.912, '+4.2' for a difference, '3.5' for a rank.

    A gap is a difference that is expected to be a loss: '4.2' without a sign, '−4.2' where there is a gain.
    """
    if value is None:
        return MISSING
    if unit == "fraction":
        return _signless_zero(f"{100 * value:.1f}")
    if unit == "points":
        return _signless_zero(f"{value:.1f}")
    if unit == "difference":
        return _signless_zero(f"{100 * value:+.1f}").replace("-", "−")
    if unit == "gap":
        return _signless_zero(f"{100 * value:.1f}").replace("-", "−")
    if unit == "examples per class":
        return f"{value:,.1f}"
    if unit == "rank":
        return f"{value:,.1f}".removesuffix(".0")
    if unit == "tau":
        return _signless_zero(f"{value:.2f}").replace("-", "−")
    return f"{value:.4g}"


def suffix(unit: str) -> str:
    """Return what stands behind a number of this unit: '%', 'points', '' for ranks."""
    return {"fraction": "%", "rank": "", "difference": "points", "gap": "points"}.get(unit, unit)


def with_unit(value: float | None, unit: str = "fraction") -> str:
    """Return e.g. '91.2 %', with a narrow space that does not break."""
    text, sign = number(value, unit), suffix(unit)
    return f"{text}\u202f{sign}" if value is not None and sign else text


def interval(measured: Measured) -> str:
    """Return '[89.9, 92.4]' in the value's unit, or '' where there is no interval."""
    return ends(measured.low, measured.high, measured.unit)


def ends(low: float | None, high: float | None, unit: str = "fraction") -> str:
    """Return the ends of an interval as '[89.9, 92.4]', or '' where one is missing."""
    return "" if low is None or high is None else f"[{number(low, unit)}, {number(high, unit)}]"


def half_width(measured: Measured) -> str:
    """Return '± 1.3', half the interval's length in the value's unit, or '' where there is no interval."""
    if measured.low is None or measured.high is None:
        return ""
    return f"± {number((measured.high - measured.low) / 2, measured.unit)}"


def count(value: int) -> str:
    """Return a whole number with thousands separated: '10,000'."""
    return f"{value:,}"


def duration(seconds: float) -> str:
    """Return '0.4 s', '12 s', '3 min 20 s' or '2 h 5 min'."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def percent_of_level(level: float | None) -> str:
    """Return '95 %' for the level 0.95, '' for None."""
    return "" if level is None else f"{100 * level:g}\u202f%"


def _signless_zero(text: str) -> str:
    return text.lstrip("+-") if float(text) == 0 else text
