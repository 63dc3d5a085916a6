"""What the closed boxes of a page hold, as a reader sees it once its script has set it out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any


def held_data(page: str) -> dict[str, Any]:
    """What the closed boxes of a page hold."""
    found = re.search(r'<script type="application/json" id="held">(.*?)</script>', page, re.DOTALL)
    return json.loads(found[1]) if found else {"values": [], "blocks": [], "boxes": []}


def boxes(page: str) -> list[list[list[Any]]]:
    """The blocks of each closed box."""
    data = held_data(page)
    return [[data["blocks"][place] for place in box] for box in data["boxes"]]


def unfolded(page: str) -> list[str]:
    """The texts of each closed box, as its script sets them out."""
    data = held_data(page)

    def texts(value: object) -> Iterator[str]:
        if isinstance(value, list):
            for part in value:
                yield from texts(part)
        elif isinstance(value, str) and not value.startswith("data:"):
            yield value

    def places(part: object) -> Iterator[str]:
        if isinstance(part, list):
            for inner in part:
                yield from places(inner)
        elif isinstance(part, int):
            yield from texts(data["values"][part])

    def set_out(block: list[Any]) -> Iterator[str]:
        kind, *parts = block
        if kind in {"grids", "pair"}:
            for inner in parts[0]:
                yield from set_out(data["blocks"][inner])
        else:
            # What is no place: the height and specification of a figure, whether a table scrolls.
            yield from places(parts[:4] if kind == "curve" else [*parts[:2], *parts[3:]] if kind == "grid" else parts)

    return [" ".join(" ".join(text.split()) for block in box for text in set_out(block)) for box in boxes(page)]
