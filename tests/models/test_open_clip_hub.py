"""open_clip's models on a hub: sizes, download, what a tag declares, and every way it can fail."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import load_file

from clipbench.errors import Unavailable
from clipbench.models.catalog import find_model
from clipbench.models.located import LocatedSource
from clipbench.models.open_clip.locations import NamedLocation
from clipbench.models.transforms import Normalisation

from ..hub_server import use_hub
from .conftest import load, noise, save_word_tokenizer

PIXEL_SETTINGS = {
    "mean": (0.5, 0.5, 0.5),
    "std": (0.25, 0.25, 0.25),
    "interpolation": "bilinear",
    "resize_mode": "squash",
}


@pytest.fixture
def tiny(hub, tiny_clip, save_model) -> Path:
    """The folder of a small model, which the hub has as org/tiny."""
    folder = save_model(tiny_clip, preprocess=PIXEL_SETTINGS)
    shutil.copytree(folder, hub.root / "org" / "tiny")
    return folder


@pytest.fixture
def tiny_tag(tiny_clip, monkeypatch: pytest.MonkeyPatch) -> NamedLocation:
    """An architecture and a tag that open_clip then knows, whose weights need quick GELU."""
    declared = {"hf_hub": "org/tiny/", "quick_gelu": True, **PIXEL_SETTINGS}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "Tiny-CLIP", tiny_clip)
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "Tiny-CLIP", {"some_tag": declared})
    return NamedLocation("Tiny-CLIP", "some_tag")


def test_a_hub_model_is_looked_up_downloaded_and_then_needs_no_network(hub, tiny, monkeypatch):
    source = find_model("open_clip:hf-hub:org/tiny")
    before = source.look()
    size = sum(path.stat().st_size for path in tiny.iterdir())
    assert (before.local, before.where, before.download_bytes) == (False, "hf-hub:org/tiny", size)
    assert not hub.cache.exists()
    source.fetch()
    use_hub(monkeypatch, "http://127.0.0.1:9")
    started = time.monotonic()
    source.fetch()
    after = source.look()
    assert (after.local, after.where.startswith(str(hub.cache))) == (True, True)
    assert source.load("cpu", "float32").info.pedigree == load(f"open_clip:local-dir:{tiny}").info.pedigree
    assert time.monotonic() - started < 5


def test_weights_without_safetensors_are_found(hub, tiny):
    weights = hub.root / "org" / "tiny" / "open_clip_model.safetensors"
    torch.save(load_file(weights), weights.with_name("open_clip_pytorch_model.bin"))
    weights.unlink()
    source = find_model("open_clip:hf-hub:org/tiny")
    source.fetch()
    assert source.look().where.endswith("open_clip_pytorch_model.bin")
    assert source.load("cpu", "float32").info.name == "open_clip:hf-hub:org/tiny"


def test_a_tag_brings_its_preprocessing_and_its_activation(tiny, tiny_tag):
    source = LocatedSource("tiny-alias", tiny_tag, trained_on=("scenes",))
    source.fetch()
    model = source.load("cpu", "float32")
    quick, _, transform = open_clip.create_model_and_transforms(
        "Tiny-CLIP", pretrained=str(tiny / "open_clip_model.safetensors"), force_quick_gelu=True,
        image_mean=PIXEL_SETTINGS["mean"], image_std=PIXEL_SETTINGS["std"], image_interpolation="bilinear",
        image_resize_mode="squash",
    )  # fmt: skip
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(model.encode_images(pixels).projected, quick.eval().encode_image(pixels))
    image = noise(40, 30)
    assert torch.equal(Normalisation(transform.transforms[-1])(model.transform(image)), transform(image))
    assert (model.info.name, model.info.trained_on) == ("tiny-alias", ("scenes",))


def test_the_locator_changes_with_the_files_and_with_what_is_declared(tiny, tiny_tag):
    source = LocatedSource("tiny-alias", tiny_tag)
    source.fetch()
    before = source.locator()
    assert LocatedSource("tiny-alias", tiny_tag).locator() == before
    assert LocatedSource("tiny-alias", tiny_tag, trained_on=("scenes",)).locator() != before
    open_clip.pretrained._PRETRAINED["Tiny-CLIP"]["some_tag"]["quick_gelu"] = False
    declared = source.locator()
    Path(source.look().where).touch()
    assert len({before, declared, source.locator()}) == 3


def test_a_tokenizer_on_the_hub_is_fetched_too(hub, tiny_clip, save_model):
    save_word_tokenizer(hub.root / "org" / "words")
    text = {**tiny_clip["text_cfg"], "hf_tokenizer_name": "org/words", "no_causal_mask": True, "pool_type": "last"}
    shutil.copytree(save_model({**tiny_clip, "text_cfg": text}), hub.root / "org" / "tiny")
    source = find_model("open_clip:hf-hub:org/tiny")
    source.fetch()
    assert source.look().local
    assert source.load("cpu", "float32").tokenize(["a dog"]).ids[0, :5].tolist() == [2, 4, 5, 3, 0]


def test_without_network_it_says_within_seconds_what_is_missing_and_what_to_do(no_hub):
    source = find_model("vit-b-32")
    started = time.monotonic()
    found = source.look()
    assert (found.local, found.download_bytes) == (False, 605_120_000)
    with pytest.raises(Unavailable) as caught:
        source.fetch()
    assert time.monotonic() - started < 5
    for part in (
        "model vit-b-32: open_clip_model.safetensors or open_clip_pytorch_model.bin of timm/vit_base_patch32_clip_224.",
        f"is not in {no_hub}, and the hub cannot be reached (",
        "`hf download timm/vit_base_patch32_clip_224.openai open_clip_model.safetensors`",
        "open_clip:ARCH@FILE",
        "--model clip-tiny",
    ):
        assert part in str(caught.value)


def test_a_gated_repository_says_how_to_get_access(hub):
    hub.gated = True
    source = find_model("open_clip:hf-hub:org/secret")
    for step in (source.look, source.fetch):
        with pytest.raises(Unavailable, match=r"org/secret is gated.*huggingface.co/org/secret, then run `hf auth"):
            step()


def test_a_repository_that_does_not_exist_or_holds_no_model_is_named(hub):
    with pytest.raises(Unavailable, match="the hub has no repository org/nothing, or it is private"):
        find_model("open_clip:hf-hub:org/nothing").look()
    (hub.root / "org" / "empty").mkdir(parents=True)
    with pytest.raises(Unavailable, match=r"org/empty has no open_clip_config\.json"):
        find_model("open_clip:hf-hub:org/empty").look()
