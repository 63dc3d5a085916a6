"""Results folders from elsewhere: files of any shape give an error that names the file, or harm nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import clipbench
from clipbench.analyses.run import analyse
from clipbench.errors import UserError
from clipbench.report.page import render
from clipbench.results.files import FORMAT
from clipbench.results.folder import Results, load_results
from clipbench.results.records import JobResult

from .test_results import job

Document = dict[str, Any]
DEEP = b'{"format": 3, "tables": ' + b"[" * 100_000

RAW: dict[str, bytes] = {
    "empty": b"",
    "white space": b"  \n",
    "a brace": b"{",
    "cut off": b'{"format": 3, "hash": "x", "records": [{"metric": "to',
    "a list": b"[]",
    "a number": b"3",
    "null": b"null",
    "a string": b'"hash"',
    "two documents": b"{}{}",
    "not UTF-8": b'{"format": 3, "hash": "\xff\xfe"}',
    "UTF-16": '{"format": 3}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "zeros": bytes(4096),
    "an image": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "a pickle": b"\x80\x04K\x01.",
    "half a character": b'{"format": 3, "hash": "\\ud800"}',
    "nested without end": DEEP,
    "nested and closed": DEEP + b"]" * 100_000 + b"}",
    "NaN": b'{"format": 3, "value": NaN}',
    "Infinity": b'{"format": 3, "value": -Infinity}',
    "a number that no float holds": b'{"format": 3, "n": 1e999}',
    "a number that none holds, in a list": b'{"format": 3, "n": [1, 2.5E+400]}',
    "a long number": b'{"format": 3, "n": ' + b"9" * 5000 + b"}",
    "a format in words": b'{"format": "three"}',
    "no format": b'{"format": null}',
    "a fraction of a format": b'{"format": 3.5}',
    "a format in a list": b'{"format": [3]}',
    "the truth as a format": b'{"format": true}',
    "a format of the future": b'{"format": 4}',
    "a format of the far future": b'{"format": 99999999999999999999, "hash": {"new": "shape"}}',
    "nothing but its format": b'{"format": 3}',
}

Change = Callable[[Document], object]


def setting(*keys: str | int, to: Any) -> Change:
    def change(document: Document) -> None:
        place: Any = document
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = to

    return change


REFUSED: dict[str, Change] = {
    "a value in words": setting("records", 0, "value", to="abc"),
    "a value in a list": setting("records", 0, "value", to=[0.5]),
    "an end of an interval in words": setting("records", 0, "low", to="low"),
    "a record that is none": setting("records", 0, to=7),
    "records that are none": setting("records", to=None),
    "records in words": setting("records", to="many"),
    "a record without a metric": lambda document: document["records"][0].pop("metric"),
    "n in words": setting("records", 0, "n", to="ten"),
    "parameters in a list": setting("records", 0, "params", to=[1]),
    "null tables": setting("tables", to=None),
    "tables in a list": setting("tables", to=[[1]]),
    "a null table": setting("tables", "per_class", to=None),
    "a table without rows": lambda document: document["tables"]["per_class"].pop("rows"),
    "a short row": setting("tables", "per_class", "rows", 0, to=["cat"]),
    "a long row": setting("tables", "per_class", "rows", 0, to=["cat", 0.5, 0.5]),
    "a row in words": setting("tables", "per_class", "rows", 0, to=0.5),
    "columns that are numbers": setting("tables", "per_class", "columns", to=[1, 2]),
    "no pedigree": setting("pedigree", to=None),
    "a pedigree in words": setting("pedigree", to="data"),
    "a part of the pedigree in a list": setting("pedigree", "data", to=["images"]),
    "a status of its own": setting("status", to="halfway"),
    "no model": lambda document: document.pop("model"),
    "a model in a list": setting("model", to=["a", "b"]),
    "a null data set": setting("dataset", to=None),
    "notes in words": setting("notes", to="a note"),
    "a note that is none": setting("notes", to=[None]),
    "pictures in words": setting("pictures", to="many"),
    "a picture whose parts are lists": setting("pictures", to=[{"id": ["a"]}]),
    "a broken image that is none": setting("broken", to=[1]),
    "shots in words": setting("condition", "shots", to="few"),
    "a limit in words": setting("limit", to="all"),
    "run_metadata in a list": setting("run_metadata", to=[1]),
    "facts in words": setting("about", to="scenes"),
    "declared metrics that are none": setting("declared", "metrics", to=[1]),
    "a hash that leads elsewhere": setting("hash", to="../../elsewhere"),
    "a hash with a place": setting("hash", to="/etc/passwd"),
    "another's hash": setting("hash", to="b-d-0.7"),
    "an empty hash": setting("hash", to=""),
}

HARMLESS: dict[str, Change] = {
    "a field of the future": setting("colour", to={"deep": [1, None]}),
    "reserved fields": lambda document: document.update(cluster="id", size=[1, 2], scores=None),
    "a reserved field of a record": setting("records", 0, "cluster", to="images"),
    "an unknown part of the pedigree": setting("pedigree", "moon", to="full"),
    "a thumbnail that leads out": setting("pictures", to=[{"id": "a", "thumb": "../../secret.webp"}]),
    "a thumbnail with a place": setting("pictures", to=[{"id": "a", "thumb": "/etc/passwd"}]),
    "a thumbnail with a null byte": setting("pictures", to=[{"id": "a", "thumb": "a\0b"}]),
    "a picture without anything": setting("pictures", to=[{}]),
    "markup for a name": setting("model", to="<script>alert(1)</script>"),
    "a regime in a list": setting("about", to={"regime": ["field"], "view": "none", "classes": 7, "n_classes": "x"}),
    "a view in words": setting("about", to={"view": ["gaussian"], "licence": {"a": 1}, "description": None}),
    "seconds in words": setting("run_metadata", to={"seconds": "long", "finished": 7, "trained_on": 3, "model": ["x"]}),
    "a time of the far future": setting("run_metadata", to={"finished": "9999-99-99T99:99:99"}),
    "cells of any kind": setting("tables", "per_class", "rows", to=[[{"a": 1}, "half"], [None, [0.5]]]),
    "a table without columns": setting("tables", "per_class", to={"columns": [], "rows": [[], []]}),
    "an unknown table": setting("tables", "moons", to={"columns": ["a"], "rows": [[[1, {"b": None}]]]}),
    "columns that stand twice": setting("tables", "per_class", to={"columns": ["n", "n"], "rows": [[1, 2]]}),
    "a digest that looks like a number": setting("pedigree", "protocol", to="mine/1 5e912"),
    "a digest that begins like one": setting("pedigree", "settings", to="5e91234e999"),
    "a huge n": setting("records", 0, "n", to=10**30),
    "a huge value": setting("records", 0, "value", to=1e300),
    "no records": setting("records", to=[]),
    "two main records": setting("records", 1, "main", to=True),
    "an unknown unit": setting("records", 0, "unit", to="\u202emoons"),
    "parameters of any kind": setting("records", 0, "params", to={"shots": {"a": [1]}, "C": None, "features": []}),
    "an unknown task": setting("task", to="../tasks"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Results of two models on the same three images."""
    (tmp_path / "secret.webp").write_bytes(b"RIFFsecret")
    results = Results(tmp_path / "runs" / "results")
    for made in (job(), job("b", value=0.7)):
        results.write_job(made)
        path = results.examples_path(made.hash)
        path.parent.mkdir(parents=True, exist_ok=True)
        table = {"id": ["x", "y", "z"], "label": [0, 1, 0], "correct": np.array([True, False, True])}
        pd.DataFrame(table).to_parquet(path)
    return results.folder


def read_everything(folder: Path) -> str:
    results = load_results(folder)
    assert len(results.frame)
    results.wide()
    clipbench.compare(results)
    return render(load_results(folder))


def path_of(folder: Path, made: JobResult | None = None) -> Path:
    return Results(folder).job_path((made or job()).hash)


def change(path: Path, how: Change) -> None:
    document = json.loads(path.read_text())
    how(document)
    path.write_text(json.dumps(document))


def assert_named(path: Path, read: Callable[[], object]) -> None:
    with pytest.raises(UserError) as caught:
        read()
    assert str(caught.value).startswith(f"{path}: ")
    assert caught.value.fix


def test_the_folder_is_sound_to_begin_with(folder):
    assert "results" in read_everything(folder)


@pytest.mark.parametrize("content", RAW.values(), ids=RAW)
def test_a_job_s_file_that_is_none_is_named_and_the_job_not_done(folder, content):
    path_of(folder).write_bytes(content)
    assert_named(path_of(folder), lambda: read_everything(folder))
    if b"future" not in content and b'"format": 4' not in content and b"99999999999999999999" not in content:
        assert Results(folder).read_done(job().hash) is None


@pytest.mark.parametrize("how", REFUSED.values(), ids=REFUSED)
def test_a_job_s_file_of_another_shape_is_named_and_the_job_not_done(folder, how):
    change(path_of(folder), how)
    assert_named(path_of(folder), lambda: read_everything(folder))
    assert Results(folder).read_done(job().hash) is None


@pytest.mark.parametrize("how", HARMLESS.values(), ids=HARMLESS)
def test_what_is_only_odd_is_shown_and_does_no_harm(folder, how):
    change(path_of(folder), how)
    try:
        page = read_everything(folder)
    except UserError:
        # Of a job that is compared with none.
        page = render(load_results(folder))
    assert "<script>alert" not in page
    assert "UklGRnNlY3JldA" not in page  # 'RIFFsecret'


def test_a_folder_with_the_name_of_a_file_is_named(folder):
    path = folder / "jobs" / "x.json"
    path.mkdir()
    assert_named(path, lambda: read_everything(folder))


def test_a_link_that_leads_nowhere_is_passed_over(folder):
    (folder / "jobs" / "x.json").symlink_to("nowhere")
    read_everything(folder)


@pytest.mark.parametrize("content", RAW.values(), ids=RAW)
def test_the_record_of_a_run_is_checked(folder, content):
    path = folder / "runs" / "suite.json"
    path.parent.mkdir()
    path.write_bytes(content)
    assert_named(path, lambda: read_everything(folder))


@pytest.mark.parametrize(
    "wrong",
    [{"jobs": "x"}, {"jobs": [1]}, {"analyses": [{}]}, {"analyses": ["robustness"]}, {"order": "last"}, {"suite": 1}],
    ids=str,
)
def test_the_shape_of_the_record_of_a_run_is_checked(folder, wrong):
    path = folder / "runs" / "suite.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"format": FORMAT, "suite": "suite", "order": 1} | wrong))
    assert_named(path, lambda: read_everything(folder))
    Results(folder).write_run({"suite": "suite"})
    read_everything(folder)


@pytest.mark.parametrize("content", RAW.values(), ids=RAW)
def test_a_damaged_analysis_is_made_again(folder, content):
    path = folder / "analyses" / "error_consistency.json"
    whole = analyse(Results(folder))
    assert [result.analysis for result in whole] == ["best_of_column", "error_consistency"]
    assert path.is_file()
    path.write_bytes(content)
    if content.startswith((b'{"format": 4', b'{"format": 9')):
        assert_named(path, lambda: Results(folder).analysis_results())
        return
    assert analyse(Results(folder)) == whole
    assert Results(folder).analysis_results() == whole


def test_an_analysis_rests_on_no_file_outside_the_folder(folder):
    found = analyse(Results(folder))
    odd = replace(found[0], jobs=("../../secret", "/etc/passwd"))
    Results(folder).write_analysis("odd", "key", [odd])
    assert Results(folder).analysis_results() == found
    assert asdict(odd)["jobs"] == ("../../secret", "/etc/passwd")


TABLES: dict[str, Any] = {
    "no examples": {"correct": [True]},
    "other examples": {"id": ["q"], "label": [0], "correct": [True]},
    "words": {"id": ["x", "y", "z"], "label": [0, 1, 0], "correct": ["yes", "no", "yes"]},
    "an id twice": {"id": ["x", "x", "z"], "label": [0, 1, 0], "correct": [True, True, False]},
    "ids of any kind": {"id": [[1], [2], [3]], "label": [0, 1, 0], "correct": [True, True, False]},
    "nothing": {},
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_per_example_table_of_another_shape_costs_what_rests_on_it(folder, table):
    path = Results(folder).examples_path(job().hash)
    pd.DataFrame(table).to_parquet(path)
    (row,) = clipbench.compare(load_results(folder)).to_dict("records")
    assert row["note"].startswith("Not compared: ")
    assert render(load_results(folder))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"{}"], ids=repr)
def test_a_damaged_per_example_table_is_named(folder, content):
    path = Results(folder).examples_path(job().hash)
    path.write_bytes(content)
    assert_named(path, lambda: Results(folder).examples(job().hash))
    assert str(path) in clipbench.compare(load_results(folder)).loc[0, "note"]
