"""The training loop, from top to bottom."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clipbench.errors import UserError
from clipbench.training.checkpoints import Checkpoints, recipe_digest
from clipbench.training.data.base import TrainingData
from clipbench.training.monitor.evaluation import Score
from clipbench.training.processes import Processes
from clipbench.training.recipe import LoadedRecipe
from clipbench.training.step.learner import Learner
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
    """Since the training began or went on."""
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
class _Clock:
    first: int
    """Steps that were done before."""
    steps: int
    batch: int
    started: float
    evaluating: float = 0.0
    """Seconds since then, which are no training's."""

    def progress(self, learner: Learner, loss: float, done: int, scores: tuple[Score, ...]) -> Progress:
        self.evaluating += sum(score.seconds for score in scores)
        seconds = time.monotonic() - self.started
        a_step = seconds / (done - self.first)
        return Progress(
            step=done,
            steps=self.steps,
            loss=loss,
            scale=learner.scale,
            rate=learner.rate,
            images_per_second=(done - self.first) * self.batch / (seconds - self.evaluating),
            seconds=seconds,
            skipped=learner.skipped,
            broken=learner.broken,
            seconds_left=(self.steps - done) * a_step,
            scores=scores,
        )


def fit(
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
    checkpoints = Checkpoints(output / "checkpoints", recipe_digest(recipe), recipe.keep)
    learner = Learner(model, recipe, here)
    newest = here.of_first(checkpoints.newest() if here.first else None) if resume else None
    first = learner.restore(newest[1]) if newest else 0

    clock = _Clock(first, steps, recipe.schedule.batch, time.monotonic())
    for step, batch in zip(range(first, steps), data.batches(first), strict=False):
        loss = learner.learn(batch, step, steps)
        if learner.skipped_in_a_row == PATIENCE:
            raise _divergence(step, checkpoints)
        done = step + 1
        # Before the checkpoint: a training that is killed meanwhile goes on before this step, and evaluates again.
        scores = evaluate(done, steps) if here.first else ()
        report(clock.progress(learner, loss, done, scores))
        # What follows a step that was skipped may rest on weights that are lost already.
        if here.first and not learner.skipped_in_a_row and (done % recipe.save_every == 0 or done == steps):
            checkpoints.write(done, learner.state())

    model.model.eval()
    if here.first:
        model.write(output, {"recipe": dict(loaded.document), "samples": steps * recipe.schedule.batch, **data.about()})
    return model


def _divergence(step: int, checkpoints: Checkpoints) -> UserError:
    found = checkpoints.newest()
    last = f"the last checkpoint before that is {found[0]}" if found else "no checkpoint was written before it"
    fix = f"lower optimiser.rate, lengthen schedule.warmup or set optimiser.clip_norm; {last}"
    return UserError(f"has diverged: no finite gradients in {PATIENCE} steps", where=f"step {step + 1}", fix=fix)
