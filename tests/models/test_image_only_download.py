"""Weights of image-only models that are not here: what is said of them, their download, and offline use."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
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


@pytest.fixture(autouse=True)
def torch_home(tmp_path: Path, no_hub: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torch would keep downloads, in a world without a hub."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch"


@pytest.fixture
def publish(hub, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Path, str]]:
    """Publish random weights of a small torchvision network, named with their hash as torch's are: file and address."""

    def publish(digest: str = "") -> tuple[Path, str]:
        file = hub.root / "org" / "weights" / "new.pth"
        file.parent.mkdir(parents=True)
        torch.save(torchvision.models.shufflenet_v2_x0_5(weights=None).state_dict(), file)
        file = file.rename(file.with_name(f"net-{digest or hashlib.sha256(file.read_bytes()).hexdigest()[:8]}.pth"))
        address = f"{hub.address}/org/weights/resolve/main/{file.name}"
        monkeypatch.setattr(torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1.value, "url", address)
        return file, address

    return publish


def test_torchvisions_weights_are_looked_up_downloaded_and_loaded(publish, torch_home):
    file, address = publish()
    source = find_model("torchvision:shufflenet_v2_x0_5")
    before = source.look()
    assert (before.local, before.where, before.download_bytes) == (False, address, file.stat().st_size)
    assert not torch_home.exists()
    source.fetch()
    assert (source.look().local, source.look().where) == (True, str(torch_home / "hub" / "checkpoints" / file.name))
    info = source.load("cpu", "float32").info
    assert info.trained_on == ("ImageNet-1k",)
    assert info.pedigree.weights == hashlib.sha256(file.read_bytes()).hexdigest()
    file.unlink()
    source.fetch()


def test_a_download_that_is_not_what_its_name_promises_is_refused(publish):
    publish(digest="00000000")
    source = find_model("torchvision:shufflenet_v2_x0_5")
    with pytest.raises(Unavailable, match=r"the download of .* failed \(RuntimeError: invalid hash value"):
        source.fetch()
    assert not source.look().local


def test_a_file_that_the_server_does_not_have_is_named(publish):
    publish()[0].unlink()
    source = find_model("torchvision:shufflenet_v2_x0_5")
    for step in (source.look, source.fetch):
        with pytest.raises(Unavailable, match=r"net-\w+\.pth is not in .*checkpoints, and http://.* answers 404"):
            step()


def test_a_timm_model_with_a_plain_address_is_downloaded_from_it(hub, publish, monkeypatch):
    file, address = publish()
    torch.save(timm.create_model("test_resnet").state_dict(), file.with_name("tiny.pth"))
    url = address.replace(file.name, "tiny.pth")
    registry = timm.models._registry._model_pretrained_cfgs
    declared = replace(registry["test_resnet.r160_in1k"], hf_hub_id=None, url=url)
    monkeypatch.setitem(registry, "test_resnet.r160_in1k", declared)
    source = find_model("timm:test_resnet.r160_in1k")
    assert source.look().where == url
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


def test_offline_it_says_what_is_missing_where_it_was_looked_for_and_what_to_do(no_hub, torch_home, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    messages = []
    for name in ("vit-b-16-in21k", "resnet-50"):
        source = find_model(name)
        for step in (source.look, source.fetch):
            with pytest.raises(Unavailable) as caught:
                step()
        messages.append(str(caught.value))
    on_hub, at_address = messages
    assert on_hub == (
        "model vit-b-16-in21k: model.safetensors or pytorch_model.bin of timm/vit_base_patch16_224.augreg_in21k is not "
        f"in {no_hub}, and the hub is switched off (HF_HUB_OFFLINE is set); run `hf download "
        "timm/vit_base_patch16_224.augreg_in21k model.safetensors` where there is network (and copy that cache folder "
        "here, if it is another machine), or name a checkpoint that you have as timm:NAME@FILE or timm:local-dir:DIR; "
        "--model clip-tiny runs offline"
    )
    assert at_address == (
        f"model resnet-50: resnet50-0676ba61.pth is not in {torch_home / 'hub' / 'checkpoints'}, and downloads "
        "are switched off (HF_HUB_OFFLINE is set); put https://download.pytorch.org/models/resnet50-0676ba61.pth "
        "there, or name a checkpoint that you have as torchvision:resnet50@FILE; --model clip-tiny runs offline"
    )


def test_without_network_the_catalog_knows_the_size_and_fetching_says_why_not(monkeypatch):
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
