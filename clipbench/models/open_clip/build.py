"""Building an open_clip model from files on this machine, and describing what was built."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import open_clip
from torch import Tensor

from clipbench.errors import UserError
from clipbench.fingerprint import digest, digest_file
from clipbench.models.base import ModelInfo, ModelPedigree, Precision, check_normalisation
from clipbench.models.encoders import DualEncoder, ImageEncoder
from clipbench.models.open_clip.locations import OpenClipLocation, Recipe
from clipbench.models.open_clip.tokens import digest_tokenizer, make_tokenizer, tokenize
from clipbench.models.open_clip.towers import cuttable_text_tower, split_image_tower
from clipbench.models.transforms import canonical, split_transform
from clipbench.models.weights.hub_file import cache_folder
from clipbench.models.weights.weights_file import misfit


def load_model(
    name: str, recipe: Recipe, device: str, precision: Precision, trained_on: tuple[str, ...] | None
) -> DualEncoder:
    """Build a model, load its weights, which `check_weights` has passed, and put it on a device, in evaluation mode."""
    model, transform = _build(recipe, name)
    _load_weights(model, recipe)
    tokenizer = make_tokenizer(recipe, f"model {name}")
    preprocess = open_clip.get_model_preprocess_cfg(model)
    check_normalisation(preprocess["mean"], preprocess["std"], name)
    pedigree = ModelPedigree(
        weights=digest_file(recipe.weights),
        transform=digest_transform(preprocess),
        tokenizer=digest_tokenizer(tokenizer),
        precision=precision,
        architecture=digest_architecture(recipe),
        protocol=OpenClipLocation.protocol,
    )
    # Before it is moved: the scale is part of a result's pedigree, whatever the device.
    scale, bias = model.logit_scale.exp().item(), 0.0 if model.logit_bias is None else model.logit_bias.item()
    model = model.eval().to(device)
    image_tower = split_image_tower(model.visual)
    info = ModelInfo(
        name=name,
        pedigree=pedigree,
        has_text=True,
        logit_scale=scale,
        logit_bias=bias,
        features=image_tower.features,
        trained_on=trained_on,
        context_length=int(tokenizer.context_length),
        library=f"open_clip {open_clip.__version__}",
    )
    images = ImageEncoder(info, device, *split_transform(transform), image_tower.encode)
    encode_cut = cuttable_text_tower(model)

    def encode_texts(ids: Tensor) -> Tensor:
        if encode_cut is not None and ids.shape[1] < tokenizer.context_length:
            return encode_cut(ids)
        embeddings: Tensor = model.encode_text(ids, normalize=False)
        return embeddings

    return DualEncoder(images, partial(tokenize, tokenizer), encode_texts, "whole" if encode_cut is None else "cut")


def digest_transform(preprocess: Mapping[str, Any]) -> str:
    """Return a digest of open_clip's preprocessing configuration.

    Equal settings give equal digests however they are written: a size as one number or two, a mean in
    float64 or rounded to the float32 that is computed with.
    """
    settings = {key: canonical(value) for key, value in preprocess.items()}
    size = preprocess["size"]
    settings["size"] = [size, size] if isinstance(size, int) else list(size)
    return digest({"library": "open_clip", **settings})


def digest_architecture(recipe: Recipe) -> str:
    """Return a digest of what is built: the configuration, with the activation that is used."""
    quick_gelu = recipe.quick_gelu or bool(recipe.config.get("quick_gelu", False))
    return digest({"library": "open_clip", **recipe.config, "quick_gelu": quick_gelu})


def _build(recipe: Recipe, name: str) -> tuple[Any, Any]:
    """Create the model without weights, and its transform."""
    _refuse_remote_code(recipe, name)
    preprocess = recipe.preprocess
    try:
        with without_notices():
            model, _, transform = open_clip.create_model_and_transforms(
                recipe.architecture,
                load_weights=False,
                pretrained_text=False,
                force_quick_gelu=recipe.quick_gelu,
                image_mean=preprocess.get("mean"),
                image_std=preprocess.get("std"),
                image_interpolation=preprocess.get("interpolation"),
                image_resize_mode=preprocess.get("resize_mode"),
            )
    except ImportError as error:
        fix = f"pip install {error.name or 'what it names'}"
        raise UserError(f"the architecture needs a library ({error})", where=f"model {name}", fix=fix) from error
    except Exception as error:
        # A wrong configuration surfaces as whatever its constructor stumbles on.
        problem = f"open_clip cannot build {recipe.architecture} ({type(error).__name__}: {error})"
        raise UserError(problem, where=f"model {name}", fix="check the configuration beside the weights") from error
    return model, transform


def _refuse_remote_code(recipe: Recipe, name: str) -> None:
    """Check that a Hugging Face text tower is one that the library has; its own code is never run."""
    tower = recipe.config["text_cfg"].get("hf_model_name")
    if not tower:
        return
    try:
        from transformers import AutoConfig

        AutoConfig.from_pretrained(tower, cache_dir=str(cache_folder()), trust_remote_code=False, local_files_only=True)
    except ImportError as error:
        fix = "pip install 'clipbench[hf]'"
        raise UserError("its text tower needs the transformers library", where=f"model {name}", fix=fix) from error
    except (OSError, ValueError) as error:
        fix = "such a tower is used only if it is on this machine and the transformers library knows its architecture"
        raise UserError(f"the text tower {tower!r} cannot be made ({error})", where=f"model {name}", fix=fix) from error


def _load_weights(model: Any, recipe: Recipe) -> None:
    try:
        open_clip.load_checkpoint(model, str(recipe.weights), strict=True, weights_only=True)
    except (RuntimeError, KeyError, AssertionError, AttributeError) as error:
        raise misfit(recipe.weights, recipe.architecture, error) from error


@contextmanager
def without_notices() -> Iterator[None]:
    """Keep open_clip from warning that weights are random: they are loaded in the next step.

    It speaks through the root logger, and a first word there would install a handler for the whole program.
    """
    root, silent = logging.getLogger(), logging.NullHandler()
    root.addHandler(silent)
    root.addFilter(_is_error)
    try:
        yield
    finally:
        root.removeFilter(_is_error)
        root.removeHandler(silent)


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR
