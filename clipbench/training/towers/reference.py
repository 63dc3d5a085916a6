"""clip-tiny's own towers and tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from clipbench.models.reference.files import ReferenceConfig, write_reference
from clipbench.models.reference.source import ReferenceTransform
from clipbench.models.reference.tokenizer import END, WordTokenizer
from clipbench.models.reference.towers import Architecture, ReferenceTowers
from clipbench.training.data.captions import known_words
from clipbench.training.recipe import Objective
from clipbench.training.towers.base import Trainable

TRAINED_ON: Final = ("clipbench-scenes", "digits (train half)")
_MEAN, _STD = (0.6, 0.6, 0.6), (0.3, 0.3, 0.3)


def build(objective: Objective) -> Trainable:
    """Make towers with new weights, drawn from torch's random numbers."""
    tokenizer = WordTokenizer.of_words(known_words(), Architecture.context)
    architecture = Architecture(vocabulary=len(tokenizer.vocabulary))
    model = ReferenceTowers(architecture, END, objective.temperature).to(memory_format=torch.channels_last)

    def tokenize(captions: Sequence[str]) -> Tensor:
        tokens = tokenizer(captions)
        return tokens.ids[:, : int(tokens.lengths.max())]

    def write(folder: Path, training: Mapping[str, Any]) -> None:
        config = ReferenceConfig(architecture, tokenizer.vocabulary, _MEAN, _STD, TRAINED_ON, training)
        write_reference(folder, config, model)

    return Trainable(
        model=model,
        image=lambda pixels: model.image(pixels)[0],
        text=model.text,
        tokenize=tokenize,
        text_weights=list(model.text.parameters()),
        log_scale=model.log_scale,
        bias=None,
        side=architecture.image_side,
        mean=_MEAN,
        std=_STD,
        resize_mode="shortest",
        transform=ReferenceTransform(architecture.image_side, _MEAN, _STD),
        write=write,
    )
