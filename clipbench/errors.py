"""Errors that a user sees without a traceback: what is wrong, where, and what to do about it."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

_JOINERS = "\u200c\u200d"
"""Characters without width that words of some scripts, and emoji, are written with."""


class UserError(Exception):
    """Something that the user can put right.

    `str(error)` is one line, `where: problem; fix`, and is shown as it is.
    """

    def __init__(self, problem: str, *, where: str | None = None, fix: str | None = None) -> None:
        self.problem = problem
        self.where = where
        self.fix = fix
        super().__init__(problem, where, fix)

    def __str__(self) -> str:
        text = f"{self.where}: {self.problem}" if self.where else self.problem
        return f"{text}; {self.fix}" if self.fix else text


class UnknownName(UserError):
    """A name that stands for nothing here: a misspelt model, a module that cannot be imported, a path without a file.

    Or that may not be used: code, where code is refused. A run is refused for it before anything else happens; whatever
    else is wrong with a part costs that part's jobs.
    """


class Unavailable(UserError):
    """A model or a data set that is not on this machine and cannot be fetched."""


class Damaged(UserError):
    """A file that is not as it was written, and can be made again."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"damaged ({reason})", where=str(path), fix="it is made again")
        self.path = path


def problem_of(error: BaseException) -> str:
    """Return an error as a message: a user's as it is, any other with its type."""
    if isinstance(error, UserError):
        return str(error)
    # Half a character can be printed and stored by nobody.
    told = " ".join(str(error).split()).encode(errors="backslashreplace").decode()
    return f"unexpected {type(error).__name__}" + (f": {told}" if told else "")


def printable(text: str) -> str:
    r"""Return text in one line that sends no command to a terminal: control characters are written out, as \x1b."""
    return "".join(
        character
        if unicodedata.category(character)[0] != "C" or character in _JOINERS
        else character.encode("unicode_escape").decode()
        for character in text
    )


def quoted(names: Sequence[str], limit: int = 8) -> str:
    """Return the first names of a list as a message shows them: "'oak', 'maple', ..."."""
    return ", ".join(map(repr, names[:limit])) + (", ..." if len(names) > limit else "")


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed name that is spelt most like a name; None if none is near."""
    return next(iter(difflib.get_close_matches(name, sorted(set(allowed)), n=1, cutoff=0.6)), None)


def listed(names: Sequence[str], limit: int = 10) -> str:
    """Return the first names of a list as a sentence holds them, and how many more: "oak, maple and 3 more"."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")


def splits_there_are(names: Iterable[str]) -> str:
    """Return what to do where a data set lacks a split: which it has, and that one alone can be divided."""
    known = sorted(names)
    divide = "; `split: {train: 0.8, test: 0.2}` in its definition divides it" if len(known) == 1 else ""
    return f"it has: {', '.join(known) or 'none'}{divide}"


def did_you_mean(name: str, allowed: Iterable[str], limit: int = 12) -> str:
    """Return "did you mean 'x'?" for the nearest allowed name, or else the allowed names."""
    names = sorted(set(allowed))
    if near := nearest(name, names):
        return f"did you mean {near!r}?"
    if not names:
        return "there are none to choose from"
    shown = ", ".join(names[:limit])
    return f"one of: {shown}" + (f", ... ({len(names)} in all)" if len(names) > limit else "")
