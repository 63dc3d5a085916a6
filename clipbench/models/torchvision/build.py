"""Building a torchvision model from weights on this machine, without its classifier."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torchvision import models
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

from clipbench.errors import UserError
from clipbench.models.image_only import Network
from clipbench.models.transforms import Transform, split_transform
from clipbench.models.weights.weights_file import misfit, read_state_dict

_HEADS = ("fc", "heads.head", "head", "classifier")
"""Where torchvision's architectures have their classifier: a linear layer, or a sequence that ends in one."""
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
"""Classifiers of the Inception family that serve training alone."""
_DENSENET_NAME = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)\.")


def build_network(name: str, published: Any, weights: Path, where: str) -> Network:
    """Build a model with its weights; its features are what its last linear layer, the classifier, would be given.

    `published` is the member of torchvision's enumeration of weights whose preprocessing and input size it is.
    """
    arguments = _arguments(name, published)
    model = models.get_model(name, weights=None, **arguments)
    head = take_off_classifier(model, name, where)
    try:
        model.load_state_dict(_without_classifiers(read_state_dict(weights), head), strict=True)
    except (RuntimeError, ValueError) as error:
        raise misfit(weights, name, error) from error
    transform, normalise, preprocessing = _split_preset(published.transforms())
    return Network(
        module=model,
        transform=transform,
        normalise=normalise,
        preprocessing={"library": "torchvision", **preprocessing},
        architecture={"library": "torchvision", "architecture": name, "arguments": arguments},
    )


def take_off_classifier(model: nn.Module, name: str, where: str) -> str:
    """Replace a model's classifier by the identity and return its name; a UserError where it is no linear layer."""
    for head in _HEADS:
        try:
            layer = model.get_submodule(head)
        except AttributeError:
            continue
        if isinstance(layer, nn.Sequential) and len(layer):
            head, layer = f"{head}.{len(layer) - 1}", layer[-1]
        if isinstance(layer, nn.Linear):
            parent, _, child = head.rpartition(".")
            setattr(model.get_submodule(parent), child, nn.Identity())
            return head
    fix = "its features before the classifier are not one vector an image; choose another, e.g. torchvision:resnet50"
    raise UserError(f"{name} does not end in a linear classifier", where=where, fix=fix)


def _arguments(name: str, published: Any) -> dict[str, Any]:
    """Return what torchvision's builders set for their published weights and would not set without."""
    if name.startswith("vit_"):
        return {"image_size": published.meta["min_size"][0]}
    if name in ("googlenet", "inception_v3"):
        # The weights expect pixels as TensorFlow scaled them, to which the network converts torchvision's.
        return {"transform_input": True, "aux_logits": False, "init_weights": False}
    return {}


def _without_classifiers(state: dict[str, Tensor], head: str) -> dict[str, Tensor]:
    for key in list(state):
        if key.startswith((f"{head}.", *_AUXILIARY)):
            del state[key]
        elif _DENSENET_NAME.search(key):
            state[_DENSENET_NAME.sub(r"\1\2.", key)] = state.pop(key)
    return state


def _split_preset(preset: Any) -> tuple[Transform, Callable[[Tensor], Tensor] | None, dict[str, Any]]:
    """Return torchvision's preprocessing in two parts with the same pixels, and what identifies it."""
    if type(preset).__name__ != "ImageClassification":
        return preset, None, {"preset": repr(preset)}
    steps = Compose(
        [
            Resize(preset.resize_size, interpolation=preset.interpolation, antialias=preset.antialias),
            CenterCrop(preset.crop_size),
            ToTensor(),
            Normalize(preset.mean, preset.std),
        ]
    )
    settings = {
        "resize_size": list(preset.resize_size),
        "crop_size": list(preset.crop_size),
        "mean": list(preset.mean),
        "std": list(preset.std),
        "interpolation": preset.interpolation.value,
        "antialias": preset.antialias,
    }
    return *split_transform(steps), settings
