"""Model names cut to fit beside a figure, so that they can still be told apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_SEPARATORS = ":/ "


def short_names(names: Sequence[str], limit: int) -> dict[str, str]:
    """Return for each name one of about `limit` characters at most.

    Where any is too long, what all have in common before a separator (`open_clip:`) or behind one is left
    out, then what is still too long loses its middle: what tells checkpoints apart is at both ends. Names
    that would look the same are numbered.
    """
    lines = {name: " ".join(name.split()) for name in names}
    if any(len(line) > limit for line in lines.values()):
        lines = _without_common_ends(lines)
    short = {name: cut(line, limit) for name, line in lines.items()}
    twice = {text for text, count in Counter(short.values()).items() if count > 1}
    seen: Counter[str] = Counter()
    for name, text in short.items():
        if text in twice:
            seen[text] += 1
            short[name] = f"{text} ({seen[text]})"
    return short


def _without_common_ends(lines: dict[str, str]) -> dict[str, str]:
    if len(lines) < 2:
        return lines
    head = _common_start(list(lines.values()))
    start = max((place + 1 for place, character in enumerate(head) if character in _SEPARATORS), default=0)
    rest = {name: line[start:] for name, line in lines.items()}
    tail = _common_start([line[::-1] for line in rest.values()])[::-1]
    found = re.search(f"[{_SEPARATORS}]", tail)
    end = len(tail) - found.start() if found else 0
    kept = {name: line[: len(line) - end] for name, line in rest.items()}
    return kept if all(kept.values()) else lines


def _common_start(lines: Sequence[str]) -> str:
    first, last = min(lines), max(lines)
    same = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(map(len, lines)))
    return first[:same]


def cut(line: str, limit: int) -> str:
    """Return a line of at most `limit` characters: what is too long loses its middle."""
    if len(line) <= limit:
        return line
    head = (limit - 1) * 3 // 5
    return f"{line[:head]}…{line[len(line) - (limit - 1 - head) :]}"
