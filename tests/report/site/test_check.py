"""Submissions to a published board, sound ones and hostile ones."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner

from clipbench.cli.main import app
from clipbench.report.site.check.submission import check_submissions
from clipbench.report.site.site import write_site
from clipbench.results.folder import Results
from clipbench.results.names import expected_hash
from clipbench.results.records import JobResult

from ...conftest import REPOSITORY
from .test_links import broken

EXAMPLE = REPOSITORY / "reports" / "submissions" / "clip-tiny"
JOB = "4baa8dad184bf356be81f5409f528b25"
"""Zero-shot on digits."""
Change = Callable[[Path], object]
Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A submission of one job."""
    others = shutil.ignore_patterns(*(f"{path.stem}.*" for path in (EXAMPLE / "jobs").iterdir() if path.stem != JOB))
    return Path(shutil.copytree(EXAMPLE, tmp_path / "clip-tiny", ignore=others))


def told(*folders: Path) -> list[str]:
    """The problems, with paths from the submission's folder on."""
    return [
        str(problem).replace(f"{folder.parent}/", "")
        for folder, found in zip(folders, check_submissions(folders), strict=True)
        for problem in found.problems
    ]


def record(edit: Edit, name: str = f"jobs/{JOB}.json") -> Change:
    def change(folder: Path) -> None:
        document = json.loads((folder / name).read_text())
        edit(document)
        (folder / name).write_text(json.dumps(document))

    return change


def value(to: Any, *keys: str | int) -> Change:
    def edit(document: dict[str, Any]) -> None:
        place: Any = document
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = to

    return record(edit)


def raw(content: bytes, name: str = f"jobs/{JOB}.json") -> Change:
    return lambda folder: (folder / name).write_bytes(content)


def linked(name: str) -> Change:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to("/etc/passwd")

    return change


def table(edit: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    def change(folder: Path) -> None:
        path = folder / "examples" / f"{JOB}.parquet"
        edit(pd.read_parquet(path)).to_parquet(path, index=False)

    return change


def huge(folder: Path) -> None:
    with (folder / "jobs" / f"{JOB}.json").open("r+b") as file:
        file.truncate(20_000_000)


def bomb(folder: Path) -> None:
    """A short file of a long text a million times."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000_000, pa.int32()), pa.array(["x" * 1_000_000]))
    pq.write_table(pa.table({"id": texts}), folder / "examples" / f"{JOB}.parquet", store_schema=False)


def renamed(folder: Path) -> None:
    (folder / "jobs" / f"{JOB}.json").rename(folder / "jobs" / f"{'0' * 32}.json")


def better(folder: Path) -> None:
    """All answers right, the record's value and interval with them: only the table tells."""
    edit = {"value": 1.0, "low": 0.9957311, "high": 1.0}
    record(lambda document: document["records"][0].update(edit))(folder)


def odd_plugin(folder: Path) -> None:
    declared = {"metrics": [{"name": "{a}_{a}", "label": "x"}]}
    record(lambda document: document.update(task="mine", declared=declared))(folder)


HOSTILE: dict[str, tuple[Change, str]] = {
    "another's results under one's own name": (value("best-clip", "model"), "hash is 4baa8dad.* give another name"),
    "other weights": (value("0" * 64, "pedigree", "weights"), "hash is 4baa8dad.* give another name"),
    "no weights": (value("", "pedigree", "weights"), "pedigree.weights is missing"),
    "no prompts": (value("", "pedigree", "prompts"), "pedigree.prompts is missing"),
    "labels that are no digest": (value("labels", "pedigree", "labels"), "pedigree.labels is 'labels', no sha256"),
    "a value beyond its unit": (value(1.5, "records", 0, "value"), r"records\[0\].value is 1.5, outside 0 to 1"),
    "a value without its interval": (value(0.5, "records", 0, "value"), r"records\[0\].low and high.* leave out"),
    "a narrower interval": (value(0.98, "records", 0, "low"), r"Wilson's interval is 0.976"),
    "an interval of another kind": (value("magic", "records", 0, "interval"), "interval is 'magic': one of"),
    "a lower level": (value(0.5, "records", 0, "level"), "level is 0.5 .*; intervals here are at 0.95"),
    "a better value than the answers": (better, r"examples/.*records\[0\].value: its examples average to 0.98"),
    "another n": (value(5000, "records", 0, "n"), r"has 896 rows, but records\[0\].n \(top1\) is 5,000"),
    "a negative n": (value(-5, "records", 2, "n"), r"records\[2\].n is -5 .* not plausible"),
    "an unknown metric": (value("top-1", "records", 0, "metric"), r"'top-1', which zero_shot .*did you mean 'top1'"),
    "a pattern that never ends": (
        value([{"name": "{a}" * 40, "label": "x"}], "declared", "metrics"),
        "declared.metrics have '{a}{a}",
    ),
    "a pattern that is none": (odd_plugin, r"cannot be checked \(unexpected"),
    "a metric twice": (value("top1", "records", 1, "metric"), "records have 'top1' 2 times"),
    "no main number": (value(False, "records", 0, "main"), "records have 0 main ones, of one"),
    "a thumbnail elsewhere": (value([{"thumb": "../../x.webp"}], "pictures"), r"pictures\[0\].thumb is '../../x.webp'"),
    "a regime of its own": (value("best", "about", "regime"), "about.regime is 'best'; one of: benchmark"),
    "a limit that is not told": (value(10, "limit"), "limit is 10, but pedigree.subset is ''"),
    "a name that moves the cursor": (value("a\x1b[2Jb", "model"), r"model is 'a\\x1b\[2Jb', which no page can show"),
    "a failure": (value("failed", "status"), "status is 'failed'; run it again"),
    "words for a number": (value("many", "records", 0, "n"), "records.0.n: .*valid integer.*, not 'many'"),
    "NaN": (raw(b'{"format": 3, "value": NaN}'), "jobs/4baa.* is not a job's records"),
    "nested without end": (raw(b'{"format": 3, "tables": ' + b"[" * 100_000), "is not a job's records"),
    "of an older version": (value(2, "format"), "written by an older clipbench; run the suite again"),
    "of a newer version": (value(99, "format"), "written by a newer clipbench; upgrade"),
    "a huge file": (huge, "has 20,000,000 bytes, of at most 16,000,000"),
    "another's name": (renamed, "it is of another job"),
    "a name that is no digest": (raw(b"{}", "jobs/mine.json"), "jobs/mine.json: is not called as clipbench"),
    "a link": (linked(f"jobs/{JOB}.json"), "is a link; put the file itself there"),
    "a link to a table": (linked(f"examples/{JOB}.parquet"), "is a link; put the file itself there"),
    "a folder for a file": (lambda f: (f / "jobs" / f"{'1' * 32}.json").mkdir(), "is no regular file"),
    "a pipe": (lambda f: os.mkfifo(f / "runs" / "pipe.json"), "is no regular file"),
    "a program": (raw(b"", "setup.py"), "setup.py: is no part of a submission; remove it"),
    "an archive": (raw(b"PK\x03\x04", "jobs/more.zip"), "more.zip: is not called as clipbench"),
    "pictures": (lambda f: (f / "thumbs").mkdir(), "thumbs: .*pictures of data sets are not published"),
    "analyses": (lambda f: (f / "analyses").mkdir(), "analyses: .*a site makes all analyses again"),
    "no README": (lambda f: (f / "README.md").unlink(), "README.md: is missing; say in it who measured what"),
    "a README in one word": (raw(b"hello", "README.md"), "README.md: is no text with a heading"),
    "no tables": (lambda f: shutil.rmtree(f / "examples"), "per-example table is missing"),
    "a table of no job": (lambda f: (f / "jobs" / f"{JOB}.json").unlink(), "is of no job that could be read"),
    "a pickle for a table": (raw(pickle.dumps({}), f"examples/{JOB}.parquet"), "cannot be read as parquet"),
    "a column of bytes": (table(lambda t: t.assign(label=[b"x"] * len(t))), "column 'label' holds binary"),
    "fewer rows": (table(lambda t: t[:500]), "has 500 rows, but"),
    "an id twice": (table(lambda t: t.assign(id="a")), "column 'id' has an id twice"),
    "no ids": (table(lambda t: t.drop(columns="id")), "has no column 'id' of text"),
    "a text a million times": (bomb, "column 'id' has a text of 1,000,000 bytes"),
    "a run of another shape": (raw(b'{"format": 3}', "runs/quickstart.json"), "is not the record of a run"),
}


def test_the_example_is_sound() -> None:
    (found,) = check_submissions([EXAMPLE])
    assert (found.problems, found.notes, len(found.jobs)) == ((), (), 6)
    assert sum(path.stat().st_size for path in EXAMPLE.rglob("*") if path.is_file()) < 300_000


@pytest.mark.parametrize(("change", "expected"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_submission_is_refused_by_file_key_and_value(folder: Path, change: Change, expected: str) -> None:
    change(folder)
    problems = told(folder)
    assert any(re.search(expected, problem) for problem in problems), problems
    assert all(problem.startswith("clip-tiny") for problem in problems)
    assert "root:" not in " ".join(problems)


def test_what_another_submission_measures_is_refused_whatever_the_model_is_called(folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    value("mine", "model")(other)
    (job,) = check_submissions([other])[0].jobs
    value(expected_hash(job), "hash")(other)
    for place in (other / "jobs" / f"{JOB}.json", other / "examples" / f"{JOB}.parquet"):
        place.rename(place.with_stem(expected_hash(job)))
    assert told(other) == []
    first, second = check_submissions([folder, other])
    assert first.problems == ()
    (problem,) = second.problems
    assert str(problem).endswith(f"on 'digits', as {folder}/jobs/{JOB}.json does; publish one of them")


NOTED = {
    "folders of a machine": (
        value(["read from /home/a/data/digits"], "notes"),
        "as in 'read from /home/a/data/digits'",
    ),
    "a task of a plug-in": (value("mine", "task"), "task 'mine' is not built in"),
    "another protocol": (value("zero_shot/1", "pedigree", "protocol"), "protocol is 'zero_shot/1', here it is"),
    "more images than there are": (value(900, "records", 0, "n"), "has 896 examples in the catalog, and 900 here"),
}


@pytest.mark.parametrize(("change", "expected"), NOTED.values(), ids=NOTED)
def test_what_is_odd_is_noted_for_a_reviewer(folder: Path, change: Change, expected: str) -> None:
    change(folder)
    (note,) = check_submissions([folder])[0].notes
    assert expected in str(note)


def test_the_command_ends_with_what_it_found(folder: Path) -> None:
    sound = CliRunner().invoke(app, ["site", "--check", str(folder)])
    assert (sound.exit_code, sound.output) == (0, f"{folder}: 1 job of clip-tiny: sound\n")
    value("::error::x\n::set-output name=a::b", "model")(folder)
    hostile = CliRunner().invoke(app, ["site", "--check", str(folder)])
    assert hostile.exit_code == 1
    assert not any(line.startswith("::") for line in hostile.output.splitlines())
    assert hostile.output.splitlines()[-1].endswith("2 problems")


def test_a_submission_whose_every_text_is_markup_is_shown_as_text(folder: Path, tmp_path: Path) -> None:
    markup = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"

    def edit(document: dict[str, Any]) -> None:
        document.update(model=markup, dataset=markup, variant=markup, prompts=markup, notes=[markup], hash="x")
        document["about"] |= {"source": "javascript:alert(1)", "licence": markup, "description": markup}
        document["run_metadata"] |= {"model": markup, "device": markup, "trained_on": [markup]}
        for table in document["tables"].values():
            table["rows"] = [[markup if isinstance(cell, str) else cell for cell in row] for row in table["rows"]]

    record(edit)(folder)
    named = json.loads((folder / "jobs" / f"{JOB}.json").read_text())
    del named["format"]
    name = expected_hash(TypeAdapter(JobResult).validate_python(named))
    value(name, "hash")(folder)
    for place in (folder / "jobs" / f"{JOB}.json", folder / "examples" / f"{JOB}.parquet"):
        place.rename(place.with_stem(name))
    record(lambda document: document.update(description=markup, suite_text=markup), "runs/quickstart.json")(folder)
    assert told(folder) == []
    write_site(Results(folder), tmp_path / "site", title=markup)
    assert broken(tmp_path / "site") == {}
    pages = [path.read_text("utf-8") for path in (tmp_path / "site").rglob("*.html")]
    assert not any("<script>alert" in page or "<img src=x" in page for page in pages)
    assert sum("&lt;script&gt;alert(1)" in page for page in pages) >= 3
    scripts = [path.read_text("utf-8") for path in (tmp_path / "site" / "data").glob("*.js")]
    assert not any("<" in script for script in scripts)
