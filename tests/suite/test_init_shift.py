"""A robustness suite for any two places of images: what it holds, that it loads, and what is refused."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from clipbench import load_suite
from clipbench.datasets.catalog import catalog_definitions, open_dataset
from clipbench.datasets.classes.matching import match_classes
from clipbench.errors import UserError
from clipbench.suite.init_shift import shift_suite

from ..conftest import CommandLine


def png(colour: tuple[int, int, int] = (200, 30, 30), side: int = 4) -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", (side, side), colour).save(file, "PNG")
    return file.getvalue()


def folder(root: Path, classes: Sequence[str], splits: Sequence[str] = ("",)) -> Path:
    for split in splits:
        for name in classes:
            place = root / split / name
            place.mkdir(parents=True)
            (place / "1.png").write_bytes(png())
    return root


def delimited(root: Path, classes: Sequence[str], splits: Sequence[str] = ()) -> Path:
    root.mkdir(parents=True)
    lines = ["path,label,split" if splits else "path,label"]
    for at, name in enumerate(classes):
        (root / f"{at}.png").write_bytes(png())
        quoted = '"' + name.replace('"', '""') + '"'
        lines += [f"{at}.png,{quoted},{split}" for split in splits[:1]] or [f"{at}.png,{quoted}"]
        for split in splits[1:]:
            (root / f"{split}{at}.png").write_bytes(png())
            lines.append(f"{split}{at}.png,{quoted},{split}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root / "labels.csv"


def json_lines(root: Path, classes: Sequence[str]) -> Path:
    root.mkdir(parents=True)
    rows = [json.dumps({"image": f"{at}.png", "label": name}) for at, name in enumerate(classes)]
    (root / "labels.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return root / "labels.jsonl"


def parquet_table(root: Path, classes: Sequence[str]) -> Path:
    root.mkdir(parents=True)
    rows = {"path": [f"{at}.png" for at in range(len(classes))], "label": list(classes)}
    pq.write_table(pa.table(rows), root / "labels.parquet")
    return root / "labels.parquet"


def hub(root: Path, classes: Sequence[str], splits: Sequence[str] = ("test",)) -> Path:
    (root / "data").mkdir(parents=True)
    image = [{"bytes": png(), "path": None}] * len(classes)
    table = pa.table({"image": image, "label": list(range(len(classes)))})
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": list(classes)}}
    described = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    for split in splits:
        pq.write_table(described, root / "data" / f"{split}-00000-of-00001.parquet")
    return root


def webdataset(root: Path, classes: Sequence[str], split: str = "test", captions: bool = False) -> Path:
    (root / split).mkdir(parents=True)
    with tarfile.open(root / split / "0.tar", "w") as archive:
        for at in range(len(classes)):
            label = ("txt", b"a caption") if captions else ("cls", str(at).encode())
            for ending, content in (("png", png()), label):
                member = tarfile.TarInfo(f"{at}.{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    if captions:
        (root / "dataset_type.txt").write_text("retrieval")
    else:
        (root / "classnames.txt").write_text("\n".join(classes), encoding="utf-8")
    return root


PLACES = {
    "folder": (folder, "folder"),
    "CSV": (delimited, "table"),
    "JSON lines": (json_lines, "table"),
    "Parquet of paths": (parquet_table, "table"),
    "hub layout": (hub, "hf"),
    "webdataset": (webdataset, "webdataset"),
}


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
    assert {tuple(sorted(open_dataset(one).classes)) for one in (reference, shift)} == {("cat", "dog", "fox")}


def test_the_suite_has_the_fixed_form(tmp_path: Path):
    first = folder(tmp_path / "benchmark", ["cat", "dog"])
    second = folder(tmp_path / "real", ["cat", "dog"])
    assert read(shift_suite(first, second).text) == {
        "name": "benchmark-to-real",
        "description": "Does accuracy on benchmark hold on real, other images of the same classes?",
        "datasets": {
            "benchmark": {"adapter": "folder", "path": str(first.resolve()), "regime": "benchmark"},
            "real": {"adapter": "folder", "path": str(second.resolve()), "regime": "shift"},
        },
        "tasks": [
            {"task": "robustness", "reference": "benchmark", "shifts": ["real"], "prompts": ["a photo of a {}."]}
        ],
    }


# Matching classes.


def test_names_that_differ_in_form_alone_are_matched_and_written_out(tmp_path: Path):
    first = webdataset(tmp_path / "benchmark", ["golden retriever", "T-shirt", "cat", "Café"])
    second = hub(tmp_path / "real", ["Golden_Retriever", "tshirt", "cat", "Cafe\N{COMBINING ACUTE ACCENT}"])
    suite = shift_suite(first, second)
    (task,) = read(suite.text)["tasks"]
    assert task["classes"] == {
        "real": {
            "Golden_Retriever": "golden retriever",
            "tshirt": "T-shirt",
            "Cafe\N{COMBINING ACUTE ACCENT}": "Café",
        }
    }
    assert suite.notes == ("4 classes are in both benchmark and real",)


def test_equal_names_come_first_and_no_class_is_given_to_two(tmp_path: Path):
    first = webdataset(tmp_path / "benchmark", ["tea cup", "dog", "Tea-Cup"])
    second = webdataset(tmp_path / "real", ["TEACUP", "tea cup", "Teacup", "dog"])
    suite = shift_suite(first, second)
    table = read(suite.text)["tasks"][0]["classes"]["real"]
    assert table == {"TEACUP": "Tea-Cup"}
    assert "left out, since benchmark has no such class: 'Teacup'" in suite.notes
    shift = ["TEACUP", "tea cup", "Teacup", "dog"]
    match = match_classes(["tea cup", "dog", "Tea-Cup"], shift, {"TEACUP": ("Tea-Cup",)}, where="")
    assert match.names == ("TEACUP", "tea cup", "dog")


def test_two_forms_in_the_reference_make_a_list(tmp_path: Path):
    first = webdataset(tmp_path / "benchmark", ["sun glasses", "dog", "Sunglasses"])
    second = webdataset(tmp_path / "real", ["sunglasses", "dog"])
    (task,) = read(shift_suite(first, second).text)["tasks"]
    assert task["classes"] == {"real": {"sunglasses": ["sun glasses", "Sunglasses"]}}


def test_what_has_no_partner_is_listed(tmp_path: Path):
    first = folder(tmp_path / "benchmark", ["cat", "dog", *(f"thing {at}" for at in range(30))])
    second = folder(tmp_path / "real", ["cat", "dog", "Wolf: grey"])
    suite = shift_suite(first, second)
    comments = " ".join(line.removeprefix("# ") for line in suite.text.splitlines() if line.startswith("# "))
    assert "Of real left out, since benchmark has no such class: 'Wolf: grey'." in comments
    assert all(f"'thing {at}'" in comments for at in range(30))
    assert suite.notes[1] == "left out, since benchmark has no such class: 'Wolf: grey'"
    assert suite.notes[2].endswith("'thing 18', 'thing 19', ... (30 in all)")


def test_no_equal_name_is_an_error_that_shows_both_and_the_way_out(tmp_path: Path):
    first = folder(tmp_path / "benchmark", ["cat", "dog", "fox", "owl", "rat", "yak"])
    second = folder(tmp_path / "real", ["chat", "chien"])
    with pytest.raises(UserError) as raised:
        shift_suite(first, second)
    assert str(raised.value) == (
        "no class has the same name in both: benchmark has 'cat', 'dog', 'fox', 'owl', 'rat', ... (6 in all); "
        "real has 'chat', 'chien'; rename the classes of one, or write a suite that names benchmark's class for each "
        "of real: `classes: {real: {'chat': ...}}`"
    )


def test_one_shared_class_is_too_few(tmp_path: Path):
    first, second = folder(tmp_path / "benchmark", ["cat", "dog"]), folder(tmp_path / "real", ["cat", "fox"])
    with pytest.raises(UserError, match="benchmark and real share one class alone, 'cat', and with one every answer"):
        shift_suite(first, second)


def test_wordnet_ids_are_pointed_out(tmp_path: Path):
    first = folder(tmp_path / "benchmark", ["n01440764", "n01443537"])
    second = folder(tmp_path / "real", ["n01440764", "n01443537"])
    assert shift_suite(first, second).notes[-1].startswith("classes are named by WordNet ids")


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
    place, other = folder(tmp_path / first, ["cat", "dog"]), folder(tmp_path / second, ["cat", "dog"])
    suite = loaded(shift_suite(place, other).text, tmp_path / "suites" / "mine.yaml")
    assert list(suite.datasets) == names
    assert not set(names) & set(catalog_definitions())


def test_paths_are_relative_to_the_file_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder(tmp_path / "data" / "studio", ["cat", "dog"])
    hub(tmp_path / "data" / "street", ["cat", "dog"])
    monkeypatch.chdir(tmp_path)
    text = shift_suite(Path("data/studio"), Path("data/street"), output=Path("suites/mine.yaml")).text
    content = read(text)
    assert content["name"] == "mine"
    assert [one["path"] for one in content["datasets"].values()] == ["../data/studio", "../data/street"]
    suite = loaded(text, tmp_path / "suites" / "mine.yaml")
    monkeypatch.chdir("/")
    assert [open_dataset(one).classes for one in suite.datasets.values()] == [("cat", "dog")] * 2


def test_prompts_may_be_a_set_a_file_or_a_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first, second = folder(tmp_path / "benchmark", ["cat", "dog"]), folder(tmp_path / "real", ["cat", "dog"])
    (tmp_path / "own.yaml").write_text("name: own words\nsource: mine\ntemplates: ['{}!']\n")
    monkeypatch.chdir(tmp_path)

    def prompts(given: str, output: Path | None = None) -> list[str]:
        return read(shift_suite(first, second, prompts=given, output=output).text)["tasks"][0]["prompts"]

    assert prompts("photo") == ["photo"]
    assert prompts("a {} in the wild") == ["a {} in the wild"]
    assert prompts("own.yaml") == [str(tmp_path / "own.yaml")]
    assert prompts("own.yaml", Path("suites/mine.yaml")) == ["../own.yaml"]
    with pytest.raises(UserError, match="unknown prompt set 'phto'; did you mean 'photo'"):
        prompts("phto")
    with pytest.raises(UserError, match="has no prompt templates of its own"):
        prompts("own")


# Splits.


def test_a_split_that_is_not_called_test_is_made_so(tmp_path: Path):
    first = hub(tmp_path / "benchmark", ["cat", "dog"], ["train", "validation"])
    second = folder(tmp_path / "real", ["cat", "dog"], ["train", "val"])
    suite = shift_suite(first, second)
    assert suite.notes[:2] == (
        "benchmark: its split 'validation' is evaluated",
        "real: its split 'val' is evaluated",
    )
    reference, shift = loaded(suite.text, tmp_path / "mine.yaml").datasets.values()
    assert list(open_dataset(reference).splits) == ["test"]
    assert shift.arguments["path"] == second / "val"
    assert open_dataset(shift).split("test").count == 2


def test_the_rows_of_a_table_that_say_train_are_not_evaluated(tmp_path: Path):
    first = delimited(tmp_path / "benchmark", ["cat", "dog"], ["test", "train"])
    second = delimited(tmp_path / "real", ["cat", "dog"])
    reference, shift = loaded(shift_suite(first, second).text, tmp_path / "mine.yaml").datasets.values()
    assert {name: split.count for name, split in open_dataset(reference).splits.items()} == {"test": 2, "train": 2}
    assert list(open_dataset(shift).splits) == ["test"]


def test_a_split_that_cannot_be_told_is_an_error(tmp_path: Path):
    second = folder(tmp_path / "real", ["cat", "dog"])
    first = hub(tmp_path / "benchmark", ["cat", "dog"], ["train", "extra"])
    with pytest.raises(UserError, match="has the splits extra, train; call the one that is to be evaluated `test`"):
        shift_suite(first, second)
    first = webdataset(tmp_path / "tars", ["cat", "dog"], split="val")
    with pytest.raises(UserError, match="has no split `test` but val; call the split 'val' `test`"):
        shift_suite(first, second)


# What is refused.


def several_labels(root: Path) -> Path:
    file = json_lines(root, ["cat", "dog"])
    file.write_text('{"image": "1.png", "label": ["cat", "dog"]}\n')
    return file


def flat(root: Path) -> Path:
    root.mkdir()
    (root / "1.png").write_bytes(png())
    return root


def with_table(root: Path) -> Path:
    folder(root, ["images"])
    (root / "labels.csv").write_text("path,label\nimages/1.png,cat\n")
    return root


def text_file(root: Path) -> Path:
    root.write_text("cat")
    return root


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda root: root, "there is no such folder or file; check the path"),
    "empty": (lambda root: (root.mkdir(), root)[1], "holds no class folders; put the images of each class"),
    "no images": (lambda root: ((root / "cat").mkdir(parents=True), root)[1], "no image in the class folders (cat, "),
    "flat": (flat, "holds no class folders; put the images of each class"),
    "one image": (lambda root: flat(root) / "1.png", "is one image; give the folder around the folders of the classes"),
    "beside a table": (with_table, "holds a table, labels.csv, and no class folders; give the table itself: "),
    "a folder with a Parquet table": (
        lambda root: parquet_table(root, ["cat", "dog"]).parent,
        "holds a table, labels.parquet; give the table itself: ",
    ),
    "text": (text_file, "is not a table by its ending ''; one of: .csv, .tsv, .jsonl, .ndjson, .parquet; or a folder"),
    "captions": (
        lambda root: webdataset(root, ["cat"], captions=True),
        "holds captions and no classes; robustness needs one class an image",
    ),
    "several labels": (several_labels, "has several labels an image; robustness needs one label an image"),
}


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("kind", REFUSED)
def test_a_place_that_does_not_fit_is_named_with_the_way_out(kind: str, side: int, tmp_path: Path):
    make, message = REFUSED[kind]
    places = [folder(tmp_path / "good", ["cat", "dog"])]
    places.insert(side, make(tmp_path / "bad"))
    with pytest.raises(UserError) as raised:
        shift_suite(*places)
    assert str(places[side]) in str(raised.value)
    assert message in str(raised.value)


def test_one_place_twice_or_inside_the_other_is_refused(tmp_path: Path):
    first = folder(tmp_path / "data", ["cat", "dog"])
    with pytest.raises(UserError, match="is given twice; give the benchmark and then other images"):
        shift_suite(first, first / ".." / "data")
    with pytest.raises(UserError, match=r"cat: lies inside .*data; give two folders side by side"):
        shift_suite(first, first / "cat")


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path):
    first, second = folder(tmp_path / "benchmark", ["cat", "dog"]), folder(tmp_path / "real", ["cat", "dog"])
    (tmp_path / "mine.yaml").write_text("by hand")
    with pytest.raises(UserError, match=r"mine\.yaml: exists already; delete it, or give another name"):
        shift_suite(first, second, output=tmp_path / "mine.yaml")


# The command.


def test_the_command_prints_the_suite_and_says_the_rest_beside_it(clipbench: CommandLine, tmp_path: Path):
    folder(tmp_path / "studio", ["cat", "dog", "fox"])
    folder(tmp_path / "street", ["cat", "dog", "owl"])
    done = clipbench("init-shift", "studio", "street", "--prompts", "photo")
    assert done.returncode == 0, done.stderr
    assert read(done.stdout)["tasks"][0]["prompts"] == ["photo"]
    assert done.stderr.splitlines() == [
        "2 classes are in both studio and street",
        "left out, since studio has no such class: 'owl'",
        "left out, since street has no such class: 'fox'",
    ]
    refused = clipbench("init-shift", "studio", "nowhere")
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert "nowhere: there is no such folder or file; check the path" in refused.stderr


def test_what_it_writes_runs_as_it_is(clipbench: CommandLine, tmp_path: Path):
    for place, side in (("studio", 24), ("street", 30)):
        for name, colour in (("red", (230, 20, 20)), ("Dark_blue", (20, 20, 130))):
            (tmp_path / place / name).mkdir(parents=True)
            for at in range(6):
                (tmp_path / place / name / f"{at}.png").write_bytes(png(colour, side + at))
    (tmp_path / "street" / "Dark_blue").rename(tmp_path / "street" / "dark-blue")
    done = clipbench("init-shift", "studio", "street", "--output", "suites/mine.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "suites/mine.yaml"
    run = clipbench("run", "suites/mine.yaml", "--model", "clip-tiny", "--no-images")
    assert run.returncode == 0, run.stdout + run.stderr
    assert (tmp_path / "results" / "mine" / "report.html").is_file()
