"""Which files a submission may have: small, regular, and named as clipbench names them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clipbench.errors import UserError

README = "README.md"
MOST_FILES = 20_000


@dataclass(frozen=True)
class _Kind:
    """Files of one folder."""

    name: re.Pattern[str]
    told: str
    largest: int
    """Bytes."""


_HASH = r"[0-9a-f]{32}"
KINDS = {
    "jobs": _Kind(re.compile(rf"{_HASH}\.json"), "HASH.json, 32 digits of 0-9a-f", 16_000_000),
    "examples": _Kind(re.compile(rf"{_HASH}\.parquet"), "HASH.parquet, 32 digits of 0-9a-f", 64_000_000),
    "runs": _Kind(re.compile(r"\w[\w.-]{0,90}\.json"), "SUITE.json", 4_000_000),
}
_LEFT_OUT = {
    "thumbs": "remove it: pictures of data sets are not published from a submission",
    "analyses": "remove it: a site makes all analyses again",
    "report.html": "remove it: a site has pages of its own",
}
_LONGEST_README = 256_000
_FEWER = "publish fewer data sets in one submission"


@dataclass(frozen=True)
class Layout:
    """A submission's files, as far as they may be read."""

    jobs: list[Path] = field(default_factory=list)
    examples: list[Path] = field(default_factory=list)
    runs: list[Path] = field(default_factory=list)
    problems: list[UserError] = field(default_factory=list)


def layout_of(folder: Path) -> Layout:
    """Look at a submission's files without reading them; links are not followed."""
    found = Layout()
    if folder.is_symlink() or not folder.is_dir():
        found.problems.append(UserError("is no folder", where=str(folder), fix="a submission is a results folder"))
        return found
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", folder.resolve().name):
        fix = "call it by a-z, 0-9 and hyphens, at most 64"
        found.problems.append(UserError(f"is called {folder.resolve().name!r}", where=str(folder), fix=fix))
    for path in sorted(folder.iterdir()):
        if path.name in KINDS and path.is_dir() and not path.is_symlink():
            getattr(found, path.name).extend(_of_kind(path, KINDS[path.name], found.problems))
        elif path.name != README:
            found.problems.append(_foreign(path))
    found.problems.extend(_of_readme(folder / README))
    for name in ("jobs", "runs"):
        if not getattr(found, name):
            whole = "copy jobs/, examples/ and runs/ of a results folder whole"
            found.problems.append(UserError(f"has no file in {name}/", where=str(folder), fix=whole))
    return found


def _of_kind(folder: Path, kind: _Kind, problems: list[UserError]) -> Iterator[Path]:
    """Yield the files of a folder that may be read."""
    paths = sorted(folder.iterdir())
    if len(paths) > MOST_FILES:
        problem = f"has {len(paths):,} files, of at most {MOST_FILES:,}"
        problems.append(UserError(problem, where=str(folder), fix=_FEWER))
        return
    for path in paths:
        if wrong := _wrong(path, kind.largest):
            problems.append(wrong)
        elif not kind.name.fullmatch(path.name):
            fix = f"expected {folder.name}/{kind.told}"
            problems.append(UserError("is not called as clipbench calls its files", where=str(path), fix=fix))
        else:
            yield path


def _wrong(path: Path, largest: int) -> UserError | None:
    if path.is_symlink():
        return UserError("is a link", where=str(path), fix="put the file itself there")
    if not path.is_file():
        return UserError("is no regular file", where=str(path), fix="remove it")
    if (size := path.stat().st_size) > largest:
        problem = f"has {size:,} bytes, of at most {largest:,}"
        return UserError(problem, where=str(path), fix=_FEWER)
    return None


def _foreign(path: Path) -> UserError:
    if path.name in KINDS:
        return UserError("is no folder, or a link", where=str(path), fix="put the folder itself there")
    fix = _LEFT_OUT.get(path.name) or f"remove it: a submission has {README}, jobs/, examples/ and runs/ alone"
    return UserError("is no part of a submission", where=str(path), fix=fix)


def _of_readme(path: Path) -> Iterator[UserError]:
    fix = "say in it who measured what, and by which command, under a heading '# NAME'"
    if not path.exists():
        near = [other.name for other in path.parent.iterdir() if other.name.lower().startswith("readme")]
        yield UserError("is missing", where=str(path), fix=f"rename {near[0]}" if near else fix)
    elif problem := _wrong(path, _LONGEST_README):
        yield problem
    else:
        try:
            lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        except UnicodeDecodeError:
            lines = []
        if len(lines) < 2 or not lines[0].startswith("# "):
            yield UserError("is no text with a heading", where=str(path), fix=fix)
