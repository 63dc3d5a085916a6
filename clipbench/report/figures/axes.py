"""Axes of curves: ticks that a reader can count on, in plotly's terms and without colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

_STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25)
_TICKS = 5
_NARROWEST = 0.02
"""The shortest stretch that an axis of shares shows, so that noise does not look like a trend."""

_DIGIT = 0.027
"""Width of one character as a part of the axis, in the narrowest card."""


def percent(values: Sequence[float]) -> dict[str, Any]:
    """Return a vertical axis in percent around some shares, all of its ends being ticks."""
    low, high = min(values), max(values)
    if high - low < _NARROWEST:
        centre = min(max((low + high) / 2, _NARROWEST / 2), 1 - _NARROWEST / 2)
        low, high = centre - _NARROWEST / 2, centre + _NARROWEST / 2
    ticks = _even(low, high)
    texts = [f"{100 * tick:g}" for tick in ticks]
    texts[-1] += "\u202f%"
    margin = 0.04 * (ticks[-1] - ticks[0])
    return ticked([ticks[0] - margin, ticks[-1] + margin], ticks, texts) | {"automargin": True, "ticklabelstandoff": 4}


def whole_share() -> dict[str, Any]:
    """Return a horizontal axis from 0 to 100 %."""
    return ticked([-0.02, 1.02], [0, 0.25, 0.5, 0.75, 1], ["0", "", "50", "", "100\u202f%"])


def whole(values: Sequence[int]) -> dict[str, Any]:
    """Return a horizontal axis with every whole number as a tick."""
    return ticked([min(values) - 0.4, max(values) + 0.4], list(values), [str(value) for value in values])


def differences(values: Sequence[float]) -> dict[str, Any]:
    """Return a horizontal axis in points through zero for differences of shares."""
    ticks = _even(min(0.0, *values), max(_NARROWEST, *values))
    texts = [f"{100 * tick:g}".replace("-", "−") for tick in ticks]
    margin = 0.02 * (ticks[-1] - ticks[0])
    axis = ticked([ticks[0] - margin, ticks[-1] + margin], ticks, texts)
    return axis | {"zeroline": True, "zerolinewidth": 1}


def _even(low: float, high: float) -> list[float]:
    """Return even ticks from below `low` to above `high`."""
    # Rounding keeps 0.3 / 0.1 from being 2.9999.
    step = next((step for step in _STEPS if round((high - low) / step, 6) <= _TICKS - 1), _STEPS[-1])
    first, last = math.floor(round(low / step, 6)), math.ceil(round(high / step, 6))
    return [round(place * step, 6) for place in range(first, last + 1)]


def decades(values: Sequence[float], title: str) -> dict[str, Any]:
    """Return a logarithmic axis with powers of ten as ticks."""
    low, high = math.log10(min(values)), math.log10(max(values))
    step = max(1, math.ceil((high - low) / 6))
    exponents = range(math.ceil(low / step - 1e-9) * step, math.floor(high + 1e-9) + 1, step)
    ticks = [10.0**exponent for exponent in exponents] or [min(values)]
    return _logarithmic(low, high, ticks, [_power(tick) for tick in ticks], title)


def counts(values: Sequence[float], title: str) -> dict[str, Any]:
    """Return a logarithmic axis with the values themselves as ticks, as far as their labels have room."""
    distinct = sorted(set(values))
    low, high = math.log10(distinct[0]), math.log10(distinct[-1])
    span = (high - low or 1.0) * 1.12
    ticks: list[float] = []
    texts: list[str] = []
    for value in distinct:
        label = f"{value:,.0f}" if value >= 10 else f"{value:,.3g}"
        if ticks:
            room = (math.log10(value) - math.log10(ticks[-1])) / span
            if room < _DIGIT * ((len(label) + len(texts[-1])) / 2 + 0.8):
                continue
        ticks.append(value)
        texts.append(label)
    return _logarithmic(low, high, ticks, texts, title)


def plain(title: str) -> dict[str, Any]:
    """Return an axis of any numbers, whose ticks plotly places."""
    return {"fixedrange": True, "zeroline": False, "nticks": 6, "tickangle": 0, "automargin": True} | titled(title)


def _logarithmic(low: float, high: float, ticks: list[float], texts: list[str], title: str) -> dict[str, Any]:
    margin = 0.06 * (high - low) or 0.3
    return ticked([low - margin, high + margin], ticks, texts) | {"type": "log"} | titled(title)


def ticked(extent: Sequence[float], ticks: Sequence[float], texts: Sequence[str]) -> dict[str, Any]:
    """Return an axis with these ends and ticks."""
    return {
        "range": list(extent),
        "tickmode": "array",
        "tickvals": list(ticks),
        "ticktext": list(texts),
        "tickangle": 0,
        "fixedrange": True,
        "zeroline": False,
    }


def titled(title: str) -> dict[str, Any]:
    """Return the title of an axis, which is already escaped."""
    return {"title": {"text": title, "standoff": 8, "font": {"size": 12}}}


def _power(value: float) -> str:
    exponent = round(math.log10(value))
    return f"{value:g}" if 0 <= exponent <= 2 else f"10<sup>{exponent}</sup>".replace("-", "−")
