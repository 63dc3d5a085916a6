"""Lists and numbers within the sentences of notes."""

from __future__ import annotations

from collections.abc import Sequence


def points(fraction: float) -> str:
    """Return a difference of fractions in points, e.g. '3.7' or '−3.7'."""
    return f"{100 * fraction:.1f}".replace("-", "−")


def signed(fraction: float) -> str:
    """Return a difference of fractions in points with its sign, e.g. '+3.7' or '−3.7'; none where it rounds to 0.0."""
    return f"{100 * fraction:+.1f}".replace("-", "−") if abs(fraction) >= 0.0005 else "0.0"


def ends(low: float, high: float, sign: int = 1) -> str:
    """Return ' (95 % interval 1.2 to 3.4)' of a difference of fractions, turned round where the sign is -1."""
    first, second = sorted((sign * low, sign * high))
    return f" (95 % interval {points(first)} to {points(second)})"


def both(classes: Sequence[str], first: int, second: int) -> str:
    """Return two classes that need their numbers to be told apart: 'missile (657) and missile (744)'."""
    return f"{classes[first]} ({first}) and {classes[second]} ({second})"


def listed(names: Sequence[str], limit: int = 10) -> str:
    """Return names joined by commas, the first few and how many more."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")
