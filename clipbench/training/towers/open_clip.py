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
from open_clip.transform import PreprocessCfg, merge_preprocess_dict
from torch import Tensor, nn

from clipbench.errors import Unavailable, UserError, did_you_mean
from clipbench.files import write_atomically
from clipbench.models.open_clip.build import without_notices
from clipbench.models.open_clip.locations import (
    CONFIG_NAME,
    TRAINING_NAME,
    Recipe,
    companions,
    read_model_config,
    tokenizer_folder,
)
from clipbench.models.open_clip.tokens import make_tokenizer, text_lengths
from clipbench.models.open_clip.towers import cuttable_text_tower
from clipbench.training.recipe import Objective
from clipbench.training.recipe import Towers as Wanted
from clipbench.training.towers.base import Trainable

WEIGHTS: Final = "open_clip_model.safetensors"


def build(wanted: Wanted, objective: Objective, where: str) -> Trainable:
    """Make towers with new weights, drawn from torch's random numbers.

    Raises:
        Unavailable: its tokenizer is on the hub, and neither here nor to be had.
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
        resize_mode=preprocess["resize_mode"],
        transform=transform,
        write=partial(_write, model, tokenizer, config),
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
    own = _preprocessing(wanted.open_clip)
    return {
        "model_cfg": model,
        "preprocess_cfg": {
            "size": model.get("vision_cfg", {}).get("image_size", 224),
            "mean": list(wanted.mean or own.mean),
            "std": list(wanted.std or own.std),
            "interpolation": "bicubic",
            "resize_mode": wanted.resize_mode or own.resize_mode,
        },
    }


def _preprocessing(name: str) -> PreprocessCfg:
    """Return what the published weights of a configuration were trained with, where they agree; else the default."""
    tags = open_clip.list_pretrained_tags_by_model(name) if name else []
    declared = (merge_preprocess_dict(PreprocessCfg(), open_clip.get_pretrained_cfg(name, tag)) for tag in tags)
    found = {(tuple(each["mean"]), tuple(each["std"]), each["resize_mode"]) for each in declared}
    if len(found) != 1:
        return PreprocessCfg()
    mean, std, resize_mode = found.pop()
    return PreprocessCfg(mean=mean, std=std, resize_mode=resize_mode)


def _made(config: Mapping[str, Any], where: str) -> tuple[Any, Any, Any]:
    """Build as the written folder will be built, so that nothing is trained that could not be loaded."""
    with TemporaryDirectory() as folder:
        (Path(folder) / CONFIG_NAME).write_text(json.dumps(config))
        try:
            architecture = read_model_config(Path(folder) / CONFIG_NAME)
        except UserError as error:
            raise UserError(error.problem, where=where, fix="give embed_dim, vision_cfg and text_cfg") from error
        _fetch(architecture, where)
        try:
            with without_notices():
                model, _, transform = open_clip.create_model_and_transforms(
                    f"local-dir:{folder}", load_weights=False, pretrained_text=False
                )
                # Convolutions of small channels take two thirds of the time so; nothing else changes.
                model = model.to(memory_format=torch.channels_last)
        except Exception as error:
            # A wrong configuration surfaces as whatever its constructor stumbles on.
            problem = f"open_clip cannot build it ({type(error).__name__}: {str(error).splitlines()[0][:200]})"
            raise UserError(problem, where=where, fix="check embed_dim, vision_cfg and text_cfg") from error
        made = Recipe(f"local-dir:{folder}", Path(), architecture, tokenizer_folder=tokenizer_folder(architecture))
        return model, make_tokenizer(made, where), transform


def _fetch(architecture: Mapping[str, Any], where: str) -> None:
    """Download what a configuration takes from the hub, if it is not here yet: a tokenizer, a text tower's sizes."""
    for file in companions(architecture):
        try:
            if file.cached() is None:
                file.fetch(where)
        except Unavailable as error:
            name = file.label.removeprefix("hf-hub:")
            fix = (
                f"run `hf download {name} --include '*.json' '*.model'` where there is network and copy that cache "
                "folder here, or train towers with open_clip's own tokenizer, such as ViT-B-16"
            )
            raise Unavailable(error.problem, where=where, fix=fix) from error


def _tokenize(tokenizer: Any, cut: bool, captions: Sequence[str]) -> Tensor:
    ids: Tensor = tokenizer(list(captions))
    return ids[:, : int(text_lengths(tokenizer, ids).max())] if cut else ids


def _write(
    model: nn.Module, tokenizer: Any, config: Mapping[str, Any], folder: Path, training: Mapping[str, Any]
) -> None:
    from safetensors.torch import save

    if config["model_cfg"]["text_cfg"].get("hf_tokenizer_name"):
        # open_clip looks for it beside the weights, whatever its name is.
        tokenizer.save_pretrained(folder)
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    write_atomically(folder / CONFIG_NAME, _json(config))
    write_atomically(folder / TRAINING_NAME, _json(training))
    write_atomically(folder / WEIGHTS, save(weights))


def _json(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
