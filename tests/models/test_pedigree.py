"""What identifies a model: its adapter's protocol, a user's own code, and numbers that scores can be made with."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from clipbench.errors import UserError
from clipbench.fingerprint import digest
from clipbench.models.base import ModelInfo, ModelPedigree
from clipbench.models.catalog import find_model
from clipbench.models.located import Location
from clipbench.models.pixels import PixelLocation

from .conftest import CLIP, assert_refused, load, pedigree, save_open_clip, save_timm

KNOWN = ModelPedigree("w", "t", "words", "float32", "a")

BASE = '''
"""What all shops have."""
from clipbench.extend import ImageFeatures


class Base:
    def encode_images(self, pixels):
        return ImageFeatures(projected=None, backbone=pixels.mean(dim=(2, 3)))
'''
OWN = '''
"""A shop's models."""
import torch
from clipbench.extend import describe_module
from shop_base import Base


class Mean(Base):
    """The mean colour."""

    def __init__(self):
        self.info = describe_module("mean", {}, transform="zeros")

    def transform(self, image):
        # Nothing is seen.
        return torch.zeros(3, 4, 4)


def mean():
    return Mean()
'''


def test_the_first_protocol_leaves_the_keys_of_stored_embeddings_as_they_were():
    before = {name: part for name, part in asdict(KNOWN).items() if name != "protocol"}
    assert KNOWN.fingerprint() == digest(before)
    assert replace(KNOWN, protocol=2).fingerprint() not in (
        KNOWN.fingerprint(),
        replace(KNOWN, protocol=3).fingerprint(),
    )


def test_the_adapter_s_protocol_is_part_of_the_pedigree_and_of_the_locator(monkeypatch):
    before, located = pedigree("pixels:4"), find_model("pixels:4").locator()
    assert before.protocol == Location.protocol == 1
    monkeypatch.setattr(PixelLocation, "protocol", 2)
    assert pedigree("pixels:4") == replace(before, protocol=2)
    assert find_model("pixels:4").locator() != located


@pytest.mark.parametrize("scale", [math.inf, -math.inf, math.nan, 0.0, -1.0, None, "high"])
def test_a_logit_scale_that_is_no_scale_is_refused(scale: Any):
    with pytest.raises(UserError) as caught:
        ModelInfo("shop", KNOWN, has_text=True, logit_scale=scale)
    assert str(caught.value).startswith(f"model shop: logit_scale is {scale!r}, not a finite positive number; ")


@pytest.mark.parametrize("bias", [math.inf, math.nan])
def test_a_logit_bias_that_is_not_finite_is_refused(bias: float):
    with pytest.raises(UserError, match=f"^model shop: logit_bias is {bias}, not a finite number; "):
        ModelInfo("shop", KNOWN, has_text=True, logit_bias=bias)


def test_weights_whose_scale_overflows_are_refused(tmp_path: Path):
    save_open_clip(tmp_path / "tiny")
    file = tmp_path / "tiny" / "open_clip_model.safetensors"
    save_file(load_file(file) | {"logit_scale": load_file(file)["logit_scale"] * 0 + 1000}, file)
    assert_refused(f"open_clip:local-dir:{tmp_path / 'tiny'}", "model tiny: logit_scale is inf, not", step="load")


def of_open_clip(folder: Path, **wrong: list[float]) -> str:
    save_open_clip(folder, CLIP, preprocess=wrong)
    return f"open_clip:local-dir:{folder}"


def of_timm(folder: Path, **wrong: list[float]) -> str:
    save_timm(folder, pretrained_cfg=wrong)
    return f"timm:local-dir:{folder}"


def of_reference(folder: Path, **wrong: list[float]) -> str:
    packaged = find_model("clip-tiny").location.path  # type: ignore[attr-defined]
    folder.mkdir()
    for file in packaged.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | wrong))
    return f"local:{folder}"


@pytest.mark.parametrize("make", [of_open_clip, of_timm, of_reference])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"std": [0.2, 0.0, 0.2]}, "a standard deviation of its preprocessing is 0.0, not a finite positive number"),
        ({"mean": [math.nan, 0.5, 0.5]}, "a mean of its preprocessing is nan, not a finite number"),
    ],
    ids=["no deviation", "no mean"],
)
def test_a_configuration_that_normalises_to_nothing_is_refused(tmp_path, make: Callable[..., str], wrong, message):
    assert_refused(make(tmp_path / "shop", **wrong), f"shop: {message}", step="load")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModelPedigree]:
    """Write a user's two modules, changed as they are, and return the model's pedigree."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def written(own: str = OWN, base: str = BASE, name: str = "Mean") -> ModelPedigree:
        for module, text in {"shop_own": own, "shop_base": base}.items():
            (tmp_path / f"{module}.py").write_text(text)
            sys.modules.pop(module, None)
        return pedigree(f"shop_own:{name}")

    yield written
    for module in ("shop_own", "shop_base"):
        sys.modules.pop(module, None)


def test_an_edit_of_a_user_s_code_or_of_its_bases_is_another_model(shop):
    first = shop()
    assert shop(OWN.replace("zeros(3", "ones(3")).architecture != first.architecture
    assert shop(base=BASE.replace("mean(dim", "amax(dim")).architecture != first.architecture
    assert shop(name="mean") == shop() == first


def test_comments_docstrings_and_layout_are_no_edit(shop):
    first = shop()
    told = OWN.replace("Nothing is seen.", "All is black.").replace("The mean colour.", "Mean colours.\n\n    Of all.")
    assert shop(told.replace("(3, 4, 4)", "(\n            3, 4,\n            4,\n        )")) == first
    assert shop(OWN.replace('"""A shop\'s models."""', "")) == first


def test_a_declared_version_stands_for_the_code(shop):
    versioned = OWN.replace("    def __init__", "    version = 1\n\n    def __init__")
    first = shop(versioned)
    assert shop(versioned.replace("zeros(3", "ones(3"), BASE.replace("mean(dim", "amax(dim")) == first
    assert shop(versioned.replace("version = 1", "version = '2024-05'")).architecture != first.architecture
    assert shop().architecture != first.architecture


def test_without_readable_source_nothing_is_used_again(shop, tmp_path):
    shop()
    source = find_model("shop_own:Mean")
    (tmp_path / "shop_own.py").unlink()
    first = source.load("cpu", "float32").info.pedigree
    assert source.load("cpu", "float32").info.pedigree == first
    (note,) = source.notes
    assert "cannot be read" in note
    assert "`version`" in note
    assert load("shop_own:Mean").info.pedigree.architecture != first.architecture
