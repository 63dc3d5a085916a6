"""Models by name: the catalog, the forms of a name, and classes named by dotted path."""

from __future__ import annotations

import subprocess
import sys

import open_clip
import pandas as pd
import pytest

from clipbench.errors import UserError
from clipbench.models.catalog import ADAPTERS, FORMS, find_model, model_names

from .conftest import assert_refused

CATALOG = model_names()
OPEN_CLIP = [name for name, model in CATALOG.items() if model.adapter == "open_clip"]
PAPER = ["rn50", "rn101", "rn50x4", "rn50x16", "rn50x64", "vit-b-32", "vit-b-16", "vit-l-14", "vit-l-14-336"]


@pytest.mark.parametrize("name", OPEN_CLIP)
def test_every_open_clip_entry_exists_there_and_is_described(name):
    model = CATALOG[name]
    assert (model.architecture, model.tag) in open_clip.list_pretrained()
    assert model.description
    assert model.trained_on
    assert model.params
    assert model.download_bytes
    assert find_model(name).name == name


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_models_have_openais_weights_and_quick_gelu(name):
    model = CATALOG[name]
    assert model.tag == "openai"
    assert open_clip.get_model_config(model.architecture)["quick_gelu"] is True
    assert open_clip.get_pretrained_cfg(model.architecture, model.tag)["quick_gelu"] is True


@pytest.mark.parametrize("name", [name for name in OPEN_CLIP if name not in PAPER])
def test_the_other_entries_weights_were_not_trained_with_quick_gelu(name):
    assert not open_clip.get_pretrained_cfg(CATALOG[name].architecture, CATALOG[name].tag).get("quick_gelu", False)


def test_the_published_table_agrees_on_the_number_of_parameters(shared_data):
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
    assert CATALOG["clip-tiny"].adapter == "reference"
    assert CATALOG["clip-tiny"].download_bytes is None
    assert find_model("clip-tiny").name == "clip-tiny"


SPECS = ["open_clip:ViT-B-32/laion2b_s34b_b79k", "open_clip:ViT-B/32/openai", "open_clip:hf-hub:org/name"]
SPECS += ["hf:org/name", "open_clip:ViT-B-32@weights/run@3.pt", "mypackage.models:Mine", "local:some/where"]


@pytest.mark.parametrize("spec", SPECS)
def test_a_name_of_each_form_stands_for_a_model_that_is_not_looked_for_yet(spec):
    assert find_model(spec).name == spec


def test_a_local_folder_is_called_by_its_own_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for spec in ("open_clip:local-dir:some/where/best", "hf:./some/where/best", "timm:local-dir:some/where/best"):
        assert find_model(spec).name == "best"
    assert find_model("open_clip:local-dir:.").name == tmp_path.name


def test_an_unknown_name_gives_the_nearest_and_the_forms():
    with pytest.raises(UserError) as caught:
        find_model("vit-b32")
    message = str(caught.value)
    assert message.startswith("model 'vit-b32': no such model; did you mean 'vit-b-32'? Other forms: ")
    assert all(form in message for form in FORMS)
    with pytest.raises(UserError, match="model 'onnx:org/name': no such model"):
        find_model("onnx:org/name")


NAMELESS = {
    "open_clip": ["", "ViT-B-32", "/openai", "ViT-B-32@", "hf-hub:name", "local-dir:"],
    "timm": ["", "hf-hub:org/name", "@file", "resnet50@"],
    "torchvision": ["", "resnet50/", "resnet50@"],
    "hf": [""],
    "local": [""],
}


@pytest.mark.parametrize(("adapter", "arguments"), [(name, text) for name, texts in NAMELESS.items() for text in texts])
def test_an_adapter_that_is_given_no_model_gives_its_forms(adapter, arguments):
    with pytest.raises(UserError) as caught:
        find_model(f"{adapter}:{arguments}")
    assert caught.value.where == f"model '{adapter}:{arguments}'"
    assert f"after {adapter}: comes {ADAPTERS[adapter][1].split()[0]}" in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("open_clip:ViT-B-23/openai", "open_clip has no such architecture; did you mean 'ViT-B-32'?"),
        ("open_clip:ViT-B-23@x.pt", "architecture 'ViT-B-23': open_clip has no such architecture; did you mean"),
        ("open_clip:ViT-B-32/laion2b_s34b_b79", "'laion2b_s34b_b79' for ViT-B-32; did you mean 'laion2b_s34b_b79k'?"),
        ("open_clip:ViT-B-32@nothing.pt", "nothing.pt: no such file; check the path after @"),
        ("open_clip:local-dir:nowhere", "nowhere: no such folder; check the path after local-dir:"),
        ("timm:resne50", "model timm:resne50: timm has no architecture 'resne50'; did you mean 'resnet50'?"),
        ("timm:resne50@x.pth", "timm has no architecture 'resne50'; did you mean 'resnet50'?"),
        ("timm:resnet50.a1_in1", "timm has no weights 'a1_in1' for resnet50; did you mean 'a1_in1k'?"),
        ("timm:test_resnet@nothing.pth", "nothing.pth: no such file; check the path after @"),
        ("timm:local-dir:nowhere", "nowhere: no such folder; check the path after local-dir:"),
        (
            "torchvision:resnet51",
            "torchvision has no classification architecture 'resnet51'; did you mean",
        ),
        ("torchvision:fasterrcnn_resnet50_fpn", "torchvision has no classification architecture"),
        ("torchvision:resnet50/IMAGENET1K_V3", "'IMAGENET1K_V3' for resnet50; did you mean 'IMAGENET1K_V2'?"),
        ("torchvision:vgg16/IMAGENET1K_FEATURES", "weights of the first layers only; choose one of: IMAGENET1K_V1"),
        ("torchvision:resnet18@nothing.pth", "nothing.pth: no such file; check the path after @"),
        ("local:nowhere", "nowhere: no such folder; name a folder that 'clipbench train clip-tiny --output"),
        ("reference:clip-tinny", "no model 'clip-tinny' is part of clipbench; did you mean 'clip-tiny'?"),
    ],
)
def test_what_does_not_exist_is_named_with_the_nearest_that_does(spec, message):
    assert_refused(spec, message)


def test_naming_models_imports_nothing_heavy():
    code = (
        "import sys; from clipbench.models.catalog import find_model, model_names; model_names();"
        "[find_model(spec) for spec in ('vit-b-32', 'clip-tiny', 'resnet-50', 'timm:resnet50', 'hf:org/name')];"
        "heavy = {'torch', 'open_clip', 'numpy', 'huggingface_hub', 'transformers', 'timm', 'torchvision', 'PIL'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
