"""Starting a training: from a recipe to the loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from clipbench.errors import UserError
from clipbench.training.cached import warn_of_batch_statistics
from clipbench.training.curves import write_curves
from clipbench.training.data.base import TrainingData
from clipbench.training.evaluation import Evaluations
from clipbench.training.log import LOG, StepLog
from clipbench.training.loop import Progress, fit
from clipbench.training.processes import Processes, processes
from clipbench.training.recipe import LoadedRecipe
from clipbench.training.towers.base import Trainable


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
    """Train what a recipe says and write it into a folder; see `loop.fit`.

    Args:
        loaded: the recipe.
        output: gets the model, `log.jsonl` with a line a step, `curves.html` at the end, and `checkpoints/`.
        device: 'cpu' or 'cuda'; with `torchrun` each process takes its own card.
        workers: processes that decode images, for each that trains.
        data_root: local copies of hub data sets.
        resume: go on where a training into this folder was broken off.
        progress: called by the first process after each step.

    Raises:
        UserError: the data, the towers or the evaluations cannot be made, or the training diverges.
    """
    recipe = loaded.recipe
    with processes(device) as here:
        check_batch(loaded, here)
        torch.manual_seed(recipe.seed)
        model = build(loaded)
        data = open_data(loaded, model, here, workers, data_root)
        if not here.first:
            return fit(loaded, model, data, output, here=here, resume=resume)
        warn_of_batch_statistics(model, recipe.part, recipe.schedule.batch // here.count)
        evaluations = Evaluations(loaded, model, here.device, workers, data_root)
        log = StepLog(output, resume=resume)

        def told(found: Progress) -> None:
            log.add(found)
            progress(found)

        try:
            return fit(loaded, model, data, output, here=here, resume=resume, report=told, evaluate=evaluations.at)
        finally:
            # Of a training that diverged or was interrupted too.
            log.close()
            if (output / LOG).exists():
                write_curves(output)


def build(loaded: LoadedRecipe) -> Trainable:
    """Make a recipe's towers with new weights, drawn from torch's random numbers."""
    recipe = loaded.recipe
    if recipe.towers.reference:
        from clipbench.training.towers.reference import build as build_reference

        model = build_reference(recipe.objective)
    else:
        from clipbench.training.towers.open_clip import build as build_open_clip

        model = build_open_clip(recipe.towers, recipe.objective, f"recipe {recipe.name}, towers")
    if recipe.gradient_checkpointing:
        enable: Callable[[], None] | None = getattr(model.model, "set_grad_checkpointing", None)
        if enable is None:
            raise UserError("clip-tiny's towers have none", where="gradient_checkpointing", fix="leave it out")
        enable()
    return model


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
    squash = model.resize_mode == "squash"
    return PairData(loaded, CropTransform(model.side, model.mean, model.std, recipe.crop, squash), options)


def check_batch(loaded: LoadedRecipe, here: Processes) -> None:
    """Raise a UserError unless the processes can share the recipe's batch."""
    batch = loaded.recipe.schedule.batch
    if batch % here.count:
        fix = f"give a batch that {here.count} divides"
        raise UserError(f"{batch} pairs cannot be shared by {here.count} processes", where="schedule.batch", fix=fix)
    if here.count > 1 and loaded.recipe.towers.reference:
        raise UserError("clip-tiny is trained by one process", fix="start it without torchrun")
