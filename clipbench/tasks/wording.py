"""Lists within the sentences of notes."""

from __future__ import annotations

from collections.abc import Sequence


def listed(names: Sequence[str], limit: int = 10) -> str:
    """Return names joined by commas, the first few and how many more."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")
