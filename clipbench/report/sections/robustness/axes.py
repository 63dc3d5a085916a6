"""A logit scale: accuracies near 0 and 100 % get the room that they need, and a baseline becomes a straight line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clipbench.metrics.shift import logit as logits
from clipbench.report.figures.axes import ticked, titled

_TIERS = (
    (50.0, 10.0, 90.0, 1.0, 99.0, 0.1, 99.9, 0.01, 99.99),
    (20.0, 80.0, 30.0, 70.0, 5.0, 95.0, 2.0, 98.0, 0.5, 99.5, 0.2, 99.8, 40.0, 60.0),
    tuple(float(percent) for percent in range(15, 90, 10)),
    tuple(float(percent) for percent in range(4, 97, 2)),
    tuple(float(percent) for percent in range(3, 98)),
    tuple(tenth / 10 for tenth in range(2, 999)),
)
"""Ticks in percent, rounder ones first."""

_ENOUGH = 4
"""Ticks from which on no less round ones are added."""

_MARGIN = 0.05
_LEAST = 1e-6
_NARROWEST = 0.2
"""In logits: 5 points around 50 %."""


@dataclass(frozen=True)
class LogitScale:
    """Where shares stand on an axis."""

    low: float
    """Its ends, in logits."""
    high: float

    def place(self, share: float) -> float:
        """Return a share's logit; beyond the ends, and for 0 and 1, the axis' edge."""
        if share <= 0:
            return self.low
        return self.high if share >= 1 else min(max(logit(share), self.low), self.high)

    def holds(self, share: float) -> bool:
        """Return whether a share stands within the ends; 0 and 1, which are drawn at the edge, do."""
        return not 0 < share < 1 or self.low <= logit(share) <= self.high

    def part(self, share: float) -> float:
        """Return where a share stands between the ends, from 0 to 1."""
        return (self.place(share) - self.low) / (self.high - self.low)


def logit(share: float) -> float:
    """Return ln(p / (1 - p)) of a share in (0, 1)."""
    return float(logits(share))


def bounded_logit(share: float) -> float:
    """Return the logit of a share in [0, 1] that is finite for 0 and 1 too: for lines that leave the figure."""
    return logit(min(max(share, _LEAST), 1 - _LEAST))


def scale(shares: Sequence[float]) -> LogitScale:
    """Return a scale that holds all shares, in [0, 1]; 0 and 1, which have no logit, stand at its edges."""
    places = [logit(share) for share in shares if 0 < share < 1] or [logit(0.01), logit(0.99)]
    low, high = min(places), max(places)
    if high - low < _NARROWEST:
        low, high = (low + high - _NARROWEST) / 2, (low + high + _NARROWEST) / 2
    margin = _MARGIN * (high - low)
    return LogitScale(low - margin, high + margin)


def axis(extent: LogitScale, title: str, between: float, *, upright: bool = False) -> dict[str, Any]:
    """Return an axis in percent.

    Args:
        extent: what it holds.
        title: already escaped.
        between: the least distance of two ticks as a part of the axis.
        upright: whether it is a vertical one, which needs room for its labels.
    """
    ticks = sorted(_ticks(extent, between))
    texts = [f"{tick:g}" for tick in ticks]
    if texts:
        texts[-1] += "\u202f%"
    places = [logit(tick / 100) for tick in ticks]
    room = {"automargin": True, "ticklabelstandoff": 4} if upright else {}
    return ticked([extent.low, extent.high], places, texts) | titled(title) | room


def _ticks(extent: LogitScale, between: float) -> list[float]:
    """Choose ticks inside, those of the rounder tiers first, that do not crowd each other."""
    kept: list[float] = []
    for tier in _TIERS:
        for tick in tier:
            place = extent.part(tick / 100)
            free = all(abs(place - extent.part(other / 100)) >= between for other in kept)
            if free and extent.low <= logit(tick / 100) <= extent.high:
                kept.append(tick)
        if len(kept) >= _ENOUGH:
            break
    return kept
