"""The training loop, from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from clipbench.errors import UserError
from clipbench.fingerprint import digest
from clipbench.training.cached import Inputs, Loss, backward
from clipbench.training.checkpoints import Checkpoints
from clipbench.training.data.base import TrainingData
from clipbench.training.evaluation import Score
from clipbench.training.objectives.contrastive import contrastive
from clipbench.training.objectives.exchange import gathered, passed_round
from clipbench.training.objectives.pairs import Pairs, caption_codes
from clipbench.training.objectives.sigmoid import sigmoid
from clipbench.training.optimiser import make_optimiser, set_rate
from clipbench.training.processes import Processes
from clipbench.training.recipe import LoadedRecipe, Recipe
from clipbench.training.towers.base import Trainable

PATIENCE: Final = 20
"""Steps in a row without finite gradients after which a training has diverged; float16 needs some at first."""


@dataclass(frozen=True)
class Progress:
    """How far a training has come."""

    step: int
    steps: int
    loss: float
    """Of this step, the mean over all processes."""
    scale: float
    rate: float
    """Highest learning rate of this step."""
    images_per_second: float
    seconds: float
    """Since the training began or went on."""
    skipped: int
    """Steps whose gradients were not finite, so that no weight was changed."""
    broken: int
    """Samples of this process that could not be decoded."""
    seconds_left: float
    """As those left will take, if they take as long as those since the training began or went on."""
    scores: tuple[Score, ...] = ()
    """Of this step, where the model was evaluated after it."""


@dataclass
class _Counts:
    skipped: int = 0
    in_a_row: int = 0
    broken: int = 0
    loss: float = 0.0
    """Of the last step."""
    evaluating: float = 0.0
    """Seconds."""


def train(
    loaded: LoadedRecipe,
    model: Trainable,
    data: TrainingData,
    output: Path,
    *,
    here: Processes | None = None,
    resume: bool = False,
    report: Callable[[Progress], None] = lambda _: None,
    evaluate: Callable[[int, int], tuple[Score, ...]] = lambda _step, _steps: (),
) -> Trainable:
    """Train a model and write it into `output`; a training that was broken off goes on as if it never had been.

    Args:
        loaded: the recipe.
        model: with new weights.
        data: this process's part of the batches.
        output: gets the model, and `checkpoints/` on the way.
        here: this process among all; alone by default.
        resume: go on from the newest checkpoint, where there is one.
        report: called after each step.
        evaluate: called by the first process after each step with how many were done, of how many; the others wait.

    Raises:
        UserError: the training diverges, or the checkpoints are of another recipe.
    """
    recipe, here = loaded.recipe, here or Processes()
    steps = recipe.schedule.total(data.examples)
    checkpoints = Checkpoints(output / "checkpoints", digest(loaded.document), recipe.keep)
    precision = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(recipe.precision, torch.float32)

    model.model.to(here.device).train()
    apart = [model.log_scale, *([model.bias] if model.bias is not None else [])]
    towers = here.together(model.towers(precision), apart)
    optimiser = make_optimiser(model, recipe.optimiser)
    scaler = torch.amp.GradScaler(here.device.partition(":")[0], enabled=precision == torch.float16)
    counts, first = _Counts(), 0
    if resume and (newest := checkpoints.newest()):
        first = _restore(newest[1], model, optimiser, scaler, counts)

    started = time.monotonic()
    loss = _loss(recipe, model)
    for step, batch in zip(range(first, steps), data.batches(first), strict=False):
        set_rate(optimiser, step, steps, recipe.schedule.warmup)
        inputs = Inputs(batch.pixels, model.tokenize(batch.captions), caption_codes(batch.captions), batch.classes)

        optimiser.zero_grad()
        found_loss = backward(towers, inputs.to(here.device), lambda pairs: scaler.scale(loss(pairs)), recipe.part)
        for weight in apart:
            if weight.grad is not None:
                here.average(weight.grad)
        scaler.unscale_(optimiser)
        if _finite(model, recipe.optimiser.clip_norm):
            scaler.step(optimiser)
            counts.in_a_row = 0
            with torch.no_grad():
                model.log_scale.clamp_(max=math.log(recipe.objective.largest_scale))
        else:
            counts.skipped, counts.in_a_row = counts.skipped + 1, counts.in_a_row + 1
            _check_patience(counts, step, checkpoints)

        counts.broken += batch.broken
        counts.loss = float(here.average(found_loss)) / scaler.get_scale()
        scaler.update()

        done = step + 1
        # Before the checkpoint: a training that is killed meanwhile goes on before this step, and evaluates again.
        scores = evaluate(done, steps) if here.first else ()
        counts.evaluating += sum(score.seconds for score in scores)
        progress = _progress(done, steps, first, started, model, optimiser, recipe, counts)
        report(replace(progress, scores=scores))
        # What follows a step that was skipped may rest on weights that are lost already.
        if here.first and not counts.in_a_row and (done % recipe.save_every == 0 or done == steps):
            checkpoints.write(done, _state(model, optimiser, scaler, counts))

    model.model.eval()
    if here.first:
        model.write(output, {"recipe": dict(loaded.document), "samples": steps * recipe.schedule.batch, **data.about()})
    return model


def _loss(recipe: Recipe, model: Trainable) -> Loss:
    """Return the objective, over the pairs of all processes."""

    def of_sigmoid(pairs: Pairs) -> Tensor:
        assert model.bias is not None
        parts = [sigmoid(pairs, others, model.log_scale.exp(), model.bias) for others in passed_round(pairs)]
        return torch.stack(parts).sum()

    def of_contrast(pairs: Pairs) -> Tensor:
        return contrastive(pairs, gathered(pairs), model.log_scale.exp())

    return of_sigmoid if recipe.objective.name == "sigmoid" else of_contrast


def _finite(model: Trainable, clip_norm: float | None) -> bool:
    """Return whether all gradients are finite, scaled down to a norm if one is wanted."""
    weights = [weight for weight in model.model.parameters() if weight.grad is not None]
    norm = torch.nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
    if clip_norm is not None:
        torch.nn.utils.clip_grads_with_norm_(weights, clip_norm, norm)
    return bool(torch.isfinite(norm))


def _check_patience(counts: _Counts, step: int, checkpoints: Checkpoints) -> None:
    if counts.in_a_row < PATIENCE:
        return
    found = checkpoints.newest()
    last = f"the last checkpoint before that is {found[0]}" if found else "no checkpoint was written before it"
    fix = f"lower optimiser.rate, lengthen schedule.warmup or set optimiser.clip_norm; {last}"
    raise UserError(f"has diverged: no finite gradients in {PATIENCE} steps", where=f"step {step + 1}", fix=fix)


def _progress(
    done: int,
    steps: int,
    first: int,
    started: float,
    model: Trainable,
    optimiser: torch.optim.Optimizer,
    recipe: Recipe,
    counts: _Counts,
) -> Progress:
    seconds = time.monotonic() - started
    return Progress(
        step=done,
        steps=steps,
        loss=counts.loss,
        scale=float(model.log_scale.detach().exp()),
        rate=max(group["lr"] for group in optimiser.param_groups),
        images_per_second=(done - first) * recipe.schedule.batch / max(seconds - counts.evaluating, 1e-9),
        seconds=seconds,
        skipped=counts.skipped,
        broken=counts.broken,
        seconds_left=(steps - done) * seconds / (done - first),
    )


def _state(
    model: Trainable, optimiser: torch.optim.Optimizer, scaler: torch.amp.GradScaler, counts: _Counts
) -> Mapping[str, Any]:
    return {
        "model": model.model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "scaler": scaler.state_dict(),
        "random": torch.get_rng_state(),
        "skipped": counts.skipped,
        "broken": counts.broken,
    }


def _restore(
    state: Mapping[str, Any],
    model: Trainable,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    counts: _Counts,
) -> int:
    """Put everything back to what it was; return after how many steps that is."""
    model.model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    if state["scaler"]:
        scaler.load_state_dict(state["scaler"])
    torch.set_rng_state(state["random"])
    counts.skipped, counts.broken = state["skipped"], state["broken"]
    return int(state["step"])
