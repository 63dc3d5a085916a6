"""Starting a training: from a recipe to the loop."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from clipbench.errors import UserError
from clipbench.training.data.base import TrainingData
from clipbench.training.loop import Progress, Watch, train
from clipbench.training.processes import Processes, processes
from clipbench.training.recipe import LoadedRecipe
from clipbench.training.towers.base import Trainable

if TYPE_CHECKING:
    from io import TextIOWrapper

LOG = "log.jsonl"


def train_recipe(
    loaded: LoadedRecipe,
    output: Path,
    *,
    device: str = "cpu",
    workers: int = 0,
    data_root: Path | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Trainable:
    """Train what a recipe says and write it into a folder; see `loop.train`.

    Args:
        loaded: the recipe.
        output: gets the model, `log.jsonl` with a line a step, and `checkpoints/`.
        device: 'cpu' or 'cuda'; with `torchrun` each process takes its own card.
        workers: processes that decode images, for each that trains.
        data_root: local copies of hub data sets.
        resume: go on where a training into this folder was broken off.
        progress: called by the first process after each step.

    Raises:
        UserError: the data or the towers cannot be made, or the training diverges.
    """
    recipe = loaded.recipe
    with processes(device) as here:
        _check_batch(loaded, here)
        torch.manual_seed(recipe.seed)
        model = build(loaded)
        data = open_data(loaded, model, here, workers, data_root)
        if not here.first:
            return train(loaded, model, data, output, here=here, resume=resume)
        output.mkdir(parents=True, exist_ok=True)
        with (output / LOG).open("a" if resume else "w", encoding="utf-8") as log:
            watch = Watch(progress=lambda found: (_log(log, found), progress(found))[1])
            return train(loaded, model, data, output, here=here, resume=resume, watch=watch)


def build(loaded: LoadedRecipe) -> Trainable:
    """Make a recipe's towers with new weights, drawn from torch's random numbers."""
    recipe = loaded.recipe
    if recipe.towers.reference:
        from clipbench.training.towers.reference import build as build_reference

        return build_reference(recipe.objective)
    from clipbench.training.towers.open_clip import build as build_open_clip

    return build_open_clip(recipe.towers, recipe.objective, f"recipe {recipe.name}, towers")


def open_data(
    loaded: LoadedRecipe, model: Trainable, here: Processes, workers: int = 0, data_root: Path | None = None
) -> TrainingData:
    """Open a recipe's data, this process's part of them."""
    recipe = loaded.recipe
    if recipe.towers.reference:
        from clipbench.models.reference.source import ReferenceTransform
        from clipbench.training.data.scenes import SceneData

        transform = ReferenceTransform(model.side, model.mean, model.std)
        return SceneData(recipe.seed, recipe.schedule.batch, transform, recipe.crop.smallest)
    from clipbench.training.data.pairs import CropTransform, LoadingOptions, PairData

    pinned = here.device.startswith("cuda")
    options = LoadingOptions(workers, here.rank, here.count, pinned, data_root)
    return PairData(loaded, CropTransform(model.side, model.mean, model.std, recipe.crop), options)


def _check_batch(loaded: LoadedRecipe, here: Processes) -> None:
    batch = loaded.recipe.schedule.batch
    if batch % here.count:
        fix = f"give a batch that {here.count} divides"
        raise UserError(f"{batch} pairs cannot be shared by {here.count} processes", where="schedule.batch", fix=fix)
    if here.count > 1 and loaded.recipe.towers.reference:
        raise UserError("clip-tiny is trained by one process", fix="start it without torchrun")


def _log(log: TextIOWrapper, progress: Progress) -> None:
    log.write(json.dumps({name: value for name, value in asdict(progress).items() if name != "steps"}) + "\n")
    log.flush()
