"""Image-text pairs of every layout: the same batches whoever reads them, and what is broken."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
import torch

from clipbench.datasets.adapters.digits import CLASSES as DIGITS
from clipbench.errors import UserError
from clipbench.training.data.base import Batch
from clipbench.training.data.pairs import CropTransform, LoadingOptions, PairData, PairStream
from clipbench.training.data.sources import open_sources
from clipbench.training.recipe import LoadedRecipe, load_recipe

from ..conftest import printed_by
from .layouts import NUMBER, recipe_fixture, write_data  # noqa: F401

SLOW = pytest.mark.slow
LAYOUTS = ("csv", "hub", "tars", *(pytest.param(name, marks=SLOW) for name in ("digits", "folder", "table", "tar")))


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
    state = torch.get_rng_state()
    assert_equal(batches(loaded, 6, workers=2), alone)
    # Else dropout in a training that goes on would not be what it had been.
    assert torch.equal(torch.get_rng_state(), state)
    # Four processes divide neither six lanes nor one into whole ones.
    assert_equal(together([batches(loaded, 6, rank=rank, ranks=4) for rank in range(4)]), alone)
    assert_equal(batches(loaded, 2, first=4), alone[4:])
    stream = PairStream(loaded, transform(loaded), LoadingOptions(), open_sources(loaded, None), 0)
    # As a process gets it that is started anew and not forked.
    copy: PairStream = pickle.loads(pickle.dumps(stream))
    for one, other in islice(zip(stream, copy, strict=False), 3):
        assert one.captions == other.captions
        assert torch.equal(one.squares, other.squares)
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


def test_classes_of_several_data_sets_do_not_overlap_and_all_are_mixed(
    recipe: Callable[..., LoadedRecipe], tmp_path: Path
) -> None:
    recipe("folder")
    (tmp_path / "captions").mkdir()
    text = (
        (tmp_path / "small.yaml")
        .read_text()
        .replace("split: test}", "split: test}, {dataset: digits}, {dataset: told, split: test}")
    )
    text = text.replace("datasets: {", f"datasets: {{told: {write_data('csv', tmp_path / 'captions')}, ")
    (tmp_path / "small.yaml").write_text(text)
    loaded = load_recipe(tmp_path / "small.yaml", ["schedule.batch=60"])
    # An epoch, and a little more for lanes that are not of one length.
    found = batches(loaded, 17)
    classes = {label for batch in found for label in batch.classes.tolist()}
    assert classes == {-1, *range(12)}
    for batch in found:
        for caption, label in zip(batch.captions, batch.classes.tolist(), strict=True):
            expected = "picture" if label == -1 else "class" if label < 2 else DIGITS[label - 2]
            assert expected in caption
