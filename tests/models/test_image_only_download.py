"""Weights of image-only models that are not here: what is said of them, their download, and offline use."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from clipbench.errors import Unavailable
from clipbench.models.catalog import find_model

from ..hub_server import COMMIT

NAME = "torchvision:shufflenet_v2_x0_5"


@pytest.fixture
def torch_cache(tmp_path: Path, no_hub: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty folder in which torch keeps downloads."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def publish(torch_cache, hub, monkeypatch):
    """Serves random weights of a small torchvision network, named with their hash as torch's are."""

    def publish(digest: str = "") -> Path:
        folder = hub.root / "plain/files"
        folder.mkdir(parents=True)
        file = folder / "weights.pth"
        torch.save(torchvision.models.shufflenet_v2_x0_5(weights=None).state_dict(), file)
        name = f"shufflenet-{digest or hashlib.sha256(file.read_bytes()).hexdigest()[:8]}.pth"
        weights = torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1
        monkeypatch.setattr(weights.value, "url", f"{hub.address}/plain/files/resolve/main/{name}")
        return file.rename(folder / name)

    return publish


def test_torchvisions_weights_are_looked_up_downloaded_and_loaded(publish, hub, torch_cache):
    file = publish()
    source = find_model(NAME)
    before = source.look()
    address = f"{hub.address}/plain/files/resolve/main/{file.name}"
    assert (before.local, before.where, before.download_bytes) == (False, address, file.stat().st_size)
    assert not torch_cache.exists()
    source.fetch()
    assert (source.look().local, source.look().where) == (True, str(torch_cache / file.name))
    info = source.load("cpu", "float32").info
    assert info.trained_on == ("ImageNet-1k",)
    assert info.pedigree.weights == hashlib.sha256(file.read_bytes()).hexdigest()
    file.unlink()
    source.fetch()


def test_a_download_that_is_not_what_its_name_promises_is_refused(publish):
    publish(digest="00000000")
    with pytest.raises(Unavailable, match=r"the download of .* failed \(RuntimeError: invalid hash value"):
        find_model(NAME).fetch()
    assert not find_model(NAME).look().local


def test_a_file_that_the_server_does_not_have_is_named(publish):
    publish().unlink()
    for step in (find_model(NAME).look, find_model(NAME).fetch):
        with pytest.raises(Unavailable, match=r"shufflenet-\w+\.pth is not in .*checkpoints, and http:.* answers 404"):
            step()


def test_a_timm_model_with_a_plain_address_is_downloaded_from_it(torch_cache, hub, monkeypatch):
    (hub.root / "plain/files").mkdir(parents=True)
    torch.save(timm.create_model("test_resnet").state_dict(), hub.root / "plain/files/tiny.pth")
    address = f"{hub.address}/plain/files/resolve/main/tiny.pth"
    registry = timm.models._registry._model_pretrained_cfgs
    declared = replace(registry["test_resnet.r160_in1k"], hf_hub_id=None, url=address)
    monkeypatch.setitem(registry, "test_resnet.r160_in1k", declared)
    source = find_model("timm:test_resnet.r160_in1k")
    assert source.look().where == address
    source.fetch()
    assert source.load("cpu", "float32").info.trained_on == ("ImageNet-1k",)


def test_a_timm_model_in_the_hubs_cache_needs_no_network(no_hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    repository = no_hub / "models--timm--test_resnet.r160_in1k"
    weights = repository / "snapshots" / COMMIT / "model.safetensors"
    weights.parent.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    save_file(timm.create_model("test_resnet").state_dict(), weights)
    source = find_model("timm:test_resnet")
    source.fetch()
    assert (source.look().local, source.look().where) == (True, str(weights))
    assert source.load("cpu", "float32").info.trained_on == ("ImageNet-1k",)


VIT, ADDRESS = "timm/vit_base_patch16_224.augreg_in21k", "https://download.pytorch.org/models/resnet50-0676ba61.pth"


@pytest.mark.parametrize(
    ("name", "title", "cache", "advice"),
    [
        (
            "vit-b-16-in21k",
            f"model.safetensors or pytorch_model.bin of {VIT}",
            "no_hub",
            (f"`hf download {VIT} model.safetensors`", "timm:NAME@FILE or timm:local-dir:DIR"),
        ),
        ("resnet-50", "resnet50-0676ba61.pth", "torch_cache", (f"put {ADDRESS} there", "torchvision:resnet50@FILE")),
    ],
)
def test_offline_it_says_what_is_missing_where_it_was_looked_for_and_what_to_do(
    name, title, cache, advice, torch_cache, monkeypatch, request
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    start = f"model {name}: {title} is not in {request.getfixturevalue(cache)}, and "
    for step in (find_model(name).look, find_model(name).fetch):
        with pytest.raises(Unavailable) as caught:
            step()
        assert str(caught.value).startswith(start)
        for part in ("switched off (HF_HUB_OFFLINE is set)", *advice, "--model clip-tiny runs offline"):
            assert part in str(caught.value)


def test_without_network_the_catalog_knows_the_size_and_fetching_says_why_not(torch_cache, monkeypatch):
    weights = torchvision.models.ResNet50_Weights.IMAGENET1K_V1
    monkeypatch.setattr(weights.value, "url", "http://127.0.0.1:9/resnet50-0676ba61.pth")
    for name, size, problem in (
        ("vit-b-16-in21k", 410_400_000, "the hub cannot be reached"),
        ("resnet-50", 102_240_000, "its server cannot be reached"),
    ):
        source = find_model(name)
        assert (source.look().local, source.look().download_bytes) == (False, size)
        with pytest.raises(Unavailable, match=problem):
            source.fetch()
