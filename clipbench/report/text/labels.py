"""Names as a reader sees them: in order, counted, and cut to fit beside a figure so that they can be told apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from os.path import commonprefix

from clipbench.stats.intervals import KINDS

REGIMES = ("benchmark", "shift", "field", "")
"""In the order in which a page shows them; '' is undeclared."""

_SEPARATORS = ":/ "


def regime_order(name: str) -> tuple[int, str]:
    """Return a sort key: benchmark, shift, field, undeclared, then anything else."""
    return (REGIMES.index(name), "") if name in REGIMES else (len(REGIMES), name)


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that puts 'set-2' before 'set-10'."""
    parts = re.findall(r"[0-9]{1,18}|[^0-9]+|[0-9]+", name)
    return tuple((0, int(part), "") if part.isdecimal() and len(part) <= 18 else (1, 0, part) for part in parts)


def capitalised(text: str) -> str:
    """Return a text with a capital first letter, the others as they are."""
    return text[:1].upper() + text[1:]


def counted(count: int, noun: str) -> str:
    """Return e.g. '1 job', '2,000 jobs'."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def sets(count: int, regime: str) -> str:
    """Return e.g. '5 benchmark sets'."""
    return counted(count, f"{regime} set" if regime else "set")


def interval(kind: str) -> str:
    """Return what an interval of this kind is."""
    return KINDS[kind].label if kind in KINDS else kind


def short_interval(kind: str) -> str:
    """Return an interval's name for a narrow column, e.g. 'Wilson'."""
    return KINDS[kind].short if kind in KINDS else kind


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
    counts, seen = Counter(short.values()), Counter[str]()
    for name, text in short.items():
        if counts[text] > 1:
            seen[text] += 1
            short[name] = f"{text} ({seen[text]})"
    return short


def _without_common_ends(lines: dict[str, str]) -> dict[str, str]:
    if len(lines) < 2:
        return lines
    start = _past_last_separator(list(lines.values()))
    end = _past_last_separator([line[start:][::-1] for line in lines.values()])
    kept = {name: line[start : len(line) - end] for name, line in lines.items()}
    return kept if all(kept.values()) else lines


def _past_last_separator(lines: list[str]) -> int:
    """Return the length of what all lines begin with, up to and with the last separator in it."""
    same = commonprefix(lines)  # noqa: RUF071 - the names of checkpoints are no paths
    return max(map(same.rfind, _SEPARATORS)) + 1


def cut(line: str, limit: int) -> str:
    """Return a line of at most `limit` characters: what is too long loses its middle."""
    if len(line) <= limit:
        return line
    head = (limit - 1) * 3 // 5
    return f"{line[:head]}…{line[len(line) - (limit - 1 - head) :]}"
