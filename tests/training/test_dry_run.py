"""A dry run: what it computes is exact, what it measures is what torch itself counts, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import open_clip
import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from clipbench.cli.estimate import estimate_lines
from clipbench.cli.main import app
from clipbench.errors import UserError
from clipbench.training.data.base import Batch
from clipbench.training.dry_run.estimate import Estimate
from clipbench.training.dry_run.measure import dry_run
from clipbench.training.dry_run.steps import Line, LiveMemory, Meter, flop_counter
from clipbench.training.recipe import LoadedRecipe, load_recipe
from clipbench.training.start import build, train

WIDTH, LAYERS, SIDE, PATCH, EMBEDDING = 64, 2, 32, 8, 16
RECIPE = f"""
name: small
data: [{{dataset: digits, split: train}}]
towers:
  config:
    embed_dim: {EMBEDDING}
    vision_cfg: {{image_size: {SIDE}, patch_size: {PATCH}, width: {WIDTH}, layers: {LAYERS}}}
    text_cfg: {{context_length: 16, vocab_size: 49408, width: 16, heads: 1, layers: 1}}
schedule: {{batch: 16, epochs: 2}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., LoadedRecipe]:
    def load(*settings: str) -> LoadedRecipe:
        path = tmp_path / "small.yaml"
        path.write_text(RECIPE)
        return load_recipe(path, settings)

    return load


@pytest.fixture(scope="module")
def estimate(tmp_path_factory: pytest.TempPathFactory) -> Estimate:
    path = tmp_path_factory.mktemp("recipe") / "small.yaml"
    path.write_text(RECIPE)
    return dry_run(load_recipe(path), hourly_price=2.0)


def pool(pairs: int) -> Batch:
    captions = [f"the digit {number} among others" for number in range(pairs)]
    return Batch(torch.randn(pairs, 3, SIDE, SIDE), captions, torch.full((pairs,), -1))


def test_memory_counts_what_is_freed_again_at_its_peak() -> None:
    before = torch.zeros(100)
    with LiveMemory() as memory:
        lasting = torch.ones(1000)
        first = lasting + 1
        second = first * 2
        del first
        third = second[:500]
        third += 1
        before += 1
        del second, third
        assert memory.lap() == 2 * 4 * 1000
        (torch.zeros(10) + 1).sum()
    assert memory.lap() == 2 * 4 * 10
    assert len(lasting) == 1000


def saved_for_backward(forward: Callable[[], Tensor], weights: set[int]) -> int:
    """Sum what autograd keeps, by torch's own hooks."""
    seen: dict[int, int] = {}

    def pack(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in weights:
            seen[storage.data_ptr()] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        forward()
    return sum(seen.values())


def test_activations_are_what_autograd_keeps_and_grow_in_proportion(recipe: Callable[..., LoadedRecipe]) -> None:
    loaded = recipe()
    model, pairs = build(loaded), 128
    *_, small, middle, large = Meter(loaded, model, pool(pairs), "cpu").costs(pairs, 1e12)
    ready = pool(pairs)
    tokens, weights = model.tokenize(ready.captions), {w.data_ptr() for w in model.model.parameters()}
    towers = model.towers()
    kept = saved_for_backward(
        lambda: torch.stack(towers(ready.pixels, tokens)).sum(), weights | {ready.pixels.data_ptr()}
    )
    assert large.memory == pytest.approx(kept, rel=0.15)
    assert [small.pairs, middle.pairs, large.pairs] == [8, 32, pairs]
    assert Line.through([(8, small.memory), (32, middle.memory)]).at(pairs) == pytest.approx(large.memory, rel=0.1)


def test_operations_of_a_vit_are_those_that_are_counted_by_hand(recipe: Callable[..., LoadedRecipe]) -> None:
    model = build(recipe())
    pixels = torch.randn(3, 3, SIDE, SIDE)
    with flop_counter() as counter, torch.no_grad():
        model.image(pixels)
    patches = (SIDE // PATCH) ** 2
    tokens = patches + 1
    block = 2 * tokens * WIDTH * WIDTH * (3 + 1 + 4 + 4) + 2 * 2 * tokens * tokens * WIDTH
    by_hand = 2 * patches * 3 * PATCH**2 * WIDTH + LAYERS * block + 2 * WIDTH * EMBEDDING
    assert counter.get_total_flops() == 3 * by_hand


def test_what_grows_in_proportion_leaves_out_what_is_fixed() -> None:
    assert Line.through([(2, 14.0), (8, 26.0)]).at(100) == 10 + 2 * 100
    assert Line.through([(8, 26.0)]).at(16) == 52
    # Noise: the larger batch was faster, or the small one far too fast.
    assert Line.through([(2, 30.0), (8, 26.0)]).at(16) == 52
    assert Line.through([(2, 0.1), (8, 26.0)]).at(16) == 52


def test_larger_batches_are_tried_until_one_is_as_large_as_wanted(recipe: Callable[..., LoadedRecipe]) -> None:
    loaded = recipe()
    meter = Meter(loaded, build(loaded), pool(4), "cpu")
    assert [cost.pairs for cost in meter.costs(5, 1e12)] == [2, 5]
    assert [cost.pairs for cost in meter.costs(2**20, 1)] == [2]


def test_sizes_are_those_of_open_clip_and_the_steps_those_of_the_training(
    estimate: Estimate, recipe: Callable[..., LoadedRecipe], tmp_path: Path
) -> None:
    theirs = open_clip.CLIP(EMBEDDING, *(recipe().recipe.towers.config[key] for key in ("vision_cfg", "text_cfg")))
    every = sum(weight.numel() for weight in theirs.parameters())
    image = sum(weight.numel() for weight in theirs.visual.parameters())
    assert (estimate.towers.image, estimate.towers.text) == (image, every - image - 1)
    assert estimate.memory.gradients == 4 * every
    assert estimate.memory.moments == 8 * every
    assert estimate.memory.inputs == 16 * (3 * SIDE**2 * 4 + estimate.text_tokens * 8)
    assert (estimate.examples, estimate.steps, estimate.share) == (901, round(2 * 901 / 16), 16)
    assert [(source.dataset, source.examples) for source in estimate.sources] == [("digits", 901)]
    output = tmp_path / "model"
    train(recipe("schedule={batch: 16, steps: 1}"), output)
    (checkpoint,) = (output / "checkpoints").iterdir()
    assert checkpoint.stat().st_size == pytest.approx(estimate.towers.checkpoint, rel=0.02)


@pytest.mark.slow
def test_devices_share_the_batch_and_parts_the_activations(recipe: Callable[..., LoadedRecipe]) -> None:
    whole = dry_run(recipe("schedule.batch=64"))
    shared = dry_run(recipe("schedule.batch=64", "part=4"), devices=2, workers=3)
    assert (shared.share, shared.part) == (32, 4)
    assert shared.measured[-1].pairs == 4
    assert shared.memory.activations < whole.memory.activations / 8
    assert shared.memory.gradients == 2 * whole.memory.gradients
    assert shared.memory.similarities == pytest.approx(whole.memory.similarities / 2, rel=0.6)
    with pytest.raises(UserError, match="cannot be shared by 3"):
        dry_run(recipe(), devices=3)


def test_time_and_cost_follow_from_a_step(estimate: Estimate) -> None:
    timed = replace(estimate, steps=7200, batch=64, devices=4, workers=0, loading_seconds=0.5, compute_seconds=1.5)
    assert timed.seconds == 4 * 3600
    assert timed.cost == 4 * 4 * 2.0
    assert timed.flops_per_second == pytest.approx(estimate.flops * 16 / 1.5)
    assert replace(timed, workers=2).step_seconds == 1.5
    assert replace(timed, workers=2, loading_seconds=4.0).step_seconds == 4.0
    lines = "\n".join(estimate_lines(replace(timed, workers=2, loading_seconds=0.012, compute_seconds=0.34)))
    assert "data 12 ms (2 workers), compute 340 ms: the data do not hold it up" in lines


def test_what_does_not_fit_is_told_with_the_part_that_does(estimate: Estimate) -> None:
    assert estimate.fits
    small = replace(estimate, room=estimate.memory.total - 1, largest_part=8, device="cuda")
    assert any("of cuda: set part=8" in line for line in estimate_lines(small))


def test_data_that_are_not_there_are_told_as_in_the_training(recipe: Callable[..., LoadedRecipe]) -> None:
    absent = "datasets={pictures: {adapter: table, path: absent.csv, image: file, caption: text}}"
    with pytest.raises(UserError, match=r"absent\.csv"):
        dry_run(recipe(absent, "data=[{dataset: pictures, split: test}]"))


def test_the_command_writes_nothing(tmp_path: Path, recipe: Callable[..., LoadedRecipe]) -> None:
    recipe()
    output = tmp_path / "model"
    before = sorted(tmp_path.rglob("*"))
    command = ["train", str(tmp_path / "small.yaml"), "--dry-run", "-o", str(output), "--hourly-price", "1.5"]
    found = CliRunner().invoke(app, [*command, "--device", "cpu", "--workers", "0"])
    assert found.exit_code == 0, found.output
    assert sorted(tmp_path.rglob("*")) == before
    assert "113 of 16 pairs: 2.0 epochs of 901 samples" in found.output
    assert "at 1.50 an hour" in found.output


def test_torchrun_is_told_to_stay_away(
    tmp_path: Path, recipe: Callable[..., LoadedRecipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe()
    monkeypatch.setenv("WORLD_SIZE", "2")
    found = CliRunner().invoke(app, ["train", str(tmp_path / "small.yaml"), "--dry-run"])
    assert isinstance(found.exception, UserError)
    assert "write --devices 2" in str(found.exception)


def test_a_training_needs_a_folder_where_a_dry_run_needs_none(
    tmp_path: Path, recipe: Callable[..., LoadedRecipe]
) -> None:
    recipe()
    found = CliRunner().invoke(app, ["train", str(tmp_path / "small.yaml")])
    assert isinstance(found.exception, UserError)
    assert "write --output" in str(found.exception)
