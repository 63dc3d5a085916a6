"""Building a transformers model from files on this machine, and describing what was built."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from clipbench.errors import UserError, quoted
from clipbench.fingerprint import digest, digest_file
from clipbench.models.base import ImageFeatures, ModelInfo, ModelPedigree, Precision, check_normalisation
from clipbench.models.encoders import DualEncoder, ImageEncoder
from clipbench.models.hf.locations import CONFIG, PROCESSOR, Architecture, HfLocation
from clipbench.models.hf.tokens import make_tokenizer
from clipbench.models.hf.transform import read_preprocessing
from clipbench.models.located import TrainedOn
from clipbench.models.weights.weights_file import read_state_dict

_logging: Any = transformers.logging
_HEADS = re.compile(r"(^|\.)((cls_|distillation_)?classifier|pooler|visual_projection)\.")
"""Weights of image-only models behind the features: a checkpoint may have them or not."""
_POSITION_IDS = re.compile(r"(^|\.)position_ids$")
"""What old checkpoints hold beside the weights."""
_UNSEEN = {"_name_or_path", "architectures", "dtype", "id2label", "label2id", "torch_dtype", "transformers_version"}
"""Settings that change no embedding."""


@contextmanager
def _quiet_library() -> Iterator[None]:
    """Keep transformers from reporting what is checked here, and from drawing bars."""
    verbosity, bars = _logging.get_verbosity(), _logging.is_progress_bar_enabled()
    _logging.set_verbosity_error()
    _logging.disable_progress_bar()
    try:
        yield
    finally:
        _logging.set_verbosity(verbosity)
        if bars:
            _logging.enable_progress_bar()


@_quiet_library()
def load_model(
    name: str, location: HfLocation, device: str, precision: Precision, trained_on: TrainedOn
) -> ImageEncoder:
    """Build a model, load its weights and put it on a device, in evaluation mode."""
    architecture = location.architecture()
    model, config = _load(architecture, location)
    side = getattr(config, "vision_config", config).image_size if architecture.fixed_size else None
    preprocessing = read_preprocessing(location.path(*PROCESSOR), side)
    check_normalisation(preprocessing.mean, preprocessing.std, name)
    tokenizer = make_tokenizer(location.path(CONFIG).parent, config) if architecture.has_text else None
    pedigree = ModelPedigree(
        weights=digest([digest_file(path) for path in location.weight_files()]),
        transform=digest(preprocessing.describe()),
        tokenizer=tokenizer.digest() if tokenizer else "",
        precision=precision,
        architecture=digest({"library": "transformers", "class": architecture.model, **_settings(config)}),
        protocol=location.protocol,
    )
    info = ModelInfo(
        name=name,
        pedigree=pedigree,
        has_text=architecture.has_text,
        logit_scale=model.logit_scale.exp().item() if tokenizer else 1.0,
        logit_bias=model.logit_bias.item() if hasattr(model, "logit_bias") else 0.0,
        features=architecture.features,
        trained_on=trained_on,
        context_length=tokenizer.context_length if tokenizer else None,
        library=f"transformers {transformers.__version__}",
    )
    model = model.float().eval().to(device)
    encode_images = partial(_encode_images, model, architecture)
    images = ImageEncoder(info, device, *preprocessing.split(), encode_images)
    if tokenizer is None:
        return images
    cut = architecture.causal_text and tokenizer.pads_behind
    return DualEncoder(images, tokenizer, partial(_encode_texts, model), "cut" if cut else "whole")


def _encode_images(model: Any, architecture: Architecture, pixels: Tensor) -> ImageFeatures:
    output = getattr(model, "vision_model", model)(pixel_values=pixels)
    pooled = output.last_hidden_state[:, 0] if architecture.class_token else output.pooler_output
    if not architecture.has_text:
        return ImageFeatures(projected=None, backbone=pooled)
    if "backbone" not in architecture.features:
        return ImageFeatures(projected=pooled, backbone=None)
    return ImageFeatures(projected=model.visual_projection(pooled), backbone=pooled)


def _encode_texts(model: Any, ids: Tensor) -> Tensor:
    # No mask: CLIP never sees what stands behind the end token, and SigLIP was trained to see its padding.
    return text_embeddings(model.get_text_features(input_ids=ids))


def text_embeddings(output: Any) -> Tensor:
    """Return the (B, D) that `get_text_features` gives, by itself or, since transformers 5, within an output object."""
    embeddings: Tensor = output if isinstance(output, Tensor) else output.pooler_output
    return embeddings


def _load(architecture: Architecture, location: HfLocation) -> tuple[Any, Any]:
    """Return the model with its weights, and its configuration."""
    config_path, weights = location.path(CONFIG), location.weight_files()
    kind = getattr(transformers, architecture.model, None)
    if kind is None:
        problem = f"transformers {transformers.__version__} has no {architecture.model}"
        raise UserError(problem, where=str(config_path), fix="pip install --upgrade transformers")
    state: dict[str, torch.Tensor] = {}
    for path in weights:
        state |= read_state_dict(path)
    # A configuration may name an implementation of attention that is code on the hub, or a lower precision.
    arguments: dict[str, Any] = {"attn_implementation": "sdpa", "torch_dtype": torch.float32}
    if architecture.class_token:
        arguments["add_pooling_layer"] = False
    try:
        config = kind.config_class.from_pretrained(str(config_path.parent), local_files_only=True)
        model, report = kind.from_pretrained(
            None, config=config, state_dict=state, output_loading_info=True, ignore_mismatched_sizes=True, **arguments
        )
    except Exception as error:
        # A wrong configuration surfaces as whatever its constructor stumbles on.
        problem = f"transformers cannot build {architecture.model} ({type(error).__name__}: {error})"
        raise UserError(problem, where=str(config_path), fix="check or replace it") from error
    _check_complete(report, architecture, weights[0])
    return model, config


def _check_complete(report: Mapping[str, Any], architecture: Architecture, weights: Path) -> None:
    """Stop where transformers would leave weights out, or at their random start."""
    unused = [_POSITION_IDS] if architecture.has_text else [_POSITION_IDS, _HEADS]
    unexpected = [name for name in report["unexpected_keys"] if not any(known.search(name) for known in unused)]
    wrong = {
        "missing": sorted(report["missing_keys"]),
        "unexpected": sorted(unexpected),
        "of another shape": sorted(name for name, *_ in report["mismatched_keys"]),
    }
    described = "; ".join(f"{kind}: {quoted(names, 4)}" for kind, names in wrong.items() if names)
    if described:
        problem = f"the weights do not fit {architecture.model} as {CONFIG} describes it ({described})"
        raise UserError(problem, where=str(weights), fix="take both from one checkpoint")


def _settings(config: Any) -> dict[str, Any]:
    """Return what a configuration says that its class does not say by default."""
    return _difference(config.to_dict(), type(config)().to_dict())


def _difference(settings: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    changed = {key: value for key, value in settings.items() if key not in _UNSEEN and value != default.get(key)}
    return {
        key: _difference(value, default.get(key) or {}) if isinstance(value, dict) else value
        for key, value in changed.items()
    }
