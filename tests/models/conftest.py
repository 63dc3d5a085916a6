"""Small open_clip models, randomly initialised and saved as open_clip lays out a folder; what many tests ask of one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import PIL.Image
import pytest
import timm
import torch
from safetensors.torch import save_file

from clipbench.errors import UserError
from clipbench.models.base import ModelPedigree
from clipbench.models.catalog import find_model

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


def save_open_clip(folder: Path, config: Config = CLIP, *, seed: int = 0, preprocess: Config | None = None) -> None:
    """Save a randomly initialised model of open_clip; its weights differ with the seed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess or {}}))
    state = {name: value.contiguous().clone() for name, value in random_model(config, seed).state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")


@pytest.fixture
def save_model(tmp_path: Path) -> SaveModel:
    """Save a model of open_clip as a folder of some name."""

    def save(config: Config, name: str = "tiny", **options: Any) -> Path:
        save_open_clip(tmp_path / name, config, **options)
        return tmp_path / name

    return save


def save_word_tokenizer(folder: Path) -> None:
    """Save a tokenizer as the hub has them; the test skips without the library."""
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "dog", "photo", "of", "the"]
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    backend.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **special).save_pretrained(folder)


def random_weights(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Give a model weights large enough that every part shows in its output, and put it into evaluation mode."""
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


def save_timm(folder: Path, *, seed: int = 0, pretrained_cfg: Config | None = None, **changes: Any) -> None:
    """Save a randomly initialised model as timm does, with its configuration."""
    timm.models.save_for_hf(random_weights(timm.create_model("test_vit"), seed), folder, safe_serialization=True)
    config = json.loads((folder / "config.json").read_text()) | changes
    config["pretrained_cfg"] |= pretrained_cfg or {}
    (folder / "config.json").write_text(json.dumps(config))


def load(spec: object, precision: Any = "float32") -> Any:
    """Load a model that is on this machine."""
    return find_model(str(spec)).load("cpu", precision)


def pedigree(spec: object) -> ModelPedigree:
    return load(spec).info.pedigree


def differing(first: ModelPedigree, second: ModelPedigree) -> set[str]:
    """The parts of two pedigrees that differ."""
    return {part for part, value in asdict(first).items() if value != getattr(second, part)}


def assert_refused(spec: object, message: str, step: str = "look") -> None:
    """Assert that looking for a model, or loading it, is refused with a message that has a part."""
    with pytest.raises(UserError) as caught:
        find_model(str(spec)).look() if step == "look" else load(spec)
    assert message in str(caught.value)


def relative(found: Any, wanted: Any) -> float:
    """The largest difference, relative to the largest value that is wanted."""
    return float((found - wanted).abs().max() / wanted.abs().max())


def noise(width: int = 64, height: int = 64) -> PIL.Image.Image:
    """The same image each time."""
    return PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (open, (str(self.marker), "w"))


def random_model(config: Config, seed: int = 0) -> Any:
    """Build a model of a configuration with weights large enough that every part shows in its output."""
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
