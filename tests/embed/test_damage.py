"""No damaged file of the cache gives a number: it is noticed, told of and made again, and nothing else with it."""

from __future__ import annotations

import errno
import io
import json
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from clipbench.datasets.base import Split
from clipbench.embed import examples
from clipbench.embed.encode import EncodeSettings, ImageEncoder
from clipbench.embed.housekeeping import cache_entries
from clipbench.embed.image_set import SplitReader
from clipbench.embed.store import Store
from clipbench.embed.texts import TextEncoder
from clipbench.errors import Damaged, UserError
from clipbench.runs.runner import Runner

from .conftest import LinearModel, Squares

FLIPS = 300
WORDS = ["a", "a longer text", "a text as long as the context reaches, and on"]


class Pipeline:
    """What a run does with a cache: it looks for everything, and makes what is missing."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        self.model = LinearModel()
        self.split: Split = Squares(12, broken=[5]).split("test")

    def images(self) -> list[Any]:
        encoder = ImageEncoder(lambda: self.model, "linear", self.store, EncodeSettings("cpu", batch_size=16))
        reader = SplitReader(self.store, "linear")
        _, index = reader.find(self.split)
        if index is None or reader.missing(index):
            index = encoder.embed(self.split, "squares")
        try:
            opened = reader.open(index, ("projected", "backbone"))
        except Damaged:
            index = encoder.embed(self.split, "squares")
            opened = reader.open(index, ("projected", "backbone"))
        images = opened.images
        features = [feature.load().tobytes() for feature in images.features.values()]
        known = [images.ids, np.asarray(images.labels).tolist(), images.groups, opened.broken]
        return [replace(index, table=Path()), features, known, reader.identify(index)]

    def texts(self) -> list[Any]:
        files = self.store.texts("linear")
        TextEncoder(lambda: self.model, files).embed(WORDS)
        return [files.get(WORDS).tobytes(), files.truncated(WORDS)]

    def described(self) -> Any:
        if self.store.find_model("where it lies") is None:
            self.store.write_model("where it lies", self.model.info)
        return self.store.find_model("where it lies")

    def named(self) -> Any:
        listed = [entry.model for entry in cache_entries(self.store.root)]
        self.store.write_name(self.model.info)
        assert set(listed) <= {"linear", "unknown"}
        return [entry.model for entry in cache_entries(self.store.root)]

    def widths(self) -> Any:
        if not self.store.measured("linear", "widths"):
            self.store.keep_measured("linear", "widths", {"projected": 16, "backbone": 192})
        return self.store.measured("linear", "widths")


KINDS: dict[str, tuple[str, Callable[[Pipeline], Any]]] = {
    "embeddings": ("embeddings/linear/*.safetensors", Pipeline.images),
    "texts": ("texts/linear/*.safetensors", Pipeline.texts),
    "tables": ("data/*.parquet", Pipeline.images),
    "locators": ("locators/*.json", Pipeline.images),
    "models": ("models/*.json", Pipeline.described),
    "names": ("embeddings/*/model.json", Pipeline.named),
    "measurements": ("embeddings/linear/widths.json", Pipeline.widths),
}


def flip(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_no_flipped_bit_changes_what_is_read(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "fsync", lambda file: None)
    pattern, read = KINDS[kind]
    expected = read(Pipeline(tmp_path))
    (path,) = tmp_path.glob(pattern)
    content = path.read_bytes()
    choose, told = random.Random(kind), 0
    for _ in range(FLIPS):
        bit = choose.randrange(8 * len(content))
        path.write_bytes(flip(content, bit))
        caplog.clear()
        assert read(Pipeline(tmp_path)) == expected, f"bit {bit} of {len(content)} bytes"
        told += f"{path}: damaged" in caplog.text
    # The text that stands before the digest may be hit, and then nothing else is.
    assert told >= FLIPS * (0.9 if path.suffix == ".safetensors" else 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\x00" * 100], ids=["empty", "object", "list", "zeros"])
def test_a_file_that_is_something_else_is_made_again(kind: str, content: bytes, tmp_path: Path):
    pattern, read = KINDS[kind]
    expected = read(Pipeline(tmp_path))
    (path,) = tmp_path.glob(pattern)
    path.write_bytes(content)
    assert read(Pipeline(tmp_path)) == expected
    assert read(Pipeline(tmp_path)) == expected


@pytest.mark.parametrize("kind", ["embeddings", "texts", "tables", "locators"])
def test_a_file_that_cannot_be_read_is_not_taken_for_damaged(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pattern, read = KINDS[kind]
    expected = read(Pipeline(tmp_path))
    (path,) = tmp_path.glob(pattern)
    opened = io.open

    def refuse(file: Any, *arguments: Any, **options: Any) -> Any:
        if file == path and "w" not in (arguments or ["r"])[0]:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(file, *arguments, **options)

    content = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(io, "open", refuse)
        os.utime(path)
        if path.suffix == ".json":
            assert read(Pipeline(tmp_path)) == expected
        else:
            with pytest.raises(UserError, match=r"cannot be read \(Permission denied\); check its perm"):
                read(Pipeline(tmp_path))
    assert path.suffix == ".json" or path.read_bytes() == content
    assert read(Pipeline(tmp_path)) == expected


def test_only_the_damaged_part_is_encoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(examples, "PART_ROWS", 4)
    expected = Pipeline(tmp_path).images()
    path = sorted((tmp_path / "embeddings" / "linear").glob("*.safetensors"))[1]
    path.write_bytes(flip(path.read_bytes(), -9))
    again = Pipeline(tmp_path)
    assert again.images() == expected
    assert again.model.images in (3, 4)


def unseal(path: Path) -> None:
    """Write a file of tensors as versions before the checksums did."""
    length = int.from_bytes(path.read_bytes()[:8], "little")
    metadata = json.loads(path.read_bytes()[8 : 8 + length])["__metadata__"]
    metadata.pop("seal")
    path.write_bytes(save(load(path.read_bytes()), metadata))


def test_embeddings_of_before_the_checksums_are_kept(tmp_path: Path):
    first = Pipeline(tmp_path)
    expected = first.images(), first.texts()
    for path in tmp_path.rglob("*.safetensors"):
        unseal(path)
    later = Pipeline(tmp_path)
    assert (later.images(), later.texts()) == expected
    assert (later.model.images, later.model.texts) == (0, 0)


def test_a_file_without_a_checksum_whose_rows_do_not_agree_is_made_again(tmp_path: Path):
    expected = Pipeline(tmp_path).images()
    (path,) = (tmp_path / "embeddings" / "linear").glob("*.safetensors")
    unseal(path)
    tensors = load(path.read_bytes())
    path.write_bytes(save({**tensors, "projected": tensors["projected"][:-1]}, {"broken": "{}", "batch_size": "16"}))
    assert Pipeline(tmp_path).images() == expected


SUITE = """
name: few
datasets:
  few: {adapter: scenes, by: colour, n: 40}
tasks:
  - task: zero_shot
    datasets: [few]
    prompts: ["a {} thing."]
"""


def test_a_run_over_a_cache_whose_every_file_is_damaged_gives_the_same_records(
    make_runner: Callable[..., Runner], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (first,) = make_runner(SUITE, models=["clip-tiny"]).run().jobs()
    cache = tmp_path / "cache"
    files = [path for path in cache.rglob("*") if path.is_file()]
    kinds = {path.relative_to(cache).parts[0] for path in files}
    assert kinds == {"data", "embeddings", "locators", "models", "texts"}
    for path in files:
        path.write_bytes(flip(path.read_bytes(), 4 * path.stat().st_size))
    caplog.clear()
    (again,) = make_runner(SUITE, models=["clip-tiny"], output=tmp_path / "again").run().jobs()
    assert (again.hash, again.records) == (first.hash, first.records)
    # The table of a split that was not found by its locator is found once it was read again.
    assert [f"{path}: damaged" in caplog.text for path in files] == [True] * len(files)


def test_what_is_done_is_planned_and_found_again_without_reading_embeddings(
    make_runner: Callable[..., Runner], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    make_runner(SUITE).run()
    for path in (tmp_path / "cache").rglob("*.safetensors"):
        path.write_bytes(flip(path.read_bytes(), -9))
    runner = make_runner(SUITE)
    assert [job.done for job in runner.plan().jobs] == [True]
    runner.run()
    assert "damaged" not in caplog.text
    make_runner(SUITE, output=tmp_path / "elsewhere").run()
    assert caplog.text.count("damaged (checksum)") == 2


def test_what_is_removed_during_a_run_is_made_again(make_runner: Callable[..., Runner], tmp_path: Path):
    runner = make_runner(SUITE)
    runner.run()
    planned = make_runner(SUITE, output=tmp_path / "again")
    planned.plan()
    for path in (tmp_path / "cache").rglob("*"):
        if path.is_file():
            path.unlink()
    (job,) = planned.run().jobs()
    assert job.status == "done"
