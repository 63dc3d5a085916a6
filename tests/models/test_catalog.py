"""Models by name: the catalog, the forms of a name, and classes named by dotted path."""

from __future__ import annotations

import subprocess
import sys

import open_clip
import pytest

from clipbench.errors import UserError
from clipbench.models.catalog import FORMS, find_model, model_names

CATALOG = model_names()
OPEN_CLIP = [name for name, model in CATALOG.items() if model.adapter == "open_clip"]
PAPER = ["rn50", "rn101", "rn50x4", "rn50x16", "rn50x64", "vit-b-32", "vit-b-16", "vit-l-14", "vit-l-14-336"]


@pytest.mark.parametrize("name", OPEN_CLIP)
def test_every_open_clip_entry_exists_there_and_is_described(name):
    model = CATALOG[name]
    assert (model.architecture, model.tag) in open_clip.list_pretrained()
    assert all((model.description, model.trained_on, model.params, model.download_bytes))
    assert find_model(name).name == name


@pytest.mark.parametrize("name", OPEN_CLIP)
def test_the_papers_models_alone_have_openais_weights_and_quick_gelu(name):
    model = CATALOG[name]
    declared = open_clip.get_pretrained_cfg(model.architecture, model.tag)
    assert declared.get("quick_gelu", False) is (name in PAPER)
    if name in PAPER:
        assert (model.tag, open_clip.get_model_config(model.architecture)["quick_gelu"]) == ("openai", True)


def test_the_published_table_agrees_on_the_number_of_parameters(shared_data):
    import pandas as pd

    published = pd.read_csv(shared_data / "published" / "openclip_results.csv")
    params = {(row["name"], row["pretrained"]): row["params (M)"] for _, row in published.iterrows()}
    compared = 0
    for name in OPEN_CLIP:
        model = CATALOG[name]
        known = params.get((model.architecture.removesuffix("-quickgelu"), model.tag))
        if known is not None:
            compared += 1
            assert model.params == pytest.approx(known, abs=0.01), name
    assert compared >= 20


def test_clip_tiny_is_in_the_catalog_and_needs_no_download():
    assert (CATALOG["clip-tiny"].adapter, CATALOG["clip-tiny"].download_bytes) == ("reference", None)
    assert find_model("clip-tiny").name == "clip-tiny"


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", "open_clip:ViT-B-32/laion2b_s34b_b79k"),
        ("open_clip:ViT-B/32/openai", "open_clip:ViT-B/32/openai"),
        ("open_clip:hf-hub:org/name", "open_clip:hf-hub:org/name"),
        ("open_clip:local-dir:some/where/cifar-clip", "cifar-clip"),
        ("open_clip:ViT-B-32@weights/run@3.pt", "open_clip:ViT-B-32@weights/run@3.pt"),
        ("mypackage.models:Mine", "mypackage.models:Mine"),
    ],
)
def test_a_name_of_each_form_stands_for_a_model_that_is_not_looked_for_yet(spec, name):
    assert find_model(spec).name == name


def test_an_unknown_name_gives_the_nearest_and_the_forms():
    with pytest.raises(UserError) as caught:
        find_model("vit-b32")
    message = str(caught.value)
    assert message.startswith("model 'vit-b32': no such model; did you mean 'vit-b-32'? Other forms: ")
    assert all(form in message for form in FORMS)
    with pytest.raises(UserError, match="model 'hf:org/name': no such model"):
        find_model("hf:org/name")


def test_naming_models_imports_nothing_heavy():
    code = (
        "import sys; from clipbench.models.catalog import find_model, model_names; model_names();"
        "find_model('vit-b-32');"
        "find_model('clip-tiny'); heavy = {'torch', 'open_clip', 'numpy', 'huggingface_hub', 'transformers', 'PIL'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


MODULE = '''
import torch
from clipbench.extend import ImageFeatures, ModelInfo, ModelPedigree, describe_module


class Mean:
    """The mean colour of an image."""

    def __init__(self, precision="float32"):
        self.module = torch.nn.Linear(3, 3, bias=False)
        torch.nn.init.eye_(self.module.weight)
        self.info = describe_module(
            "mean", self.module.state_dict(), transform="to tensor", precision=precision, trained_on=()
        )

    def transform(self, image):
        return torch.zeros(3, 4, 4)

    def encode_images(self, pixels):
        return ImageFeatures(projected=None, backbone=self.module(pixels.mean(dim=(2, 3))))


class Bare:
    info = None


class NoDigests(Mean):
    def __init__(self):
        self.info = ModelInfo("x", ModelPedigree("", ""), has_text=False)


class HalfText(Mean):
    def __init__(self):
        super().__init__()
        self.info = describe_module("x", {}, transform="t", tokenizer="words")


class UntypedInfo(Mean):
    def __init__(self):
        self.info = {"name": "x"}


class Address(Mean):
    def __init__(self):
        self.info = describe_module("x", {}, transform=repr(lambda image: image))
'''


@pytest.fixture
def users(user_module) -> str:
    """The name of the user's module."""
    return user_module(MODULE)


def test_a_users_class_is_loaded_with_the_options_that_its_signature_names(users):
    import torch

    source = find_model(f"{users}:Mean")
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
        ("HalfText", "lacks text_length, tokenize, encode_tokens"),
        ("UntypedInfo", "`info` is a dict; make it a clipbench.extend.ModelInfo"),
        ("NoDigests", "the pedigree in `info` has no digest of weights and transform"),
        ("Address", "the description of the transform holds a memory address"),
        ("Nothing", "module 'users_models' has no 'Nothing'"),
    ],
)
def test_a_class_that_does_not_fit_says_what_it_lacks(name, message, users):
    with pytest.raises(UserError, match=message):
        find_model(f"{users}:{name}").load("cpu", "float32")


def test_an_installed_package_adds_names(users, tmp_path):
    metadata = tmp_path / "shop-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[clipbench.models]\nmean-colour = users_models:Mean\n")
    assert model_names()["mean-colour"].adapter == "plugin"
    source = find_model("mean-colour")
    assert source.name == "mean-colour"
    assert source.load("cpu", "float32").info.name == "mean"
