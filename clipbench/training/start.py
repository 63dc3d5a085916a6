"""Starting a training: from a recipe to the loop."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from clipbench.errors import UserError
from clipbench.files import write_atomically
from clipbench.training.data.base import TrainingData
from clipbench.training.loop import Progress, train
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
        check_batch(loaded, here)
        torch.manual_seed(recipe.seed)
        model = build(loaded)
        data = open_data(loaded, model, here, workers, data_root)
        if not here.first:
            return train(loaded, model, data, output, here=here, resume=resume)
        log = StepLog(output / "log.jsonl", resume=resume)

        def told(found: Progress) -> None:
            log.add(found)
            progress(found)

        return train(loaded, model, data, output, here=here, resume=resume, report=told)


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


def check_batch(loaded: LoadedRecipe, here: Processes) -> None:
    """Raise a UserError unless the processes can share the recipe's batch."""
    batch = loaded.recipe.schedule.batch
    if batch % here.count:
        fix = f"give a batch that {here.count} divides"
        raise UserError(f"{batch} pairs cannot be shared by {here.count} processes", where="schedule.batch", fix=fix)
    if here.count > 1 and loaded.recipe.towers.reference:
        raise UserError("clip-tiny is trained by one process", fix="start it without torchrun")


class StepLog:
    """A line of JSON for each step; those of steps that are done again, after a crash, are replaced."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        self._path = path
        self._earlier = _lines(path) if resume else []
        self._begun = False

    def add(self, progress: Progress) -> None:
        """Add a step."""
        if not self._begun:
            kept = [line for line in self._earlier if json.loads(line)["step"] < progress.step]
            write_atomically(self._path, "".join(kept).encode())
            self._begun = True
        told = {name: value for name, value in asdict(progress).items() if name != "steps"}
        with self._path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(told) + "\n")


def _lines(path: Path) -> list[str]:
    """Return the whole lines of a log; what a crash has cut is left out."""
    if not path.exists():
        return []
    return [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("}\n")]
