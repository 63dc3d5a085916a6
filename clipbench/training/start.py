"""Starting a training: from a recipe to the loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from clipbench.embed.device import default_workers, resolve_device
from clipbench.errors import UserError
from clipbench.files import write_atomically
from clipbench.training.data.base import TrainingData
from clipbench.training.loop import Progress, fit
from clipbench.training.monitor.curves import write_curves
from clipbench.training.monitor.evaluation import Evaluations
from clipbench.training.monitor.log import LOG, StepLog
from clipbench.training.processes import Processes, processes
from clipbench.training.recipe import LoadedRecipe, load_recipe
from clipbench.training.step.cached import warn_of_batch_statistics
from clipbench.training.towers.base import Trainable


def train(
    recipe: str | Path | LoadedRecipe,
    output: str | Path,
    *,
    settings: Sequence[str] = (),
    device: str = "auto",
    workers: int | None = None,
    data_root: str | Path | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Trainable:
    """Train what a recipe says, write it into a folder and return it; see `loop.fit`.

    Args:
        recipe: a YAML file, the name of a packaged recipe, or one that is loaded.
        output: gets the model, `log.jsonl` with a line a step, `curves.html` at the end, and `checkpoints/`.
        settings: 'optimiser.rate=1e-3': values put in the place of the recipe's, unless it is loaded already.
        device: 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'; with `torchrun` each process takes its own card.
        workers: processes that decode images, for each that trains; None: as many as suit the device.
        data_root: local copies of hub data sets.
        resume: go on where a training into this folder was broken off.
        progress: called by the first process after each step.

    Raises:
        UserError: the recipe, the data, the towers or the evaluations are wrong, the folder cannot be written, or the
            training diverges.
    """
    device, output = resolve_device(device), Path(output)
    options = default_workers(device) if workers is None else workers, Path(data_root) if data_root else None
    # Joined before anything can go wrong, so that one of many processes tells of it.
    with processes(device) as here:
        loaded = recipe if isinstance(recipe, LoadedRecipe) else load_recipe(recipe, settings)
        check_batch(loaded, here)
        torch.manual_seed(loaded.recipe.seed)
        model = build(loaded)
        data = open_data(loaded, model, here, *options)
        if not here.first:
            return fit(loaded, model, data, output, here=here, resume=resume)
        warn_of_batch_statistics(model, loaded.recipe.part, loaded.recipe.schedule.batch // here.count)
        evaluations = Evaluations(loaded, model, here.device, *options)
        _check_writable(output)
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


def _check_writable(folder: Path) -> None:
    """Raise a UserError where nothing can be written: before the training rather than after it."""
    write_atomically(folder / ".writable", b"")
    (folder / ".writable").unlink(missing_ok=True)


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
