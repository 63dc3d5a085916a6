"""Nothing below `clipbench.report` reads the meaning of a text that another room made: what it needs is a field."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from ..conftest import REPOSITORY

REPORT = REPOSITORY / "clipbench" / "report"
MATCHING = {
    "startswith",
    "endswith",
    "partition",
    "rpartition",
    "removeprefix",
    "removesuffix",
    "split",
    "rsplit",
    "find",
}
PROSE = {"caption", "label", "note", "notes", "text", "title", "variant"}
ALLOWED = {
    "pictures.py": "the first bytes of a file say what kind of image it is",
    "tables.py": "escapes what Markdown and LaTeX would interpret",
    "text/labels.py": "numbers within names, so that set-2 stands before set-10",
}
SOURCES = sorted(path.relative_to(REPORT).as_posix() for path in REPORT.rglob("*.py"))


def matches(source: str) -> Iterator[str]:
    """Yield what in a module takes texts apart, or compares one that is made for readers."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from (f"{node.lineno}: import re" for name in names if name == "re")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MATCHING:
            # Without a separator it only joins lines and removes blanks.
            if node.args or node.func.attr != "split":
                yield f"{node.lineno}: .{node.func.attr}("
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            literal = any(isinstance(side, ast.Constant) and side.value not in (None, "") for side in sides)
            if literal and any(isinstance(side, ast.Attribute) and side.attr in PROSE for side in sides):
                yield f"{node.lineno}: compares {ast.unparse(node)}"


@pytest.mark.parametrize("name", SOURCES)
def test_no_text_is_taken_apart(name: str) -> None:
    found = list(matches((REPORT / name).read_text(encoding="utf-8")))
    assert bool(found) == (name in ALLOWED), found


def test_no_template_takes_a_text_apart() -> None:
    pattern = re.compile(rf"\.({'|'.join(MATCHING)})\(|is match|regex")
    found = {path.name: pattern.findall(path.read_text(encoding="utf-8")) for path in REPORT.rglob("*.j2")}
    assert not {name: parts for name, parts in found.items() if parts}


@pytest.mark.parametrize(
    "line",
    [
        "import re",
        "from re import match",
        "job.variant.split(', ')",
        "note.startswith('No ')",
        "job.variant == 'photo'",
        "'against' in finding.note",
        "spec.label != 'top-1'",
    ],
)
def test_what_is_looked_for_is_found(line: str) -> None:
    assert list(matches(line))


@pytest.mark.parametrize("line", ["' '.join(name.split())", "job.variant != ''", "job.task == 'knn'", "note in notes"])
def test_what_reads_no_text_is_let_be(line: str) -> None:
    assert not list(matches(line))
