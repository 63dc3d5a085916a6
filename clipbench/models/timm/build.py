"""Building a timm model from weights on this machine, without its classifier, and describing what was built."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import timm
import timm.data
import torch

from clipbench.errors import UserError
from clipbench.models.image_only import Network
from clipbench.models.transforms import canonical, split_transform
from clipbench.models.weights.weights_file import misfit, read_state_dict

_data: Any = timm.data
_PREPROCESSING = ("input_size", "interpolation", "mean", "std", "crop_pct", "crop_mode")


@dataclass(frozen=True)
class Recipe:
    """What timm is told to build."""

    source: str
    """`ARCH`, `ARCH.TAG` or `local-dir:FOLDER`, as `timm.create_model` takes it."""
    weights: Path
    architecture: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Of the architecture's constructor, where a configuration gives some."""


def build_network(recipe: Recipe, where: str, classes: int | None = None) -> Network:
    """Build a model with its weights and take off its classifier.

    The weights have to fit exactly, classifier included; timm renames what its own architectures demand.

    Args:
        recipe: what to build.
        where: for messages.
        classes: how many the classifier in the checkpoint has, 0 for none; None: as declared.
    """
    model = _create(recipe, where, classes)
    data = _data.resolve_model_data_config(model)
    transform, normalise = split_transform(_data.create_transform(**data, is_training=False))
    fixed_size = model.pretrained_cfg["input_size"] if model.pretrained_cfg.get("fixed_input_size") else None
    model.reset_classifier(0)
    return Network(
        module=model,
        transform=transform,
        normalise=normalise,
        preprocessing={"library": "timm", **{key: canonical(data[key]) for key in _PREPROCESSING}},
        architecture={
            "library": "timm",
            "architecture": recipe.architecture,
            "arguments": dict(recipe.arguments),
            "input_size": None if fixed_size is None else list(fixed_size),
        },
    )


def build_from_checkpoint(recipe: Recipe, classifier: Any, where: str) -> Network:
    """Build a model from a checkpoint that says nothing of its `classifier` layer, or layers; as `build_network`."""
    state = read_state_dict(recipe.weights)
    layer = classifier if isinstance(classifier, str) or not classifier else classifier[0]
    classes: int | None = len(state[f"{layer}.weight"]) if f"{layer}.weight" in state else 0
    try:
        network = build_network(recipe, where, classes)
    except UserError as error:
        # The layers may have their original names, many of which timm knows, the classifier's among them.
        try:
            classes, network = None, build_network(recipe, where)
        except UserError:
            raise error from None
    _check_complete(network.module, state, recipe, where, classes)
    return network


def _check_complete(module: Any, names: Container[str], recipe: Recipe, where: str, classes: int | None) -> None:
    """Stop if a layer was left at its random start: of some architectures timm loads what it finds and no more."""
    loaded = module.state_dict()
    absent = [name for name in loaded if name not in names]
    if not absent:
        return
    again = _create(recipe, where, classes).state_dict()
    random = [name for name in absent if not torch.equal(loaded[name], again[name])]
    if random:
        raise misfit(recipe.weights, recipe.architecture, f"{len(random)} tensors are missing, e.g. {random[0]}")


def _create(recipe: Recipe, where: str, classes: int | None) -> Any:
    overlay: dict[str, Any] = {"file": str(recipe.weights), "source": "", "state_dict": None, "custom_load": False}
    if classes is not None:
        overlay |= {"num_classes": classes, "label_offset": 0}
    try:
        return timm.create_model(recipe.source, pretrained=True, pretrained_cfg_overlay=overlay)
    except Exception as error:
        # A wrong configuration surfaces as whatever its constructor stumbles on, wrong weights as what renames them.
        if isinstance(error, (KeyError, IndexError)) or "state_dict" in str(error):
            raise misfit(recipe.weights, recipe.architecture, error) from error
        problem = f"timm cannot build {recipe.architecture} ({type(error).__name__}: {error})"
        raise UserError(problem, where=where, fix="check the configuration beside the weights") from error
