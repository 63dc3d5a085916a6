"""A robustness suite for any two places of images: what it holds, that it loads, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from clipbench import load_suite
from clipbench.datasets.catalog import catalog_definitions, open_dataset
from clipbench.suite.init_shift import ShiftSuite, shift_suite

from ..conftest import CommandLine, output_of, png, user_error, write_shard

PETS = ("cat", "dog")


def picture(colour: tuple[int, int, int] = (200, 30, 30), side: int = 4) -> bytes:
    return png(PIL.Image.new("RGB", (side, side), colour))


def files(root: Path, contents: Mapping[str, bytes]) -> Path:
    root.mkdir(parents=True)
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def folder(root: Path, classes: Sequence[str] = PETS, splits: Sequence[str] = (".",)) -> Path:
    return files(root, {f"{split}/{name}/1.png": picture() for split in splits for name in classes})


def table(root: Path, classes: Sequence[object] = PETS, splits: Sequence[str] = ("",), ending: str = "csv") -> Path:
    column = "image" if ending == "jsonl" else "path"
    rows = [
        {column: f"{split}{index}.png", "label": name, **({"split": split} if split else {})}
        for split in splits
        for index, name in enumerate(classes)
    ]
    path = files(root, {str(row[column]): picture() for row in rows}) / f"labels.{ending}"
    frame = pd.DataFrame(rows)
    if ending == "csv":
        frame.to_csv(path, index=False)
    elif ending == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    return path


def hub(root: Path, classes: Sequence[str] = PETS, splits: Sequence[str] = ("test",)) -> Path:
    (root / "data").mkdir(parents=True)
    image = [{"bytes": picture(), "path": None}] * len(classes)
    table = pa.table({"image": image, "label": list(range(len(classes)))})
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": list(classes)}}
    described = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    for split in splits:
        pq.write_table(described, root / "data" / f"{split}-00000-of-00001.parquet")
    return root


def webdataset(root: Path, classes: Sequence[str] = PETS, split: str = "test", captions: bool = False) -> Path:
    labels = [{"txt": b"a caption"} if captions else {"cls": str(index).encode()} for index in range(len(classes))]
    write_shard(root / split, ({"png": picture(), **label} for label in labels))
    name, text = ("dataset_type.txt", "retrieval") if captions else ("classnames.txt", "\n".join(classes))
    (root / name).write_text(text, encoding="utf-8")
    return root


PLACES: dict[str, tuple[Callable[..., Path], str]] = {
    "folder": (folder, "folder"),
    **{ending: (partial(table, ending=ending), "table") for ending in ("csv", "jsonl", "parquet")},
    "hub layout": (hub, "hf"),
    "webdataset": (webdataset, "webdataset"),
}


def suite_of(root: Path, reference: Sequence[str], shift: Sequence[str], make: Callable = folder) -> ShiftSuite:
    """The suite of two places, `benchmark` and `real`, with these classes."""
    return shift_suite(make(root / "benchmark", reference), make(root / "real", shift))


def read(text: str) -> dict:
    return yaml.safe_load(text)


def loaded(text: str, file: Path):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return load_suite(file)


@pytest.mark.parametrize(("benchmark", "real"), list(zip(PLACES, [*PLACES][1:] + [*PLACES][:1], strict=True)))
def test_every_kind_of_place_is_recognised_and_the_suite_loads(benchmark: str, real: str, tmp_path: Path):
    (make, adapter), (make_real, adapter_real) = PLACES[benchmark], PLACES[real]
    first = make(tmp_path / "studio", ["cat", "dog", "fox"])
    second = make_real(tmp_path / "street", ["dog", "fox", "cat"])
    suite = loaded(shift_suite(first, second).text, tmp_path / "elsewhere" / "mine.yaml")
    reference, shift = suite.datasets.values()
    assert (reference.adapter, shift.adapter) == (adapter, adapter_real)
    assert (reference.info.regime, shift.info.regime) == ("benchmark", "shift")
    assert {tuple(sorted(open_dataset(side).classes)) for side in (reference, shift)} == {("cat", "dog", "fox")}


def test_the_suite_has_the_fixed_form(tmp_path: Path):
    regimes = {"benchmark": "benchmark", "real": "shift"}
    paths = {name: str(tmp_path.resolve() / name) for name in regimes}
    task = {"task": "robustness", "reference": "benchmark", "shifts": ["real"], "prompts": ["a photo of a {}."]}
    assert read(suite_of(tmp_path, PETS, PETS).text) == {
        "name": "benchmark-to-real",
        "description": "Does accuracy on benchmark hold on real, other images of the same classes?",
        "datasets": {name: {"adapter": "folder", "path": paths[name], "regime": regimes[name]} for name in regimes},
        "tasks": [task],
    }


# Matching classes.

ACUTE = "Cafe\N{COMBINING ACUTE ACCENT}"


@pytest.mark.parametrize(
    ("reference", "shift", "table", "notes"),
    [
        # Names that differ in form alone are matched and written out.
        (["golden retriever", "T-shirt", "cat", "Café"], ["Golden_Retriever", "tshirt", "cat", ACUTE],
         {"Golden_Retriever": "golden retriever", "tshirt": "T-shirt", ACUTE: "Café"}, ["4 classes are in both"]),
        # Equal names come first, and no class is given to two.
        (["tea cup", "dog", "Tea-Cup"], ["TEACUP", "tea cup", "Teacup", "dog"], {"TEACUP": "Tea-Cup"},
         ["3 classes are in both", "left out, since benchmark has no such class: 'Teacup'"]),
        # Two forms in the reference make a list.
        (["sun glasses", "dog", "Sunglasses"], ["sunglasses", "dog"], {"sunglasses": ["sun glasses", "Sunglasses"]},
         ["2 classes are in both"]),
        (["n01440764", "n01443537"], ["n01440764", "n01443537"], None,
         ["2 classes are in both", "classes are named by WordNet ids"]),
    ],
)  # fmt: skip
def test_classes_are_matched_by_name(
    reference: list[str], shift: list[str], table: object, notes: list[str], tmp_path: Path
):
    suite = suite_of(tmp_path, reference, shift, hub)
    (task,) = read(suite.text)["tasks"]
    assert task.get("classes") == (table and {"real": table})
    assert [note[: len(start)] for note, start in zip(suite.notes, notes, strict=True)] == notes


def test_what_has_no_partner_is_listed(tmp_path: Path):
    suite = suite_of(tmp_path, ["cat", "dog", *(f"thing {index}" for index in range(30))], ["cat", "dog", "Wolf: grey"])
    comments = " ".join(line.removeprefix("# ") for line in suite.text.splitlines() if line.startswith("# "))
    assert "Of real left out, since benchmark has no such class: 'Wolf: grey'." in comments
    assert all(f"'thing {index}'" in comments for index in range(30))
    assert suite.notes[1] == "left out, since benchmark has no such class: 'Wolf: grey'"
    assert suite.notes[2].endswith("'thing 18', 'thing 19', ... (30 in all)")


def test_none_or_one_shared_class_is_an_error_that_shows_both_and_the_way_out(tmp_path: Path):
    error = user_error(suite_of, tmp_path / "a", ["cat", "dog", "fox", "owl", "rat", "yak"], ["chat", "chien"])
    assert "benchmark has 'cat', 'dog', 'fox', 'owl', 'rat', ... (6 in all); real has 'chat', 'chien'" in error.problem
    assert (error.fix or "").endswith("`classes: {real: {'chat': ...}}`")
    assert "share one class alone, 'cat'" in user_error(suite_of, tmp_path / "b", PETS, ["cat", "fox"]).problem


NASTY = [
    *("no", "yes", "y", "null", "~", "1e-3", "1_000", "0x1f", "12:30", "2020-01-01", "=", "<<", "3.14", "007"),
    *("- dash", "-a", "a: b", "a #b", "#b", "it's", '"quoted"', "[x]", "{x}", "a, b", "!tag", "&a", "*a", "%a", "@a"),
    *("`a`", "|", ">", "?", "? a", "back\\slash", "Käfer", "狐", "🦊", "a\u2028b", "zero\u200bwidth", "a\x85b"),
    *("x" * 300, "line\nbreak", "tab\there", "\x7f", "true", "Null"),
]


@pytest.mark.parametrize("name", NASTY)
def test_whatever_a_class_is_called_the_suite_reads_back_as_it_was_meant(name: str, tmp_path: Path):
    for side, (theirs, ours) in {"key": (name, f"{name}_"), "value": (f"{name}_", name)}.items():
        first = hub(tmp_path / side / "benchmark", [ours, "dog"])
        second = hub(tmp_path / side / "real", [theirs, "dog"])
        suite = loaded(shift_suite(first, second).text, tmp_path / "mine.yaml")
        assert suite.tasks[0].classes == {"real": {theirs: (ours,)}}


# Names and paths.


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        ("leaves/studio", "leaves/field", ["studio", "field"]),
        ("one/photos", "two/photos", ["photos-benchmark", "photos-real"]),
        ("one/Photos", "two/photos", ["Photos-benchmark", "photos-real"]),
        ("imagenet/val", "mine/images", ["imagenet-val", "mine-images"]),
        ("cifar10", "pets", ["cifar10-benchmark", "pets-real"]),
        ("a b.c: d", "no", ["a-b-c-d", "no"]),
        ("1e-3", "123", ["1e-3", "123"]),
        ("Blätter", "---", ["Blätter", "images"]),
    ],
)
def test_data_sets_are_named_by_their_folders(first: str, second: str, names: list[str], tmp_path: Path):
    text = shift_suite(folder(tmp_path / first), folder(tmp_path / second)).text
    suite = loaded(text, tmp_path / "suites" / "mine.yaml")
    assert list(suite.datasets) == names
    assert not set(names) & set(catalog_definitions())


def test_paths_are_relative_to_the_file_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder(tmp_path / "data" / "studio")
    hub(tmp_path / "data" / "street")
    monkeypatch.chdir(tmp_path)
    text = shift_suite(Path("data/studio"), Path("data/street"), output=Path("suites/mine.yaml")).text
    content = read(text)
    assert content["name"] == "mine"
    assert [entry["path"] for entry in content["datasets"].values()] == ["../data/studio", "../data/street"]
    suite = loaded(text, tmp_path / "suites" / "mine.yaml")
    monkeypatch.chdir("/")
    assert [open_dataset(side).classes for side in suite.datasets.values()] == [PETS] * 2


def test_prompts_may_be_a_set_a_file_or_a_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first, second = (folder(tmp_path / name) for name in ("benchmark", "real"))
    (tmp_path / "own.yaml").write_text("name: own words\nsource: mine\ntemplates: ['{}!']\n")
    monkeypatch.chdir(tmp_path)

    def prompts(given: str, output: Path | None = None) -> list[str]:
        return read(shift_suite(first, second, prompts=given, output=output).text)["tasks"][0]["prompts"]

    assert prompts("photo") == ["photo"]
    assert prompts("a {} in the wild") == ["a {} in the wild"]
    assert prompts("own.yaml") == [str(tmp_path / "own.yaml")]
    assert prompts("own.yaml", Path("suites/mine.yaml")) == ["../own.yaml"]
    assert user_error(prompts, "phto").fix == "did you mean 'photo'?"
    assert "has no prompt templates of its own" in str(user_error(prompts, "own"))


# Splits.


def test_a_split_that_is_not_called_test_is_made_so(tmp_path: Path):
    first = hub(tmp_path / "benchmark", PETS, ["train", "validation"])
    second = folder(tmp_path / "real", PETS, ["train", "val"])
    suite = shift_suite(first, second)
    sides = {"benchmark": "validation", "real": "val"}
    assert suite.notes[:2] == tuple(f"{side}: its split {split!r} is evaluated" for side, split in sides.items())
    reference, shift = loaded(suite.text, tmp_path / "mine.yaml").datasets.values()
    assert list(open_dataset(reference).splits) == ["test"]
    assert shift.arguments["path"] == second / "val"
    assert open_dataset(shift).split("test").count == 2


def test_the_rows_of_a_table_that_say_train_are_not_evaluated(tmp_path: Path):
    first = table(tmp_path / "benchmark", PETS, ["test", "train"])
    second = table(tmp_path / "real")
    reference, shift = loaded(shift_suite(first, second).text, tmp_path / "mine.yaml").datasets.values()
    assert {name: split.count for name, split in open_dataset(reference).splits.items()} == {"test": 2, "train": 2}
    assert list(open_dataset(shift).splits) == ["test"]


def test_a_split_that_cannot_be_told_is_an_error(tmp_path: Path):
    second = folder(tmp_path / "real")
    first = hub(tmp_path / "benchmark", PETS, ["train", "extra"])
    error = user_error(shift_suite, first, second)
    assert "the splits extra, train; call the one that is to be evaluated `test`" in str(error)
    first = webdataset(tmp_path / "tars", split="val")
    assert user_error(shift_suite, first, second).fix == "call the split 'val' `test`"


# What is refused.


TABLE = {"images/1.png": picture(), "labels.csv": b"path,label\nimages/1.png,cat\n"}
REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda root: root, "there is no such folder or file; check the path"),
    "empty": (lambda root: files(root, {}), "holds no class folders; put the images of each class"),
    "no images": (lambda root: files(root, {"cat/a.txt": b""}), "no image in the class folders (cat, "),
    "flat": (lambda root: files(root, {"1.png": picture()}), "holds no class folders; put the images of each class"),
    "one image": (
        lambda root: files(root, {"1.png": picture()}) / "1.png",
        "give the folder around the folders of the",
    ),
    "beside a table": (lambda root: files(root, TABLE), "and no class folders; give the table itself: "),
    "beside Parquet": (lambda root: table(root, ending="parquet").parent, "labels.parquet; give the table itself: "),
    "text": (lambda root: files(root, {"a": b"cat"}) / "a", "ending ''; one of: .csv, .tsv, .jsonl, .ndjson, .parquet"),
    "captions": (lambda root: webdataset(root, captions=True), "robustness needs one class an image"),
    "several labels": (lambda root: table(root, [PETS], ending="jsonl"), "robustness needs one label an image"),
}


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("kind", REFUSED)
def test_a_place_that_does_not_fit_is_named_with_the_way_out(kind: str, side: int, tmp_path: Path):
    make, words = REFUSED[kind]
    places = [folder(tmp_path / "good")]
    places.insert(side, make(tmp_path / "bad"))
    error = user_error(shift_suite, *places)
    assert str(places[side]) in str(error.where)
    assert words in f"{error.problem}; {error.fix}"


def test_one_place_twice_or_inside_the_other_and_a_file_that_is_there_are_refused(tmp_path: Path):
    first, second = folder(tmp_path / "data"), folder(tmp_path / "real")
    assert "is given twice" in user_error(shift_suite, first, first / ".." / "data").problem
    inside = user_error(shift_suite, first, first / "cat")
    assert (inside.where, inside.problem) == (str(first / "cat"), f"lies inside {first}")
    (tmp_path / "mine.yaml").write_text("by hand")
    existing = user_error(shift_suite, first, second, output=tmp_path / "mine.yaml")
    assert (existing.where, existing.problem) == (str(tmp_path / "mine.yaml"), "exists already")


# The command.


def test_the_command_prints_the_suite_and_says_the_rest_beside_it(clipbench: CommandLine, tmp_path: Path):
    folder(tmp_path / "studio", ["cat", "dog", "fox"])
    folder(tmp_path / "street", ["cat", "dog", "owl"])
    done = clipbench("init-shift", "studio", "street", "--prompts", "photo")
    assert read(output_of(done))["tasks"][0]["prompts"] == ["photo"]
    assert done.stderr.splitlines() == [
        "2 classes are in both studio and street",
        "left out, since studio has no such class: 'owl'",
        "left out, since street has no such class: 'fox'",
    ]
    refused = clipbench("init-shift", "studio", "nowhere")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "nowhere: there is no such folder or file; check the path" in refused.stderr


def test_what_it_writes_runs_as_it_is(clipbench: CommandLine, tmp_path: Path):
    for place, side, blue in (("studio", 24, "Dark_blue"), ("street", 30, "dark-blue")):
        colours = {"red": (230, 20, 20), blue: (20, 20, 130)}
        images = {f"{name}/{n}.png": picture(colour, side + n) for name, colour in colours.items() for n in range(6)}
        files(tmp_path / place, images)
    done = clipbench("init-shift", "studio", "street", "--output", "suites/mine.yaml")
    assert output_of(done).strip() == "suites/mine.yaml"
    output_of(clipbench("run", "suites/mine.yaml", "--model", "clip-tiny", "--no-images"))
    assert (tmp_path / "results" / "mine" / "report.html").is_file()
