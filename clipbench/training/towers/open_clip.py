"""open_clip's towers: of a configuration by name or written out, saved in open_clip's own layout."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import open_clip
import torch
from torch import Tensor, nn

from clipbench.errors import UserError, did_you_mean
from clipbench.files import write_atomically
from clipbench.models.open_clip.build import without_notices
from clipbench.models.open_clip.towers import cuttable_text_tower
from clipbench.training.recipe import Objective
from clipbench.training.recipe import Towers as Wanted
from clipbench.training.towers.base import Trainable

CONFIG: Final = "open_clip_config.json"
WEIGHTS: Final = "open_clip_model.safetensors"
TRAINING: Final = "clipbench_training.json"
"""What the model was trained on and how, beside what open_clip reads."""


def build(wanted: Wanted, objective: Objective, where: str) -> Trainable:
    """Make towers with new weights, drawn from torch's random numbers.

    Raises:
        UserError: open_clip has no such configuration, or cannot build it.
    """
    config = _config(wanted, objective, where)
    model, tokenizer, transform = _made(config, where)
    with torch.no_grad():
        model.logit_scale.fill_(math.log(1 / objective.temperature))
    preprocess = config["preprocess_cfg"]
    side = preprocess["size"]
    cut = cuttable_text_tower(model)
    text = model.text if hasattr(model, "text") else None
    named = text.named_parameters() if text is not None else model.named_parameters()
    image = {id(weight) for weight in model.visual.parameters()}
    return Trainable(
        model=model,
        image=partial(model.encode_image, normalize=False),
        text=cut or partial(model.encode_text, normalize=False),
        tokenize=partial(_tokenize, tokenizer, cut is not None),
        text_weights=[
            weight for name, weight in named if id(weight) not in image and name not in {"logit_scale", "logit_bias"}
        ],
        log_scale=model.logit_scale,
        bias=model.logit_bias,
        side=side[0] if isinstance(side, list | tuple) else side,
        mean=tuple(preprocess["mean"]),
        std=tuple(preprocess["std"]),
        transform=transform,
        write=partial(_write, model, config),
    )


def _config(wanted: Wanted, objective: Objective, where: str) -> dict[str, Any]:
    """Return the document of open_clip's local-dir layout: `model_cfg` and `preprocess_cfg`."""
    if wanted.open_clip:
        found = open_clip.get_model_config(wanted.open_clip)
        if found is None:
            fix = did_you_mean(wanted.open_clip, open_clip.list_models())
            raise UserError(f"open_clip has no configuration {wanted.open_clip!r}", where=where, fix=fix)
        model = dict(found)
    else:
        model = dict(wanted.config)
    if objective.name == "sigmoid":
        model["init_logit_bias"] = objective.bias
    else:
        model.pop("init_logit_bias", None)
    size = model.get("vision_cfg", {}).get("image_size", 224)
    mean, std = wanted.mean or open_clip.OPENAI_DATASET_MEAN, wanted.std or open_clip.OPENAI_DATASET_STD
    told = {"interpolation": "bicubic", "resize_mode": "shortest"}
    return {"model_cfg": model, "preprocess_cfg": {"size": size, "mean": list(mean), "std": list(std), **told}}


def _made(config: Mapping[str, Any], where: str) -> tuple[Any, Any, Any]:
    """Build as the written folder will be built, so that nothing is trained that could not be loaded."""
    with TemporaryDirectory() as folder:
        (Path(folder) / CONFIG).write_text(json.dumps(config))
        try:
            with without_notices():
                name = f"local-dir:{folder}"
                model, _, transform = open_clip.create_model_and_transforms(
                    name, load_weights=False, pretrained_text=False
                )
                tokenizer = open_clip.get_tokenizer(name, reduction_mask="")
        except Exception as error:
            # A wrong configuration surfaces as whatever its constructor stumbles on.
            problem = f"open_clip cannot build it ({type(error).__name__}: {str(error).splitlines()[0][:200]})"
            raise UserError(problem, where=where, fix="check embed_dim, vision_cfg and text_cfg") from error
    return model, tokenizer, transform


def _tokenize(tokenizer: Any, cut: bool, captions: Sequence[str]) -> Tensor:
    ids: Tensor = tokenizer(list(captions))
    return ids[:, : int((ids != 0).sum(dim=1).max())] if cut else ids


def _write(model: nn.Module, config: Mapping[str, Any], folder: Path, training: Mapping[str, Any]) -> None:
    from safetensors.torch import save

    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    write_atomically(folder / CONFIG, _json(config))
    write_atomically(folder / TRAINING, _json(training))
    write_atomically(folder / WEIGHTS, save(weights))


def _json(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
