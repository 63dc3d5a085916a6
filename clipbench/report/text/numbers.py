"""Numbers as a reader sees them: percentages with one decimal, intervals in the same unit."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

if TYPE_CHECKING:
    from clipbench.report.averages import Average
    from clipbench.results.records import Record

    Measured: TypeAlias = Record | Average

MISSING = "–"

_FORMS = {
    "fraction": (100, ".1f"),
    "points": (1, ".1f"),
    "difference": (100, "+.1f"),
    "gap": (100, ".1f"),
    "examples per class": (1, ",.10g"),
    "rank": (1, ",.10g"),
    "count": (1, ",.10g"),
    "tau": (1, ".2f"),
    "kappa": (1, ".2f"),
}
"""By unit: what a value is multiplied by, and how it is written; other numbers have four digits."""

_SUFFIXES = {"fraction": "%", "difference": "points", "gap": "points", "rank": "", "count": "", "p": "", "number": ""}

_SMALL_P = 0.001


@lru_cache(maxsize=50_000, typed=True)
def number(value: float | None, unit: str = "fraction") -> str:
    """Return a value without its unit: '91.2' for the fraction 0.912, '+4.2' for a difference, '3.5' for a rank.

    A gap is a difference that is expected to be a loss: '4.2' without a sign, '−4.2' where there is a gain.
    """
    if value is None:
        return MISSING
    if unit == "p":
        return f"{value:.3f}" if value >= _SMALL_P else f"< {_SMALL_P}"
    scale, form = _FORMS.get(unit, (1, ".4g"))
    text = f"{scale * (round(value, 1) if unit == 'rank' else value):{form}}"
    signless = float(text.replace(",", "")) == 0
    return (text.lstrip("+-") if signless else text).replace("-", "−")


def suffix(unit: str) -> str:
    """Return what stands behind a number of this unit: '%', 'points', '' for ranks."""
    return _SUFFIXES.get(unit, unit)


def cell(value: object, unit: str = "") -> str:
    """Return the cell of a table: a fraction with its sign, other numbers of a unit without it, a text as it is."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return MISSING
    if not is_number(value):
        return str(value)
    if not unit:
        return count(value) if isinstance(value, int) else number(value, unit)
    return with_unit(value) if unit == "fraction" else number(value, unit)


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a cell of a table holds a number; a truth value is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


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


def with_ends(value: float | None, low: float | None, high: float | None, unit: str = "fraction") -> str:
    """Return e.g. '91.2 % [89.9, 92.4]', the value alone where an end is missing."""
    return f"{with_unit(value, unit)} {ends(low, high, unit)}".rstrip()


def with_interval(measured: Measured) -> str:
    """Return e.g. '91.2 % [89.9, 92.4]', the value alone where there is no interval."""
    return with_ends(measured.value, measured.low, measured.high, measured.unit)


def half_width(measured: Measured) -> str:
    """Return '± 1.3', half the interval's length in the value's unit, or '' where there is no interval."""
    if measured.low is None or measured.high is None:
        return ""
    unit = "gap" if measured.unit == "difference" else measured.unit
    return f"± {number((measured.high - measured.low) / 2, unit)}"


def count(value: int) -> str:
    """Return a whole number with thousands separated: '10,000'."""
    return f"{value:,}".replace("-", "−")


def ranks(lowest: int, highest: int) -> str:
    """Return the ranks that a model may have: '2', or '1–3'."""
    return f"{lowest}" if lowest == highest else f"{lowest}–{highest}"


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


def formula_safe(text: str) -> str:
    """Return a cell that a spreadsheet takes for text: what it would compute gets an apostrophe; numbers stay.

    Source: OWASP, CSV injection.
    """
    if not text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
