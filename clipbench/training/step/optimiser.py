"""AdamW and the learning rate's course."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from clipbench.training.recipe import Optimiser
from clipbench.training.towers.base import Trainable


def make_optimiser(model: Trainable, recipe: Optimiser) -> torch.optim.AdamW:
    """Return AdamW that decays all weights but gains, biases and the logit scale (Loshchilov and Hutter 2019)."""
    learnt = [model.log_scale, *([model.bias] if model.bias is not None else [])]
    apart = {id(weight) for weight in (*model.text_weights, *learnt)}
    images = [weight for weight in model.model.parameters() if id(weight) not in apart]
    rates = ((recipe.rate, images), (recipe.text_rate or recipe.rate, [*model.text_weights, *learnt]))
    groups: list[dict[str, Any]] = []
    for highest, weights in rates:
        decayed = [weight for weight in weights if weight.ndim >= 2]
        others: list[nn.Parameter] = [weight for weight in weights if weight.ndim < 2]
        groups.append({"params": decayed, "weight_decay": recipe.weight_decay, "highest": highest})
        groups.append({"params": others, "weight_decay": 0.0, "highest": highest})
    return torch.optim.AdamW(groups, betas=(recipe.beta1, recipe.beta2), eps=recipe.epsilon, fused=recipe.fused)


def set_rate(optimiser: torch.optim.Optimizer, step: int, steps: int, warmup: int) -> None:
    """Give each group its learning rate of a step: linear warm-up, then half a cosine down to 0."""
    if step < warmup:
        share = (step + 1) / warmup
    else:
        share = 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
    for group in optimiser.param_groups:
        group["lr"] = group["highest"] * share
