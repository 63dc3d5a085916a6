"""What all adapters say of models that lie in folders and files: which model it is, and what can be wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from clipbench.errors import UserError
from clipbench.models.catalog import find_model

from .conftest import Malicious

FORMS = {
    "open_clip": "ARCH/TAG, hf-hub:ORG/NAME, local-dir:PATH or ARCH@FILE",
    "timm": "NAME, NAME@FILE or local-dir:DIR",
    "torchvision": "NAME, NAME/WEIGHTS or NAME@FILE",
}


@pytest.fixture
def save(tiny_clip, save_model, save_timm) -> Callable[..., str]:
    """Saves a small model of an adapter as its library does; returns how the folder is named."""

    def save(adapter: str, name: str = "tiny") -> str:
        folder = save_model(tiny_clip, name) if adapter == "open_clip" else save_timm(name)
        return f"{adapter}:local-dir:{folder}"

    return save


@pytest.mark.parametrize(
    "spec",
    [f"open_clip:{name}" for name in ("", "ViT-B-32", "/openai", "ViT-B-32@", "hf-hub:name", "local-dir:")]
    + [f"timm:{name}" for name in ("", "hf-hub:org/name", "@file", "resnet50@")]
    + [f"torchvision:{name}" for name in ("", "resnet50/", "resnet50@")],
)
def test_a_name_without_a_model_gives_the_forms(spec):
    adapter, _, name = spec.partition(":")
    says = f"'{name}' names no .*; after {adapter}: comes {FORMS[adapter]}"
    with pytest.raises(UserError, match=f"^model '{spec}': {says}"):
        find_model(spec)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("open_clip:ViT-B-23/openai", "open_clip has no such architecture; did you mean 'ViT-B-32'"),
        ("open_clip:ViT-B-23@nothing.pt", "architecture 'ViT-B-23': open_clip has no such architecture; did you mean"),
        ("open_clip:ViT-B-32/laion2b_s34b_b79", "no weights 'laion2b_s34b_b79' for ViT-B-32; .* 'laion2b_s34b_b79k'"),
        ("timm:resne50", "model timm:resne50: timm has no architecture 'resne50'; did you mean 'resnet50'"),
        ("timm:resnet50.a1_in1", "timm has no weights 'a1_in1' for resnet50; did you mean 'a1_in1k'"),
        ("timm:resne50@x.pth", "timm has no architecture 'resne50'; did you mean 'resnet50'"),
        ("torchvision:resnet51", "model torchvision:resnet51: .* no classification architecture 'resnet51'; did you"),
        ("torchvision:fasterrcnn_resnet50_fpn", "torchvision has no classification architecture"),
        ("torchvision:resnet50/IMAGENET1K_V3", "no weights 'IMAGENET1K_V3' for resnet50; .*'IMAGENET1K_V2'"),
        ("torchvision:vgg16/IMAGENET1K_FEATURES", "IMAGENET1K_FEATURES are .* first layers only; .*IMAGENET1K_V1"),
        ("open_clip:local-dir:nowhere", "nowhere: no such folder; check the path after local-dir:"),
        ("timm:local-dir:nowhere", "nowhere: no such folder; check the path after local-dir:"),
        ("open_clip:ViT-B-32@nothing.pth", r"nothing\.pth: no such file; check the path after @"),
        ("timm:test_resnet@nothing.pth", r"nothing\.pth: no such file; check the path after @"),
        ("torchvision:resnet18@nothing.pth", r"nothing\.pth: no such file; check the path after @"),
    ],
)
def test_what_does_not_exist_is_named_with_the_nearest_that_does(spec, says):
    with pytest.raises(UserError, match=says):
        find_model(spec).look()


@pytest.mark.parametrize(
    ("adapter", "name", "content", "says"),
    [
        (
            "open_clip",
            "open_clip_config.json",
            None,
            "config.json: no such file; is it a folder in open_clip",
        ),
        ("open_clip", "open_clip_config.json", "{", "cannot be read as JSON"),
        ("open_clip", "open_clip_config.json", "[]", "lacks model_cfg"),
        ("open_clip", "open_clip_config.json", '{"model_cfg": {"embed_dim": 16}}', "lacks vision_cfg, text_cfg"),
        ("open_clip", "open_clip_model.safetensors", None, "holds no weights"),
        ("timm", "config.json", None, "config.json: no such file; is it a folder that timm saved"),
        ("timm", "config.json", "{", "config.json: cannot be read as JSON"),
        ("timm", "config.json", "[]", "config.json: lacks architecture"),
        ("timm", "config.json", '{"architecture": "test_vitt"}', "config.json: .*'test_vitt'; did you mean 'test_vit'"),
        ("timm", "model.safetensors", None, r"holds no weights \(\*.safetensors, \*.bin, \*.pth\)"),
    ],
)
def test_an_incomplete_folder_is_explained_before_anything_is_loaded(adapter, name, content, says, save):
    spec = save(adapter)
    file = Path(spec.rpartition(":")[2]) / name
    file.unlink()
    if content is not None:
        file.write_text(content)
    with pytest.raises(UserError, match=f"^{file.parent}.*{says}"):
        find_model(spec).look()


@pytest.mark.parametrize(
    ("spec", "weights"),
    [
        ("open_clip:ViT-B-32@{}", ""),
        ("timm:test_resnet@{}", ""),
        ("torchvision:resnet18@{}", ""),
        ("open_clip", "open_clip_model.safetensors"),
        ("timm", "model.safetensors"),
    ],
)
def test_a_pickle_that_holds_code_is_refused_and_not_run(spec, weights, tmp_path, save):
    marker, file = tmp_path / "marker", tmp_path / "evil.pth"
    if weights:
        spec = save(spec)
        safe = Path(spec.rpartition(":")[2]) / weights
        safe.unlink()
        file = safe.with_name("pytorch_model.bin")
    torch.save({"extra": Malicious(marker), "state_dict": {"logit_scale": torch.ones(())}}, file)
    source = find_model(spec.format(file))
    source.fetch()
    for step in (source.look, lambda: source.load("cpu", "float32")):
        with pytest.raises(UserError, match=rf"^{file}: is a pickle that refers to io\.open; a pickle can run code"):
            step()
    assert not marker.exists()


@pytest.mark.parametrize("spec", ["timm:test_vit", "timm:test_vit.r160_in1k", "torchvision:mobilenet_v3_small"])
def test_weights_of_another_architecture_are_explained(spec, tmp_path):
    file = tmp_path / "other.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), file)
    architecture = spec.partition(":")[2].partition(".")[0]
    with pytest.raises(UserError, match=rf"^{file}: the weights do not fit {architecture} \(Missing key"):
        find_model(f"{spec}@{file}").load("cpu", "float32")


@pytest.mark.parametrize(("adapter", "config"), [("open_clip", "open_clip_config.json"), ("timm", "config.json")])
def test_the_locator_follows_the_files(adapter, config, save):
    spec = save(adapter)
    before = find_model(spec).locator()
    assert find_model(spec).locator() == before
    os.utime(Path(spec.rpartition(":")[2]) / config, ns=(1, 1))
    assert find_model(spec).locator() != before


def differing(spec: str, first: str, precision: str = "float32") -> set[str]:
    """The parts in which a model's pedigree differs from that of the first."""
    pedigree = find_model(spec).load("cpu", precision).info.pedigree
    other = find_model(first).load("cpu", "float32").info.pedigree
    parts = {name for name, value in asdict(pedigree).items() if value != getattr(other, name)}
    assert (pedigree.fingerprint() == other.fingerprint()) == (not parts)
    return parts


def test_pedigrees_of_open_clip_tell_apart_what_differs(tiny_clip, save_model):
    def save(name: str, seed: int = 0, preprocess: dict[str, str] | None = None, **config: object) -> str:
        return f"open_clip:local-dir:{save_model(tiny_clip | config, name, seed=seed, preprocess=preprocess)}"

    first, text = save("first"), tiny_clip["text_cfg"]
    assert differing(save("copy"), first) == set()
    assert differing(save("other", seed=1), first) == {"weights"}
    assert differing(save("squash", preprocess={"resize_mode": "squash"}), first) == {"transform"}
    # How texts are cleaned is a part of the configuration.
    cleaned = save("clean", text_cfg=text | {"tokenizer_kwargs": {"clean": "canonicalize"}})
    assert differing(cleaned, first) == {"tokenizer", "architecture"}
    assert differing(save("quick", quick_gelu=True), first) == {"architecture"}
    assert differing(save("heads", text_cfg=text | {"heads": 4}), first) == {"architecture"}
    assert differing(first, first, "bfloat16") == {"precision"}


def test_pedigrees_of_timm_tell_apart_what_differs(save_timm):
    def save(name: str, **changes: object) -> str:
        return f"timm:local-dir:{save_timm(name, **changes)}"

    first = save("first")
    assert differing(save("copy"), first) == set()
    assert differing(save("weights", seed=1), first) == {"weights"}
    assert differing(save("pixels", pretrained_cfg={"mean": [0.1, 0.2, 0.3]}), first) == {"transform"}
    assert differing(save("heads", model_args={"num_heads": 4}), first) == {"architecture"}
