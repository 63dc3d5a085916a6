"""Models that a user's own class or torch module provides, by dotted path or by an installed package's name."""

from __future__ import annotations

import sys
from pathlib import Path

import PIL.Image
import pytest
import torch

from clipbench.errors import UserError
from clipbench.models.catalog import find_model, model_names

from .conftest import assert_refused, differing, load, pedigree

MODULE = '''
import torch
from torch import nn
from torchvision.transforms import Compose, Lambda, Resize, ToTensor

from clipbench.extend import ImageFeatures, ModelInfo, ModelPedigree, describe_module


class Mean:
    """The mean colour of an image."""

    def __init__(self, precision="float32"):
        self.module = nn.Linear(3, 3, bias=False)
        nn.init.eye_(self.module.weight)
        self.info = describe_module(
            "mean", self.module.state_dict(), transform="to tensor", precision=precision, trained_on=()
        )

    def transform(self, image):
        return torch.zeros(3, 4, 4)

    def encode_images(self, pixels):
        return ImageFeatures(projected=None, backbone=self.module(pixels.mean(dim=(2, 3))))


class Bare:
    info = None


def with_info(make):
    model = Mean()
    model.info = make()
    return model


def no_digests():
    return with_info(lambda: ModelInfo("x", ModelPedigree("", ""), has_text=False))


def half_text():
    return with_info(lambda: describe_module("x", {}, transform="t", tokenizer="words"))


def untyped_info():
    return with_info(lambda: {"name": "x"})


def address():
    return with_info(lambda: describe_module("x", {}, transform=repr(lambda image: image)))


class Colours(nn.Module):
    """Mean colours of the quarters of an image."""

    def __init__(self, side=16, scale=1.0):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.dropout = nn.Dropout(0.5)
        self.scale = nn.Parameter(torch.full((12,), scale))
        self.transform = Compose([Resize((side, side)), ToTensor()])

    def forward(self, pixels):
        return self.dropout(self.pool(pixels).flatten(1) * self.scale)


class Map(Colours):
    def forward(self, pixels):
        return self.pool(pixels)


class MethodTransform(nn.Linear):
    def __init__(self):
        super().__init__(3, 3)

    def transform(self, image):
        return torch.zeros(3, 8, 8)


def colours():
    return Colours()


def larger():
    return Colours(side=32)


def scaled():
    return Colours(scale=2.0)


def half():
    return Colours().half()


def with_transform(transform):
    module = Colours()
    module.transform = transform
    return module


def no_transform():
    return with_transform(None)


def function_transform():
    return with_transform(lambda image: torch.zeros(3, 8, 8))


def hidden_lambda():
    return with_transform(Compose([ToTensor(), Lambda(lambda pixels: pixels)]))
'''


@pytest.fixture
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A user's module in the working directory."""
    (tmp_path / "shop_models.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "shop_models", raising=False)
    return "shop_models"


def test_a_users_class_is_loaded_with_the_options_that_its_signature_names(user_module):
    source = find_model(f"{user_module}:Mean")
    assert (source.look().local, source.locator()) == (True, None)
    source.fetch()
    model = source.load("cpu", "bfloat16")
    assert model.info.pedigree.precision == "bfloat16"
    assert len(model.info.pedigree.weights) == 64
    assert model.encode_images(torch.ones(2, 3, 4, 4)).backbone.tolist() == [[1.0] * 3] * 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Bare", "lacks transform, encode_images; see ImageModel and ImageTextModel in clipbench.extend"),
        ("half_text", "lacks text_length, tokenize, encode_tokens; see ImageModel"),
        ("untyped_info", "`info` is a dict; make it a clipbench.extend.ModelInfo"),
        ("no_digests", "the pedigree in `info` has no digest of weights and transform; stored embeddings are keyed"),
        ("address", "the description of the transform holds a memory address; describe it by what it does"),
        ("Nothing", "module 'shop_models' has no 'Nothing'"),
    ],
)
def test_a_class_that_does_not_fit_says_what_it_lacks(name, message, user_module):
    assert_refused(f"{user_module}:{name}", message, step="load")


def test_an_installed_package_adds_names(user_module, tmp_path):
    metadata = tmp_path / "shop-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[clipbench.models]\nmean-colour = shop_models:Mean\n")
    assert model_names()["mean-colour"].adapter == "plugin"
    assert find_model("mean-colour").name == "mean-colour"
    assert load("mean-colour").info.name == "mean"


@pytest.mark.parametrize("name", ["Colours", "colours"])
def test_a_torch_module_of_ones_own_is_an_image_only_model(name, user_module):
    model = load(f"{user_module}:{name}")
    assert (model.info.has_text, model.info.features, model.info.pedigree.tokenizer) == (False, ("backbone",), "")
    image = PIL.Image.new("RGB", (40, 20), (255, 51, 0))
    found = model.encode_images(model.transform(image)[None])
    assert found.projected is None
    assert found.backbone.tolist()[0] == pytest.approx([1.0] * 4 + [0.2] * 4 + [0.0] * 4)


def test_it_is_in_evaluation_mode_and_computes_in_float32(user_module):
    exact, half = (load(f"{user_module}:{name}") for name in ("Colours", "half"))
    pixels = torch.rand(2, 3, 16, 16)
    wanted = exact.encode_images(pixels).backbone
    assert torch.equal(wanted, exact.encode_images(pixels).backbone)
    assert torch.equal(half.encode_images(pixels).backbone, wanted)


def test_its_fingerprint_changes_with_weights_transform_and_code(user_module, tmp_path, monkeypatch):
    first, same, larger, scaled = (
        pedigree(f"{user_module}:{name}") for name in ("Colours", "colours", "larger", "scaled")
    )
    assert same == first
    assert differing(first, larger) == {"transform"}
    assert differing(first, scaled) == {"weights"}
    (tmp_path / "shop_models.py").write_text(MODULE.replace("flatten(1) * self", "flatten(1) + self"))
    monkeypatch.delitem(sys.modules, user_module)
    assert differing(first, pedigree(f"{user_module}:Colours")) == {"architecture"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_transform", " is a torch module without `transform`, so its preprocessing is unknown; set"),
        ("function_transform", " does not say what it does (its repr is that of any function); set"),
        ("MethodTransform", " does not say what it does (its repr is that of any function); set"),
        ("hidden_lambda", " cannot be sent to worker processes ("),
    ],
)
def test_a_module_whose_preprocessing_is_not_known_is_refused(name, message, user_module):
    assert_refused(f"{user_module}:{name}", name + message, step="load")


def test_a_module_that_does_not_pool_is_refused_when_it_encodes(user_module):
    model = load(f"{user_module}:Map")
    message = r"for 2 images the network gives a tensor of shape \(2, 3, 2, 2\), not one vector an image; choose"
    with pytest.raises(UserError, match=message):
        model.encode_images(torch.ones(2, 3, 16, 16))
