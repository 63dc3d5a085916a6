"""Nothing below `clipbench.report` reads the meaning of a text that another room made: what it needs is a field."""

from __future__ import annotations

import re

import pytest

from ..conftest import REPOSITORY

REPORT = REPOSITORY / "clipbench" / "report"
MATCHING = "startswith|endswith|partition|rpartition|removeprefix|removesuffix|split|rsplit|find"
PROSE = "caption|label|note|notes|text|title|variant"
# Without a separator, `split` only joins lines and removes blanks; an empty text says that there is none.
PATTERN = re.compile(
    rf"""^\s*(?:import|from)\ re\b | \.(?:{MATCHING})\((?!\)) | is\ match | regex
    | \.(?:{PROSE})\ (?:==|!=|in)\ ["'](?!["']) | ["']\ (?:==|!=|in)\ [\w.]+\.(?:{PROSE})\b""",
    re.MULTILINE | re.VERBOSE,
)
ALLOWED = {
    "site/check/layout.py": "the names of files that may lie in a submission, and the first line of its README",
    "site/check/record.py": "digests are hexadecimal",
    "site/data/changes.py": "a board of an earlier build may be hostile",
    "site/data/files.py": "the ending of a picture's media type names its file",
    "site/data/measured.py": "what a model was loaded by has an adapter's prefix",
    "site/data/names.py": "names become parts of file names and addresses",
    "site/folder.py": "names of files in the manifest of an earlier build",
    "site/pages/dataset/dataset.html.j2": "an address within a source becomes a link",
    "site/pages/model/loading.py": "what a model was loaded by has an adapter's prefix",
    "pictures.py": "the first bytes of a file say what kind of image it is",
    "tables.py": "escapes what Markdown and LaTeX would interpret",
    "text/numbers.py": "the first character of a cell tells a formula",
    "text/labels.py": "numbers within names, so that set-2 stands before set-10",
}


def test_no_text_is_taken_apart() -> None:
    sources = (path for path in REPORT.rglob("*") if path.suffix in {".py", ".j2"})
    found = {path.relative_to(REPORT).as_posix(): PATTERN.findall(path.read_text("utf-8")) for path in sources}
    assert {name: matches for name, matches in found.items() if matches and name not in ALLOWED} == {}
    assert all(found[name] for name in ALLOWED)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        *((line, True) for line in ("import re", "from re import match", "job.variant.split(', ')")),
        *((line, True) for line in ("note.startswith('No ')", "job.variant == 'photo'", "spec.label != 'top-1'")),
        ("'against' in finding.note", True),
        *((line, False) for line in ("' '.join(name.split())", "job.variant != ''", "job.task == 'knn'")),
        ("note in notes", False),
    ],
)
def test_what_is_looked_for_is_found(line: str, found: bool) -> None:
    assert bool(PATTERN.search(line)) == found
