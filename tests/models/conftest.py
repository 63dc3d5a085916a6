"""Small models, randomly initialised and saved the way their libraries do; a hub; and a user's module."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from ..hub_server import hub_fixture, no_hub_fixture  # noqa: F401

Config = Mapping[str, Any]
SaveModel = Callable[..., Path]

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
VISION = {"image_size": 32, "patch_size": 16, "layers": 2, "width": 32, "head_width": 16}
CLIP = {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT}


@pytest.fixture
def tiny_clip() -> dict[str, Any]:
    """The configuration of a small CLIP: vision transformer, causal text tower; change it as you like."""
    return deepcopy(CLIP)


@pytest.fixture
def save_model(tmp_path: Path) -> SaveModel:
    """Save a randomly initialised model as a folder; its weights differ with the seed."""

    def save(config: Config, name: str = "tiny", *, seed: int = 0, preprocess: Config | None = None) -> Path:
        from safetensors.torch import save_file

        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        document = {"model_cfg": config, "preprocess_cfg": preprocess or {}}
        (folder / "open_clip_config.json").write_text(json.dumps(document))
        state = random_model(config, seed).state_dict()
        save_file(
            {key: value.contiguous().clone() for key, value in state.items()}, folder / "open_clip_model.safetensors"
        )
        return folder

    return save


def random_model(config: Config, seed: int = 0) -> Any:
    """Build a model of a configuration with weights large enough that every part shows in its output."""
    import open_clip
    import torch

    config = deepcopy(dict(config))
    custom = config.pop("custom_text", False)
    kind = open_clip.CoCa if "multimodal_cfg" in config else open_clip.CustomTextCLIP if custom else open_clip.CLIP
    if "hf_model_name" in config["text_cfg"]:
        config["text_cfg"]["hf_model_pretrained"] = False
    torch.manual_seed(seed)
    model = kind(**config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("positional_embedding", ".bias")):
                parameter.normal_(std=0.2)
        for buffer_name, buffer in model.named_buffers():
            if buffer_name.endswith(("running_mean", "running_var")):
                buffer.uniform_(0.5, 1.5)
    return model


def random_weights(model: Any, seed: int = 0) -> Any:
    """Give a model weights large enough that every part shows in its output, and put it into evaluation mode."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.uniform_(0.5, 1.5, generator=generator)
        for parameter in model.parameters():
            if parameter.ndim < 2:
                parameter.uniform_(0.5, 1.0, generator=generator)
            else:
                parameter.normal_(std=2 / parameter[0].numel() ** 0.5, generator=generator)
    return model.eval()


@pytest.fixture
def save_timm(tmp_path: Path) -> SaveModel:
    """Save a randomly initialised timm model as timm does, with its configuration."""

    def save(name: str = "tiny", architecture: str = "test_vit", seed: int = 0, **changes: Any) -> Path:
        import timm

        folder = tmp_path / name
        timm.models.save_for_hf(random_weights(timm.create_model(architecture), seed), folder, safe_serialization=True)
        config = json.loads((folder / "config.json").read_text())
        config["pretrained_cfg"] |= changes.pop("pretrained_cfg", {})
        (folder / "config.json").write_text(json.dumps(config | changes))
        return folder

    return save


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.marker), "w"))


@pytest.fixture
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a user's module into the working directory, and again when it is edited; returns its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])

    def write(source: str) -> str:
        (tmp_path / "users_models.py").write_text(source)
        monkeypatch.delitem(sys.modules, "users_models", raising=False)
        importlib.invalidate_caches()
        return "users_models"

    return write
