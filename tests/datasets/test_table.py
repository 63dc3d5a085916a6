"""Tables of image paths."""

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipbench.datasets.adapters.table import Table
from clipbench.errors import UserError

from .conftest import examples


@pytest.fixture
def place(tmp_path, png):
    """A folder with two images and room for a table."""
    (tmp_path / "images").mkdir()
    for name in ("one.png", "two.png"):
        (tmp_path / "images" / name).write_bytes(png())
    return tmp_path


def _table(place, text, name="t.csv", **arguments):
    (place / name).write_text(text)
    return Table(path=place / name, **arguments)


def _lines(place, *rows, **arguments):
    return _table(place, "\n".join(map(json.dumps, rows)), "t.jsonl", **arguments)


TWO = "path,label\nimages/one.png,oak\nimages/two.png,ash\n"


def test_a_csv_of_paths_and_labels(place, png):
    dataset = _table(place, TWO)
    split = dataset.split("test")
    assert (dataset.classes, split.count) == (("ash", "oak"), 2)
    found = [(e.id, e.label, e.image, e.problem) for e in examples(dataset)]
    assert found == [("images/one.png", 1, png(), None), ("images/two.png", 0, png(), None)]
    assert list(split.keys()) == [("images/one.png", 1), ("images/two.png", 0)]
    assert split.image("images/two.png").size == (4, 4)


def test_every_format_gives_the_same(place):
    csv = examples(_table(place, TWO))
    rows = [{"path": "images/one.png", "label": "oak"}, {"path": "images/two.png", "label": "ash"}]
    pq.write_table(pa.Table.from_pylist(rows), place / "t.parquet")
    assert examples(_table(place, TWO.replace(",", "\t"), "t.tsv")) == csv
    assert examples(_lines(place, *rows)) == csv
    assert examples(Table(path=place / "t.parquet")) == csv
    assert examples(_table(place, "\ufeff" + TWO.replace("\n", "\r\n"), "bom.csv")) == csv


def test_columns_can_be_named_and_become_groups(place):
    text = "id,bild,art,alter,ort\nx1,one.png,oak,3,\nx2,two.png,ash,4,hill\n"
    arguments = {"image": "bild", "label": "art", "id": "id", "groups": ["alter", "ort"], "root": place / "images"}
    assert [(e.id, e.label, e.groups, e.problem) for e in examples(_table(place, text, **arguments))] == [
        ("x1", 1, {"alter": "3", "ort": ""}, None),
        ("x2", 0, {"alter": "4", "ort": "hill"}, None),
    ]


def test_a_split_column_makes_splits(place):
    text = "path,label,part\nimages/one.png,a,train\nimages/two.png,b,test\nimages/one.png,a,test\n"
    dataset = _table(place, text, split="part")
    assert {name: list(split.keys()) for name, split in dataset.splits.items()} == {
        "test": [("images/two.png", 1), ("images/one.png", 0)],
        "train": [("images/one.png", 0)],
    }


def test_numbers_are_positions_among_given_classes_unless_a_class_is_named_so(place):
    text = "path,label\nimages/one.png,1\nimages/two.png,0\n"
    rows = [{"path": "images/one.png", "label": 1}, {"path": "images/two.png", "label": 0}]
    assert [e.label for e in examples(_table(place, text, classes=["oak", "ash"]))] == [1, 0]
    assert [e.label for e in examples(_lines(place, *rows, classes=["oak", "ash"]))] == [1, 0]
    assert [e.label for e in examples(_table(place, text, classes=["1", "0"]))] == [0, 1]
    with pytest.raises(UserError, match=r"column 'label' holds numbers \('0'\) and nothing names the classes"):
        _table(place, text)


def test_several_labels_in_a_cell(place):
    dataset = _table(place, "path,labels\nimages/one.png,b|a\nimages/two.png,\n", label_separator="|")
    assert (dataset.multilabel, dataset.classes) == (True, ("a", "b"))
    assert [e.labels for e in examples(dataset)] == [(0, 1), ()]
    rows = [{"path": "images/one.png", "labels": ["b", "a"]}, {"path": "images/two.png", "labels": []}]
    assert [e.labels for e in examples(_lines(place, *rows))] == [(0, 1), ()]


def test_captions_in_several_rows_or_in_a_list(place):
    text = 'image,caption\nimages/one.png,"an oak, green"\nimages/one.png,a tree\nimages/two.png,an ash\n'
    dataset = _table(place, text)
    assert dataset.classes == ()
    assert [(e.id, e.captions, e.label) for e in examples(dataset)] == [
        ("images/one.png", ("an oak, green", "a tree"), None),
        ("images/two.png", ("an ash",), None),
    ]
    row = {"image": "images/one.png", "captions": ["an oak", "a tree"]}
    assert [e.captions for e in examples(_lines(place, row))] == [("an oak", "a tree")]


def test_a_missing_image_is_broken_and_the_others_are_read(place):
    problems = [e.problem for e in examples(_table(place, TWO.replace("one", "gone")))]
    assert problems == ["cannot be read (No such file or directory)", None]


def test_absolute_paths_and_paths_outside_the_folder_are_the_users_own(place, png):
    (place / "tables").mkdir()
    text = f"path,label\n{place}/images/one.png,a\n../images/two.png,b\n"
    assert [e.problem for e in examples(_table(place / "tables", text))] == [None, None]


@pytest.mark.parametrize(
    ("text", "arguments", "says"),
    [
        ("path,label\nimages/one.png,\n", {}, "t.csv:2: column 'label': there is no label"),
        (TWO, {"classes": ["oak", "birch"]}, "t.csv:3: column 'label': label 'ash' is not among the 2 classes"),
        (TWO.replace("ash", "7"), {"classes": ["oak"]}, "t.csv:3: column 'label': label 7 is not one of the 1 classes"),
        (TWO, {"classes": ["oak", "oak"]}, "label 'oak' is the name of several classes"),
        ("path,label\n,oak\n", {}, "t.csv:2: column 'path' is empty"),
        ("path,label\na.png,oak\na.png,ash\n", {}, "t.csv:3: id 'a.png' is that of "),
        ("path,label\na.png,oak\na.png,oak\n", {}, "t.csv:3: id 'a.png' is that of "),
        ("path,label,k\na.png,oak,1\nb.png,oak,\n", {"id": "k"}, "t.csv:3: column 'k' is empty"),
        ("path,label,s\na.png,oak,\n", {"split": "s"}, "t.csv:2: column 's' is empty"),
        ("path,label\na.png,oak,extra\n", {}, "t.csv:2: has 3 cells, the first line names 2 columns"),
        ("path,path\na,b\n", {}, "t.csv:1: column names repeat or are empty"),
        ("path,label\n", {}, "t.csv: holds no rows"),
        ("", {}, "t.csv: holds no rows"),
        ('path,label\n"a.png,oak\n', {}, "is not CSV"),
        (TWO, {"label": "lable"}, "there is no column 'lable'; did you mean 'label'?; it has path, label"),
        (TWO, {"split": "zone"}, "there is no column 'zone'; one of: label, path"),
        ("x,label\na,b\n", {}, "no column holds or names images; name one under `image:`; it has x, label"),
        ("path,x\na,b\n", {}, "labels or captions; name one under `label:` or `caption:`; it has path, x"),
    ],
)
def test_what_is_wrong_is_said_with_its_row(place, text, arguments, says):
    with pytest.raises(UserError, match=f"^{place}.*{re.escape(says)}"):
        _table(place, text, **arguments)


@pytest.mark.parametrize(("line", "says"), [("{", "is not JSON"), ("[1]", "is not a JSON object")])
def test_broken_json_lines_name_the_line(place, line, says):
    with pytest.raises(UserError, match=rf"t\.jsonl:2: {says}"):
        _table(place, f'{{"path": "a.png", "label": "x"}}\n{line}\n', "t.jsonl")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.xlsx", b"x", r"t\.xlsx: is not a table by its ending '\.xlsx'; one of: \.csv, \.tsv"),
        ("nowhere.csv", None, "there is no such table; check `path`"),
        ("latin.csv", b"path,label\n\xe9.png,a\n", r"latin\.csv: is not UTF-8 text"),
        ("bad.parquet", b"PAR1", r"bad\.parquet: cannot be read as Parquet"),
    ],
)
def test_a_file_that_is_no_table_is_refused(place, name, content, says):
    if content is not None:
        (place / name).write_bytes(content)
    with pytest.raises(UserError, match=says):
        Table(path=place / name)


def test_the_locator_changes_with_the_table_and_with_the_images(place, later):
    before = _table(place, TWO).split("test").locator()
    assert Table(path=place / "t.csv").split("test").locator() == before
    later(place / "images/one.png")
    changed = Table(path=place / "t.csv").split("test").locator()
    assert changed != before
    assert _table(place, TWO.replace("oak", "elm")).split("test").locator() not in (before, changed)
