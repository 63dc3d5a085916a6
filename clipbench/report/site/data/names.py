"""Names in a site's addresses and files, and texts without the folders of the machine that they come from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from clipbench.fingerprint import digest

_LONGEST = 60
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})
"""No file may have these names on Windows."""

_PATH = re.compile(
    r"(?<![\w/\\.])(?:file://|~|[A-Za-z]:)?(?:/|\\{1,2})(?:[^\s/\\'\"<>|:*?]+[/\\])+(?P<name>[^\s/\\'\"<>|:*?,;)\]]*)"
)
"""An absolute path of two parts at least, with what it ends in. An address on the web has two slashes."""


def slugs(names: Iterable[str]) -> Mapping[str, str]:
    """Return for each name a word of a-z, 0-9 and hyphens, at most 69 long, no two alike.

    It stays the same whatever other names there are, save that of two names which differ in case or punctuation alone
    each has a digest of its own behind it.
    """
    plain = {name: _words(name) for name in names}
    taken: dict[str, set[str]] = {}
    for name, word in plain.items():
        taken.setdefault(word, set()).add(name)
    return {name: word if len(taken[word]) == 1 or name == word else _told(name, word) for name, word in plain.items()}


def _words(name: str) -> str:
    word = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    cut = word[:_LONGEST].strip("-")
    whole = cut == word and word and name.isascii() and word not in _RESERVED
    # Else a name could be chosen that has the address of another one.
    return cut if whole and not re.search(r"(^|-)[0-9a-f]{8}$", word) else _told(name, cut)


def _told(name: str, word: str) -> str:
    return "-".join(part for part in (word, digest(name)[:8]) if part)


def without_paths(value: Any) -> Any:
    """Return a JSON-like value whose texts name files without their folders."""
    if isinstance(value, str):
        return _PATH.sub(lambda found: f"…/{found['name']}", value)
    if isinstance(value, Mapping):
        return {str(without_paths(str(name))): without_paths(part) for name, part in value.items()}
    return [without_paths(part) for part in value] if isinstance(value, list | tuple) else value
