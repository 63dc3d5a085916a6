"""Image-only models of timm and torchvision give the features before the classifier, and say what they are."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from timm.data import create_transform, resolve_model_data_config

from clipbench.errors import UserError
from clipbench.models.base import ImageModel, ImageTextModel
from clipbench.models.catalog import find_model, model_names
from clipbench.models.timm.locations import trained_on_of_tag
from clipbench.models.torchvision.build import take_off_classifier

from .conftest import assert_refused, differing, load, noise, pedigree, random_weights, relative, save_timm

CATALOG = model_names()
TIMM = [name for name, model in CATALOG.items() if model.adapter == "timm"]
TORCHVISION = [name for name, model in CATALOG.items() if model.adapter == "torchvision"]
PHOTOGRAPH = noise(500, 375)
"""Larger than any network's input, and not square."""


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., str]:
    """Saves a small model of timm, and names it."""

    def save(name: str = "tiny", **changes: Any) -> str:
        save_timm(tmp_path / name, **changes)
        return f"timm:local-dir:{tmp_path / name}"

    return save


def encode(model: ImageModel, image: PIL.Image.Image) -> torch.Tensor:
    features = model.encode_images(model.transform(image)[None])
    assert features.projected is None
    assert features.backbone is not None
    return features.backbone


def assert_close(found: torch.Tensor, wanted: torch.Tensor) -> None:
    assert found.shape == wanted.shape
    assert wanted.std() > 0
    assert relative(found, wanted) <= 1e-5


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext", "test_efficientnet", "test_nfnet"])
def test_timms_features_are_those_before_its_classifier(name, tmp_path):
    theirs = random_weights(timm.create_model(name))
    save_file(theirs.state_dict(), tmp_path / "run.safetensors")
    model = load(f"timm:{name}@{tmp_path / 'run.safetensors'}")
    transform = create_transform(**resolve_model_data_config(theirs), is_training=False)
    pixels = model.transform(PHOTOGRAPH)
    assert pixels.dtype == torch.uint8
    assert torch.equal(model._normalise(pixels[None])[0], transform(PHOTOGRAPH))  # type: ignore[attr-defined]
    with torch.inference_mode():
        wanted = theirs.forward_head(theirs.forward_features(transform(PHOTOGRAPH)[None]), pre_logits=True)
    assert_close(encode(model, PHOTOGRAPH), wanted)


@pytest.mark.parametrize(
    ("name", "classifier", "arguments"),
    [
        ("resnet18", "fc", {}),
        ("shufflenet_v2_x0_5", "fc", {}),
        ("mobilenet_v3_small", "classifier.3", {}),
        ("densenet121", "classifier", {}),
        ("googlenet", "fc", {"transform_input": True, "aux_logits": True, "init_weights": False}),
    ],
)
def test_torchvisions_features_are_the_input_of_its_last_linear_layer(name, classifier, arguments, tmp_path):
    theirs = random_weights(torchvision.models.get_model(name, weights=None, **arguments))
    torch.save(theirs.state_dict(), tmp_path / "run.pth")
    model = load(f"torchvision:{name}@{tmp_path / 'run.pth'}")
    transform = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    pixels = model.transform(PHOTOGRAPH)
    assert torch.equal(model._normalise(pixels[None])[0], transform(PHOTOGRAPH))  # type: ignore[attr-defined]
    given: list[torch.Tensor] = []
    theirs.get_submodule(classifier).register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    with torch.inference_mode():
        theirs(transform(PHOTOGRAPH)[None])
    assert_close(encode(model, PHOTOGRAPH), given[0])


@pytest.mark.parametrize(
    ("name", "classifier", "width"),
    [
        ("alexnet", "classifier.6", 4096),
        ("vgg11", "classifier.6", 4096),
        ("convnext_tiny", "classifier.2", 768),
        ("maxvit_t", "classifier.5", 512),
        ("efficientnet_b0", "classifier.1", 1280),
        ("mnasnet0_5", "classifier.1", 1280),
        ("swin_t", "head", 768),
        ("vit_b_32", "heads.head", 768),
    ],
)
def test_the_classifier_of_each_family_of_torchvision_is_found(name, classifier, width):
    with torch.device("meta"):
        model = torchvision.models.get_model(name, weights=None)
        removed = model.get_submodule(classifier)
        assert take_off_classifier(model, name, "here") == classifier
        with torch.inference_mode():
            assert model.eval()(torch.ones(1, 3, 224, 224)).shape == (1, width)
    assert removed.in_features == width


def test_old_names_of_densenets_layers_are_understood(tmp_path):
    state = torchvision.models.densenet121(weights=None).state_dict()
    old = {name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): value for name, value in state.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "old.pth")
    torch.save(state, tmp_path / "new.pth")
    found = [encode(load(f"torchvision:densenet121@{tmp_path / name}"), noise()) for name in ("old.pth", "new.pth")]
    assert torch.equal(*found)


def test_a_classifier_of_another_size_or_none_at_all_makes_no_difference(tmp_path):
    state = random_weights(timm.create_model("test_resnet")).state_dict()
    trunk = {name: value for name, value in state.items() if not name.startswith("fc.")}
    save_file(state, tmp_path / "whole.safetensors")
    save_file({**trunk, "fc.weight": torch.ones(7, 96), "fc.bias": torch.ones(7)}, tmp_path / "seven.safetensors")
    torch.save(
        {"epoch": 3, "state_dict": {f"module.{name}": value for name, value in trunk.items()}}, tmp_path / "t.pth"
    )
    whole, seven, headless = (
        encode(load(f"timm:test_resnet@{tmp_path / name}"), noise())
        for name in ("whole.safetensors", "seven.safetensors", "t.pth")
    )
    assert torch.equal(whole, seven)
    assert torch.equal(whole, headless)


ORIGINAL_NAMES = {
    r"^stem\.": "downsample_layers.0.",
    r"stages\.(\d)\.downsample\.": r"downsample_layers.\1.",
    r"\.blocks\.": ".",
    r"conv_dw": "dwconv",
    r"mlp\.fc(\d)": r"pwconv\1",
    r"^head\.fc": "head",
    r"^head\.norm": "norm",
}


def test_a_checkpoint_with_its_authors_names_is_understood_where_timm_knows_them(tmp_path):
    state = random_weights(timm.create_model("test_convnext")).state_dict()
    original = {}
    for name, value in state.items():
        for timms, theirs in ORIGINAL_NAMES.items():
            name = re.sub(timms, theirs, name)
        original[name] = value
    assert {"downsample_layers.1.1.weight", "stages.0.0.dwconv.weight", "norm.weight", "head.bias"} < set(original)
    save_file(original, tmp_path / "original.safetensors")
    save_file(state, tmp_path / "timm.safetensors")
    found, wanted = (
        encode(load(f"timm:test_convnext@{tmp_path / name}.safetensors"), noise()) for name in ("original", "timm")
    )
    assert torch.equal(found, wanted)


def test_no_layer_is_left_random_where_timm_loads_only_what_it_finds(tmp_path):
    state = timm.create_model("dla34").state_dict()
    trunk = {name: value for name, value in state.items() if not name.startswith("fc.")}
    save_file(trunk, tmp_path / "trunk.safetensors")
    load(f"timm:dla34@{tmp_path / 'trunk.safetensors'}")
    save_file({name: value for name, value in trunk.items() if "level5" not in name}, tmp_path / "part.safetensors")
    assert_refused(f"timm:dla34@{tmp_path / 'part.safetensors'}", "tensors are missing, e.g. level5", step="load")


def test_the_info_of_an_image_only_model(saved):
    model = load(saved("best"))
    info = model.info
    assert (info.name, info.has_text, info.features, info.trained_on) == ("best", False, ("backbone",), None)
    assert info.pedigree.tokenizer == ""
    assert info.library.startswith(f"timm {timm.__version__}")
    assert not isinstance(model, ImageTextModel)


def test_pedigrees_tell_apart_what_differs(saved):
    first = pedigree(saved("first"))
    weights = pedigree(saved("weights", seed=1))
    pixels = pedigree(saved("pixels", pretrained_cfg={"mean": [0.1, 0.2, 0.3]}))
    heads = pedigree(saved("heads", model_args={"num_heads": 4}))
    found = [differing(first, other) for other in (weights, pixels, heads)]
    assert found == [{"weights"}, {"transform"}, {"architecture"}]
    assert len({part.fingerprint() for part in (first, weights, pixels, heads)}) == 4


def test_the_same_file_under_another_name_or_preprocessing_is_another_model(tmp_path):
    torch.save(torchvision.models.mobilenet_v3_large(weights=None).state_dict(), tmp_path / "w.pth")
    first, second = (
        pedigree(f"torchvision:mobilenet_v3_large{weights}@{tmp_path / 'w.pth'}") for weights in ("", "/IMAGENET1K_V1")
    )
    assert differing(first, second) == {"transform"}


@pytest.mark.parametrize(
    ("tag", "data"),
    [
        ("a1_in1k", ("ImageNet-1k",)),
        ("augreg_in21k", ("ImageNet-21k",)),
        ("augreg_in21k_ft_in1k", ("ImageNet-21k", "ImageNet-1k")),
        ("ns_jft_in1k_475", ("JFT-300M", "ImageNet-1k")),
        ("laion2b_ft_in12k_in1k", ("LAION-2B-en", "ImageNet-12k", "ImageNet-1k")),
        ("lvd142m", ("LVD-142M",)),
        ("swag_ft_in1k", None),
        ("ssld_stage1_in22k_in1k", None),
        ("clip_ft_in1k", None),
        ("apple_pt", None),
        ("", None),
    ],
)
def test_timms_tags_declare_what_a_model_was_trained_on(tag, data):
    assert trained_on_of_tag(tag) == data


@pytest.mark.parametrize("name", TIMM)
def test_every_timm_entry_exists_there_with_its_size_and_data(name):
    entry = CATALOG[name]
    declared = timm.models.get_pretrained_cfg(entry.architecture)
    assert entry.architecture in timm.list_models(f"{entry.architecture.partition('.')[0]}.*", pretrained=True)
    assert declared.hf_hub_id == f"timm/{entry.architecture}"
    assert f"{declared.input_size[-1]} px" in entry.description
    assert ("non-commercial" in entry.description) == ("-nc-" in declared.license)
    with torch.device("meta"):
        parameters = sum(value.numel() for value in timm.create_model(entry.architecture).parameters())
    assert entry.params == pytest.approx(parameters / 1e6, abs=0.01)
    assert trained_on_of_tag(declared.tag) in (entry.trained_on, None)
    assert find_model(name).about == f"timm {entry.architecture}"


@pytest.mark.parametrize("name", TORCHVISION)
def test_every_torchvision_entry_exists_there_with_its_size(name):
    entry = CATALOG[name]
    weights = torchvision.models.get_model_weights(entry.architecture)[entry.tag]
    assert entry.params == pytest.approx(weights.meta["num_params"] / 1e6, abs=0.01)
    assert entry.trained_on == ("ImageNet-1k",)
    assert find_model(name).about == f"torchvision {entry.architecture}/{entry.tag}"


@pytest.mark.parametrize(
    ("changes", "step", "message"),
    [
        ({"architecture": None}, "look", "config.json: lacks architecture"),
        ({"architecture": "test_vitt"}, "look", "timm has no architecture 'test_vitt'; did you mean 'test_vit'?"),
        ({"model_args": {"depth": "deep"}}, "load", "model tiny: timm cannot build test_vit (TypeError: "),
    ],
)
def test_a_wrong_configuration_is_explained(changes, step, message, saved):
    assert_refused(saved(**changes), message, step)


@pytest.mark.parametrize("spec", ["timm:test_vit", "timm:test_vit.r160_in1k", "torchvision:mobilenet_v3_small"])
def test_weights_of_another_architecture_are_explained(spec, tmp_path):
    file = tmp_path / "other.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), file)
    architecture = spec.partition(":")[2].partition(".")[0]
    with pytest.raises(UserError) as caught:
        load(f"{spec}@{file}")
    assert str(caught.value).startswith(f"{file}: the weights do not fit {architecture} (Missing key(s) in state_dict:")
    assert str(caught.value).endswith("; name the architecture that they were trained with")


def test_an_architecture_without_a_vector_before_its_classifier_is_refused(tmp_path):
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), tmp_path / "w.pth")
    message = "squeezenet1_1 does not end in a linear classifier; its features before"
    assert_refused(f"torchvision:squeezenet1_1@{tmp_path / 'w.pth'}", message, step="load")
