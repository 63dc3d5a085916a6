"""What a trained model says that it saw, by name and by content, and what boards make of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clipbench.errors import UserError
from clipbench.models.catalog import find_model
from clipbench.report.leaderboard import make_leaderboard
from clipbench.runs.runner import Runner
from clipbench.training.data.pairs import LoadingOptions, PairData
from clipbench.training.recipe import LoadedRecipe, load_recipe
from clipbench.training.start import build, train

from .layouts import RECIPE, picture, recipe_fixture  # noqa: F401
from .test_data import transform

SLOW = pytest.mark.slow


def trained(loaded: LoadedRecipe, output: Path, **options: Path) -> Path:
    losses: list[float] = []
    train(loaded, output, progress=lambda progress: losses.append(progress.loss), **options)
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
