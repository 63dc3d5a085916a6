"""Where the names of points stand in a scatter, so that they cover neither each other nor the points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 240, 330
"""Of the area that is planned for, in pixels: a phone's. In a wider one everything only moves apart."""

_CHARACTER, _LINE, _MARK = 7.6, 16.0, 8.0
_ROUNDS = 3


@dataclass(frozen=True)
class NamedPoint:
    """A point with the name that stands beside it; x and y in [0, 1] from the lower left."""

    x: float
    y: float
    name: str


@dataclass(frozen=True)
class _Box:
    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: _Box) -> float:
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, wide) * max(0.0, high)

    @property
    def outside(self) -> float:
        inside = self.overlap(_Box(0, 0, WIDTH, HEIGHT))
        return (self.right - self.left) * (self.top - self.bottom) - inside


_SIDES = (
    ("middle left", -1, 0),
    ("middle right", 1, 0),
    ("top center", 0, 1),
    ("bottom center", 0, -1),
    ("top left", -1, 1),
    ("top right", 1, 1),
    ("bottom left", -1, -1),
    ("bottom right", 1, -1),
)
"""Plotly's text positions with the direction that they lie in."""


def positions(points: Sequence[NamedPoint]) -> tuple[str, ...]:
    """Return for each point plotly's position of its name: the first that is free, else the one least covered."""
    marks = [_box(point.x * WIDTH, point.y * HEIGHT, 2 * _MARK, 2 * _MARK) for point in points]
    choices = [[_beside(point, across, up) for _, across, up in _SIDES] for point in points]
    chosen: dict[int, int] = {}
    # A name may move again once the later ones have found their place.
    for _ in range(_ROUNDS):
        for at, boxes in enumerate(choices):
            others = marks + [choices[other][side] for other, side in chosen.items() if other != at]
            costs = [box.outside + sum(box.overlap(other) for other in others) for box in boxes]
            chosen[at] = costs.index(min(costs))
    return tuple(_SIDES[chosen[at]][0] for at in range(len(points)))


def _beside(point: NamedPoint, across: int, up: int) -> _Box:
    wide = _CHARACTER * len(point.name)
    x = point.x * WIDTH + across * (_MARK + wide / 2)
    y = point.y * HEIGHT + up * (_MARK + _LINE / 2)
    return _box(x, y, wide, _LINE)


def _box(x: float, y: float, wide: float, high: float) -> _Box:
    return _Box(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
