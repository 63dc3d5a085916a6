"""Weights of image-only models that are not here: what is said of them, their download, and offline use."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import timm
import torch
import torchvision

from clipbench.errors import Unavailable
from clipbench.models.catalog import find_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches of the hub's library and of torch, and a hub that refuses connections."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    template = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(caches: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which it is served."""
    folder = caches / "served"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def publish(served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, digest: str = "") -> Path:
    """Publish random weights of a small torchvision network, named with their hash as torch's are."""
    folder, address = served
    file = folder / "weights.pth"
    torch.save(torchvision.models.shufflenet_v2_x0_5(weights=None).state_dict(), file)
    name = f"shufflenet-{digest or hashlib.sha256(file.read_bytes()).hexdigest()[:8]}.pth"
    weights = torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1
    monkeypatch.setattr(weights.value, "url", f"{address}/{name}")
    return file.rename(folder / name)


def test_torchvisions_weights_are_looked_up_downloaded_and_loaded(served, caches, monkeypatch):
    file = publish(served, monkeypatch)
    source = find_model("torchvision:shufflenet_v2_x0_5")
    before = source.look()
    assert (before.local, before.where) == (False, f"{served[1]}/{file.name}")
    assert before.download_bytes == file.stat().st_size
    assert not (caches / "torch").exists()
    source.fetch()
    where = caches / "torch" / "hub" / "checkpoints" / file.name
    assert (source.look().local, source.look().where) == (True, str(where))
    info = source.load("cpu", "float32").info
    assert info.trained_on == ("ImageNet-1k",)
    assert info.pedigree.weights == hashlib.sha256(file.read_bytes()).hexdigest()
    served[0].joinpath(file.name).unlink()
    source.fetch()


def test_a_download_that_is_not_what_its_name_promises_is_refused(served, caches, monkeypatch):
    publish(served, monkeypatch, digest="00000000")
    source = find_model("torchvision:shufflenet_v2_x0_5")
    with pytest.raises(Unavailable, match=r"the download of .* failed \(RuntimeError: invalid hash value"):
        source.fetch()
    assert not source.look().local


def test_a_file_that_the_server_does_not_have_is_named(served, monkeypatch):
    publish(served, monkeypatch).unlink()
    source = find_model("torchvision:shufflenet_v2_x0_5")
    for step in (source.look, source.fetch):
        with pytest.raises(
            Unavailable, match=r"shufflenet-\w+\.pth is not in .*checkpoints, and http://.* answers 404"
        ):
            step()


def test_a_timm_model_with_a_plain_address_is_downloaded_from_it(served, caches, monkeypatch):
    from dataclasses import replace

    folder, address = served
    torch.save(timm.create_model("test_resnet").state_dict(), folder / "tiny.pth")
    registry = timm.models._registry._model_pretrained_cfgs
    declared = replace(registry["test_resnet.r160_in1k"], hf_hub_id=None, url=f"{address}/tiny.pth")
    monkeypatch.setitem(registry, "test_resnet.r160_in1k", declared)
    source = find_model("timm:test_resnet.r160_in1k")
    assert source.look().where == f"{address}/tiny.pth"
    source.fetch()
    assert source.load("cpu", "float32").info.trained_on == ("ImageNet-1k",)


def test_a_timm_model_in_the_hubs_cache_needs_no_network(caches, monkeypatch):
    from safetensors.torch import save_file

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    repository = caches / "hub" / "models--timm--test_resnet.r160_in1k"
    weights = repository / "snapshots" / COMMIT / "model.safetensors"
    weights.parent.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    save_file(timm.create_model("test_resnet").state_dict(), weights)
    source = find_model("timm:test_resnet")
    source.fetch()
    assert (source.look().local, source.look().where) == (True, str(weights))
    assert source.load("cpu", "float32").info.trained_on == ("ImageNet-1k",)


def test_offline_it_says_what_is_missing_where_it_was_looked_for_and_what_to_do(caches, monkeypatch):
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
        f"in {caches / 'hub'}, and the hub is switched off (HF_HUB_OFFLINE is set); run `hf download "
        "timm/vit_base_patch16_224.augreg_in21k model.safetensors` where there is network (and copy that cache folder "
        "here, if it is another machine), or name a checkpoint that you have as timm:NAME@FILE or timm:local-dir:DIR; "
        "--model clip-tiny runs offline"
    )
    assert at_address == (
        f"model resnet-50: resnet50-0676ba61.pth is not in {caches / 'torch' / 'hub' / 'checkpoints'}, and downloads "
        "are switched off (HF_HUB_OFFLINE is set); put https://download.pytorch.org/models/resnet50-0676ba61.pth "
        "there, or name a checkpoint that you have as torchvision:resnet50@FILE; --model clip-tiny runs offline"
    )


def test_without_network_the_catalog_knows_the_size_and_fetching_says_why_not(caches, monkeypatch):
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
