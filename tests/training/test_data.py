"""Image-text pairs of every layout: the same batches whoever reads them, what is broken, what a model says it saw."""

from __future__ import annotations

import csv
import hashlib
import json
import pickle
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from clipbench.errors import UserError
from clipbench.models.catalog import find_model
from clipbench.report.leaderboard import make_leaderboard
from clipbench.runs.runner import Runner
from clipbench.training.data.base import Batch
from clipbench.training.data.pairs import CropTransform, LoadingOptions, PairData, PairStream
from clipbench.training.data.sources import open_sources
from clipbench.training.recipe import LoadedRecipe, load_recipe
from clipbench.training.start import build, train_recipe
from tests.conftest import png, printed_by, write_shard

RECIPE = """
name: small
datasets: {{photographs: {definition}}}
data: [{{dataset: {dataset}, split: {split}}}]
towers:
  config:
    embed_dim: 16
    vision_cfg: {{image_size: 16, patch_size: 8, width: 64, layers: 1}}
    text_cfg: {{context_length: 16, vocab_size: 49408, width: 64, heads: 1, layers: 1}}
schedule: {{batch: 12, steps: 2}}
seed: 3
"""
SLOW = pytest.mark.slow
LAYOUTS = ("csv", "hub", "tars", *(pytest.param(name, marks=SLOW) for name in ("digits", "folder", "table", "tar")))
NUMBER = 48


def picture(number: int) -> bytes:
    """A picture unlike all others."""
    return png(PIL.Image.fromarray(np.random.default_rng(number).integers(0, 255, (9, 12, 3), dtype=np.uint8)))


def write_data(layout: str, folder: Path) -> str:
    """Write pictures with captions, or classes, and return the definition of their data set."""
    told = [f"picture {number}" for number in range(NUMBER)]
    if layout in ("tar", "tars"):
        for shard in range(6 if layout == "tars" else 1):
            mine = range(shard, NUMBER, 6) if layout == "tars" else range(NUMBER)
            write_shard(folder / f"{shard}", [{"png": picture(n), "txt": told[n].encode()} for n in mine])
            (folder / "test").mkdir(exist_ok=True)
            (folder / f"{shard}" / "0.tar").rename(folder / "test" / f"{shard}.tar")
        (folder / "dataset_type.txt").write_text("retrieval")
        return f"{{adapter: webdataset, path: {folder}}}"
    if layout == "hub":
        rows = {"image": [{"bytes": picture(n), "path": None} for n in range(NUMBER)], "text": told}
        pq.write_table(pa.table(rows), folder / "test-00000-of-00001.parquet", row_group_size=10)
        return f"{{adapter: hf, path: {folder}}}"
    for number in range(NUMBER):
        file = folder / ("class_a", "class_b")[number % 2] / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(picture(number))
    if layout == "folder":
        return f'{{adapter: folder, path: {folder}, prompts: "a photo of {{}}."}}'
    files = [f"{('class_a', 'class_b')[number % 2]}/{number}.png" for number in range(NUMBER)]
    if layout == "table":
        pq.write_table(pa.table({"file": files, "text": told}), folder / "table.parquet")
        return f"{{adapter: table, path: {folder / 'table.parquet'}}}"
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "text"), *zip(files, told, strict=True)])
    return f"{{adapter: table, path: {folder / 'table.csv'}}}"


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipbench.training.data.sources.BLOCK", 8)


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., LoadedRecipe]:
    """Writes data in a layout, and reads the recipe that trains on them."""

    def make(layout: str, *settings: str) -> LoadedRecipe:
        (tmp_path / "data").mkdir(exist_ok=True)
        definition = "{adapter: digits}" if layout == "digits" else write_data(layout, tmp_path / "data")
        names = (
            {"dataset": "digits", "split": "train"}
            if layout == "digits"
            else {"dataset": "photographs", "split": "test"}
        )
        (tmp_path / "small.yaml").write_text(RECIPE.format(definition=definition, **names))
        return load_recipe(tmp_path / "small.yaml", settings)

    return make


def transform(loaded: LoadedRecipe) -> CropTransform:
    return CropTransform(8, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), loaded.recipe.crop)


def batches(loaded: LoadedRecipe, number: int, first: int = 0, **options: int) -> list[Batch]:
    return list(islice(PairData(loaded, transform(loaded), LoadingOptions(**options)).batches(first), number))


def assert_equal(found: list[Batch], expected: list[Batch]) -> None:
    assert [batch.captions for batch in found] == [batch.captions for batch in expected]
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.pixels, other.pixels)
        assert torch.equal(one.classes, other.classes)


def together(parts: list[list[Batch]]) -> list[Batch]:
    """The batches of all processes."""
    return [
        Batch(
            torch.cat([part.pixels for part in step]),
            [caption for part in step for caption in part.captions],
            torch.cat([part.classes for part in step]),
        )
        for step in zip(*parts, strict=True)
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_batches_are_the_same_ones_whoever_reads_them(layout: str, recipe: Callable[..., LoadedRecipe]) -> None:
    loaded = recipe(layout)
    alone = batches(loaded, 6)
    assert_equal(batches(loaded, 6, workers=2), alone)
    # Four processes divide neither six lanes nor one into whole ones.
    assert_equal(together([batches(loaded, 6, rank=rank, ranks=4) for rank in range(4)]), alone)
    assert_equal(batches(loaded, 2, first=4), alone[4:])
    stream = PairStream(loaded, transform(loaded), LoadingOptions(), open_sources(loaded, None), 0)
    # As a process gets it that is started anew and not forked.
    copy: PairStream = pickle.loads(pickle.dumps(stream))
    for one, other in islice(zip(stream, copy, strict=False), 3):
        assert one.captions == other.captions
        assert torch.equal(one.pixels, other.pixels)
    if layout != "digits":
        # 48 pictures in six lanes, four batches of twelve: an epoch.
        told = [caption for batch in alone[:4] for caption in batch.captions]
        expected = 2 * ["a photo of class a."] if layout == "folder" else [f"picture {n}" for n in range(NUMBER)]
        assert set(told) >= set(expected)
        assert len({bytes(pixels.numpy()) for batch in alone[:4] for pixels in batch.pixels}) == NUMBER


@SLOW
def test_workers_that_are_started_anew_read_the_same(recipe: Callable[..., LoadedRecipe], tmp_path: Path) -> None:
    recipe("hub")
    code = f"""
import torch
from itertools import islice
from tests.training.test_data import batches, load_recipe
if __name__ == "__main__":
    loaded = load_recipe({str(tmp_path / "small.yaml")!r})
    alone = batches(loaded, 2)
    torch.multiprocessing.set_start_method("spawn")
    print([batch.captions for batch in batches(loaded, 2, workers=2)] == [batch.captions for batch in alone])
"""
    (tmp_path / "spawned.py").write_text(code)
    assert (
        printed_by(f"import runpy; runpy.run_path({str(tmp_path / 'spawned.py')!r}, run_name='__main__')", tmp_path)
        == "True"
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_what_is_wrong_with_the_data_reaches_the_user_out_of_a_worker(
    workers: int, recipe: Callable[..., LoadedRecipe], tmp_path: Path
) -> None:
    loaded = recipe("tars")
    shard = tmp_path / "data" / "test" / "3.tar"
    shard.write_bytes(shard.read_bytes()[:3000])
    with pytest.raises(UserError, match="damaged or cut short") as caught:
        batches(loaded, 12, workers=workers)
    assert caught.value.where == str(shard)


def test_in_the_place_of_what_cannot_be_used_stands_the_next_of_the_batch(
    recipe: Callable[..., LoadedRecipe], tmp_path: Path
) -> None:
    whole = batches(recipe("csv"), 4)
    (tmp_path / "data" / "class_b" / "7.png").write_bytes(b"no picture")
    table = tmp_path / "data" / "table.csv"
    table.write_text(table.read_text().replace("picture 9\n", "\n").replace("picture 9\r", "\r"))
    found = batches(load_recipe(tmp_path / "small.yaml"), 4)
    assert sum(batch.broken for batch in found) == 2
    gone = 0
    for batch, before in zip(found, whole, strict=True):
        for place, caption in enumerate(before.captions):
            broken = caption in ("picture 7", "picture 9")
            gone += broken
            after = (place + 1) % 12 if broken else place
            assert batch.captions[place] == before.captions[after]
            assert torch.equal(batch.pixels[place], before.pixels[after])
    assert gone == 2


def test_data_of_which_nothing_can_be_used_are_told(recipe: Callable[..., LoadedRecipe], tmp_path: Path) -> None:
    loaded = recipe("csv")
    for file in (tmp_path / "data").glob("*/*.png"):
        file.write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"no example of a whole batch can be used.*png'"):
        batches(loaded, 1)


def trained(loaded: LoadedRecipe, output: Path, **options: Path) -> Path:
    losses: list[float] = []
    train_recipe(loaded, output, progress=lambda progress: losses.append(progress.loss), **options)
    assert len(losses) == loaded.recipe.schedule.steps
    assert np.isfinite(losses).all()
    return output


@SLOW
def test_a_model_says_what_it_was_trained_on_and_boards_mark_it(
    recipe: Callable[..., LoadedRecipe], tmp_path: Path, make_runner: Callable[..., Runner]
) -> None:
    output = trained(recipe("digits"), tmp_path / "model")
    suite = """
name: seen
datasets: {scenes: {adapter: scenes, by: colour, n: 20}}
tasks:
  - {task: zero_shot, datasets: [digits, scenes], limit: 20}
  - {task: zero_shot, datasets: [digits], split: train}
"""
    jobs = make_runner(suite, models=[f"open_clip:local-dir:{output}"]).run().jobs()
    assert {job.status for job in jobs} == {"done"}
    assert {tuple(job.run_metadata["trained_on"]) for job in jobs} == {("digits", "digits (train half)")}
    columns = make_leaderboard(jobs).columns
    seen = {(column.dataset, column.split): column.cells["model"].seen_in_training for column in columns}
    assert seen == {("digits", "test"): True, ("digits", "train"): True, ("scenes", "test"): False}
    (told,) = json.loads((output / "clipbench_training.json").read_text())["sources"]
    assert (told["dataset"], told["split"], told["examples"]) == ("digits", "train", 901)
    # The results of what was trained on are found by what their images are, whatever the data set is called.
    assert [job.split for job in jobs if job.pedigree.data == told["fingerprint"]] == ["train"]


def test_shards_are_told_by_an_example_of_each(recipe: Callable[..., LoadedRecipe]) -> None:
    loaded = recipe("tars")
    about = PairData(loaded, transform(loaded), LoadingOptions()).about()
    (source,) = about["sources"]
    assert about["trained_on"] == ["photographs"]
    inner = [hashlib.sha256(f"{shard}/0000000".encode()).digest() + picture(shard) for shard in range(6)]
    assert source["shards"] == [hashlib.sha256(content).hexdigest() for content in inner]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"trained_on": "digits"}', "trained_on is 'digits', not a list of names"),
        ('{"trained_on": [1]}', "not a list of names"),
        ("[" * 100_000, "cannot be read as a JSON object"),
        ("no JSON", "cannot be read as a JSON object"),
        ("{}", None),
    ],
)
def test_a_model_whose_note_of_its_training_is_damaged_is_told(
    content: str, told: str | None, tiny_folder: Path
) -> None:
    note = tiny_folder / "clipbench_training.json"
    note.write_text(content)
    source = find_model(f"open_clip:local-dir:{tiny_folder}")
    if told is None:
        assert source.load("cpu", "float32").info.trained_on is None
        return
    with pytest.raises(UserError, match=told) as caught:
        source.load("cpu", "float32")
    assert caught.value.where == str(note)


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was not trained, in open_clip's layout."""
    folder = tmp_path_factory.mktemp("untrained")
    (folder / "small.yaml").write_text(RECIPE.format(definition="{adapter: digits}", dataset="digits", split="train"))
    build(load_recipe(folder / "small.yaml")).write(folder, {})
    return folder


@SLOW
@pytest.mark.shared_data
def test_photographs_with_captions_are_trained_on_and_searched(
    shared_data: Path, tmp_path: Path, make_runner: Callable[..., Runner]
) -> None:
    definition = f"{{adapter: webdataset, path: {shared_data / 'flickr8k_sample'}}}"
    (tmp_path / "small.yaml").write_text(RECIPE.format(definition=definition, dataset="photographs", split="test"))
    output = trained(load_recipe(tmp_path / "small.yaml", ["schedule.steps=3"]), tmp_path / "model")
    suite = f"""
name: search
datasets: {{flickr: {definition}}}
tasks: [{{task: retrieval, datasets: [flickr], limit: 40}}]
"""
    (job,) = make_runner(suite, models=[f"open_clip:local-dir:{output}"]).run().jobs()
    assert job.status == "done"
    recalls = [record.value for record in job.records if "recall" in record.metric]
    assert recalls
    assert all(0 <= value <= 1 for value in recalls)
    # Called otherwise here, so that its name does not tell; with all images its digest would.
    assert job.run_metadata["trained_on"] == ["photographs"]


@pytest.mark.parametrize("layout", ["csv", *(pytest.param(name, marks=SLOW) for name in ("table", "folder", "hub"))])
def test_each_layout_is_trained_on(layout: str, recipe: Callable[..., LoadedRecipe], tmp_path: Path) -> None:
    model = find_model(f"open_clip:local-dir:{trained(recipe(layout), tmp_path / 'model')}").load("cpu", "float32")
    assert model.info.trained_on == ("photographs",)
