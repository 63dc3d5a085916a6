"""One open_clip model twice, with equal weights: as open_clip runs it, and as clipbench does."""

from __future__ import annotations

import argparse
import logging
import os
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from mirror import development_data

from clipbench.models.base import ModelInfo, ModelPedigree
from clipbench.models.open_clip.model import OpenClipModel
from clipbench.models.open_clip.towers import split_image_tower

CIFAR_CLIP = "cifar-clip"


@dataclass(frozen=True)
class Pair:
    """The two, in float32 on the CPU."""

    bare: Any
    """open_clip's own model."""
    tokenizer: Any
    transform: Any
    """open_clip's own: to (3, H, W) float32."""
    clipbench: OpenClipModel


def build_pair(name: str) -> Pair:
    """Build an architecture with random weights, which are as fast as trained ones, or the trained `cifar-clip`."""
    logging.getLogger().addHandler(logging.NullHandler())
    place = f"local-dir:{development_data() / 'models' / CIFAR_CLIP}" if name == CIFAR_CLIP else name
    torch.manual_seed(0)
    bare, _, transform = open_clip.create_model_and_transforms(place)
    bare = bare.eval()
    tokenizer = open_clip.get_tokenizer(place)
    own = deepcopy(bare)
    tower = split_image_tower(own.visual)
    info = ModelInfo(
        name=name,
        pedigree=ModelPedigree("benchmark", "benchmark", "benchmark"),
        has_text=True,
        features=tower.features,
        context_length=tokenizer.context_length,
    )
    return Pair(bare, tokenizer, transform, OpenClipModel(info, own, tower, transform, tokenizer, "cpu", "float32"))


def parser_with_common_options(description: str, rounds: int) -> argparse.ArgumentParser:
    """Return a parser with --model, --threads, --rounds and --json."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", default="ViT-B-32", help=f"an open_clip architecture, or {CIFAR_CLIP} [%(default)s]")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser.add_argument("--threads", type=int, default=cores, help="of torch [%(default)s]")
    parser.add_argument("--rounds", type=int, default=rounds, help="how often each run is timed [%(default)s]")
    parser.add_argument("--json", type=Path, help="write the numbers to this file too")
    return parser
