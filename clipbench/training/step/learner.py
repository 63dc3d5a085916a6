"""One step of a training: a batch's gradients, and the weights that follow from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from clipbench.training.data.base import Batch
from clipbench.training.objectives.contrastive import contrastive
from clipbench.training.objectives.exchange import gathered, passed_round
from clipbench.training.objectives.pairs import Pairs, caption_codes
from clipbench.training.objectives.sigmoid import sigmoid
from clipbench.training.processes import Processes
from clipbench.training.recipe import Recipe
from clipbench.training.step.cached import Inputs, Loss, backward
from clipbench.training.step.optimiser import make_optimiser, set_rate
from clipbench.training.towers.base import Trainable

DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Learner:
    """A model on its device with its optimiser: all that a checkpoint holds."""

    def __init__(self, model: Trainable, recipe: Recipe, here: Processes) -> None:
        """Move the model to the device of this process and join it with those of the others."""
        precision = DTYPES[resolve_precision(recipe.precision, here.device)]
        self.model = model
        self.skipped = 0
        """Steps whose gradients were not finite, so that no weight was changed."""
        self.skipped_in_a_row = 0
        self.broken = 0
        """Samples of this process that could not be decoded."""
        self._recipe, self._here = recipe, here
        # The loss alone uses these: they are no part of what the towers exchange.
        self._apart = [model.log_scale, *([model.bias] if model.bias is not None else [])]
        model.model.to(here.device).train()
        towers: nn.Module = model.towers(precision)
        if recipe.compile:
            towers.compile()
        self._towers = here.together(towers, self._apart)
        self._optimiser = make_optimiser(model, recipe.optimiser)
        self._scaler = torch.amp.GradScaler(here.device.partition(":")[0], enabled=precision == torch.float16)

    def learn(self, batch: Batch, step: int, steps: int) -> float:
        """Take a step of `steps` on this process's pairs; return the loss, the mean over all processes."""
        self._here.seed_step(self._recipe.seed, step)
        set_rate(self._optimiser, step, steps, self._recipe.schedule.warmup)
        self._optimiser.zero_grad()
        tokens = self.model.tokenize(batch.captions)
        inputs = Inputs(batch.pixels, tokens, caption_codes(batch.captions), batch.classes)
        objective = self._scaled(_objective(self._recipe, self.model))
        loss = backward(self._towers, inputs, objective, self._recipe.part, self._here.device)
        for weight in self._apart:
            if weight.grad is not None:
                self._here.average(weight.grad)

        self._scaler.unscale_(self._optimiser)
        if self._finite():
            self._scaler.step(self._optimiser)
            self.skipped_in_a_row = 0
            with torch.no_grad():
                self.model.log_scale.clamp_(max=math.log(self._recipe.objective.largest_scale))
        else:
            self.skipped, self.skipped_in_a_row = self.skipped + 1, self.skipped_in_a_row + 1
        self.broken += batch.broken
        loss_scale: float = self._scaler.get_scale()
        self._scaler.update()
        return float(self._here.average(loss)) / loss_scale

    def _scaled(self, objective: Loss) -> Loss:
        return lambda pairs: self._scaler.scale(objective(pairs))

    def _finite(self) -> bool:
        """Return whether all gradients are finite, scaled down to a norm if one is wanted."""
        weights = [weight for weight in self.model.model.parameters() if weight.grad is not None]
        norm = torch.nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
        if (clip_norm := self._recipe.optimiser.clip_norm) is not None:
            torch.nn.utils.clip_grads_with_norm_(weights, clip_norm, norm)
        return bool(torch.isfinite(norm))

    @property
    def rate(self) -> float:
        """Highest learning rate of the last step."""
        return max(float(group["lr"]) for group in self._optimiser.param_groups)

    @property
    def scale(self) -> float:
        """What similarities are multiplied by."""
        return float(self.model.log_scale.detach().exp())

    def state(self) -> Mapping[str, Any]:
        """Return what a checkpoint holds."""
        return {
            "model": self.model.model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
            "skipped": self.skipped,
            "broken": self.broken,
        }

    def restore(self, state: Mapping[str, Any]) -> int:
        """Put everything back to what a checkpoint holds; return after how many steps that is."""
        self.model.model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        if state["scaler"]:
            self._scaler.load_state_dict(state["scaler"])
        self.skipped, self.broken = state["skipped"], state["broken"]
        return int(state["step"])


def resolve_precision(wanted: str, device: str) -> str:
    """Return the towers' precision: 'auto' is bfloat16 on cards that have it, float16 on others, float32 elsewhere."""
    if wanted != "auto":
        return wanted
    if not device.startswith("cuda"):
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"


def _objective(recipe: Recipe, model: Trainable) -> Loss:
    """Return the objective, over the pairs of all processes."""

    def of_sigmoid(pairs: Pairs) -> Tensor:
        assert model.bias is not None
        parts = [sigmoid(pairs, others, model.log_scale.exp(), model.bias) for others in passed_round(pairs)]
        return torch.stack(parts).sum()

    def of_contrast(pairs: Pairs) -> Tensor:
        return contrastive(pairs, gathered(pairs), model.log_scale.exp())

    return of_sigmoid if recipe.objective.name == "sigmoid" else of_contrast
