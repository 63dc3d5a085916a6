"""Citing one build of a site: by its date and the digest of its numbers, whoever hosts them."""

from __future__ import annotations

from clipbench.report.citations import entry, entry_key
from clipbench.report.site.pages.base import SiteData

_DIGITS = 16
"""Of the digest: enough to tell builds apart, few enough to print."""


def sentence(data: SiteData) -> str:
    """Return a sentence that names the build."""
    return f"{data.title}. {_note(data)}."


def bibtex(data: SiteData) -> str:
    """Return BibTeX entries of the build and of the published tables that it shows."""
    entries = {f"board-{data.content[:8]}": {"title": data.title, "year": data.made[:4], "note": _note(data)}}
    for table in data.board.published:
        note = f"{table.citation}; licence: {table.licence}"
        entries[entry_key("table", table.key)] = {"title": table.title, "howpublished": table.url, "note": note}
    return "\n".join(entry(key, fields) for key, fields in entries.items())


def _note(data: SiteData) -> str:
    return f"Leaderboard made by clipbench on {data.made[:10]}, content {data.content[:_DIGITS]}"
