"""Models on the hub, against a small hub served from a folder: sizes, download, and every way it can fail."""

from __future__ import annotations

import hashlib
import http.server
import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import open_clip
import PIL.Image
import pytest
import torch

from clipbench.errors import Unavailable, UserError
from clipbench.models.catalog import find_model
from clipbench.models.open_clip.locations import TagLocation
from clipbench.models.open_clip.source import OpenClipSource
from clipbench.models.transforms import Normalisation

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PIXEL_SETTINGS = {
    "mean": (0.5, 0.5, 0.5),
    "std": (0.25, 0.25, 0.25),
    "interpolation": "bilinear",
    "resize_mode": "squash",
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves ROOT/ORG/NAME/FILE as the hub does; a folder with a file GATED answers as a gated repository."""

    root: Path

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer(send=True)

    def answer(self, send: bool = False) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        listing = parts[:2] == ["api", "models"]
        repository = self.root.joinpath(*(parts[2:4] if listing else parts[:2]))
        file = repository.joinpath(*parts[4:])
        if not repository.is_dir():
            self.refuse(404, "RepoNotFound")
        elif (repository / "GATED").exists():
            self.refuse(403, "GatedRepo")
        elif listing and "tree" in parts:
            entries = [
                {"type": "file", "path": p.name, "size": p.stat().st_size, "oid": "0"} for p in repository.iterdir()
            ]
            self.reply(json.dumps(entries).encode(), send)
        elif listing:
            siblings = [{"rfilename": path.name} for path in repository.iterdir()]
            info = {"id": "/".join(parts[2:4]), "sha": COMMIT, "siblings": siblings, "private": False}
            self.reply(json.dumps(info).encode(), send)
        elif not file.is_file():
            self.refuse(404, "EntryNotFound")
        else:
            self.reply(file.read_bytes(), send)

    def reply(self, body: bytes, send: bool) -> None:
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if send:
            self.wfile.write(body)

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def use_endpoint(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub's library."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    return folder


@pytest.fixture
def hub(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that a small hub serves."""
    root = tmp_path / "hub"
    root.mkdir()
    handler = type("ServingHandler", (Handler,), {"root": root})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        use_endpoint(monkeypatch, f"http://127.0.0.1:{server.server_port}")
        yield root
        server.shutdown()


@pytest.fixture
def no_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub that refuses connections; returns the cache."""
    use_endpoint(monkeypatch, "http://127.0.0.1:9")
    return cache


@pytest.fixture
def tiny_tag(tiny_clip, monkeypatch: pytest.MonkeyPatch) -> TagLocation:
    """An architecture and a tag that open_clip then knows, whose weights need quick GELU."""
    declared = {"hf_hub": "org/tiny/", "quick_gelu": True, **PIXEL_SETTINGS}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "Tiny-CLIP", tiny_clip)
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "Tiny-CLIP", {"some_tag": declared})
    return TagLocation("Tiny-CLIP", "some_tag")


def test_a_hub_model_is_looked_up_downloaded_and_equal_to_its_local_copy(hub, cache, tiny_clip, save_model):
    folder = save_model(tiny_clip, preprocess=PIXEL_SETTINGS)
    shutil.copytree(folder, hub / "org" / "tiny")
    source = find_model("open_clip:hf-hub:org/tiny")
    before = source.look()
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert (before.local, before.where, before.download_bytes) == (False, "hf-hub:org/tiny", size)
    assert not cache.exists()
    source.fetch()
    after = source.look()
    assert after.local
    assert after.where.startswith(str(cache))
    copy = find_model(f"open_clip:local-dir:{folder}").load("cpu", "float32")
    assert source.load("cpu", "float32").info.pedigree == copy.info.pedigree


def test_weights_without_safetensors_are_found(hub, tiny_clip, save_model):
    from safetensors.torch import load_file

    folder = save_model(tiny_clip)
    weights = folder / "open_clip_model.safetensors"
    torch.save(load_file(weights), folder / "open_clip_pytorch_model.bin")
    weights.unlink()
    shutil.copytree(folder, hub / "org" / "tiny")
    source = find_model("open_clip:hf-hub:org/tiny")
    source.fetch()
    assert source.look().where.endswith("open_clip_pytorch_model.bin")
    assert source.load("cpu", "float32").info.name == "open_clip:hf-hub:org/tiny"


def test_a_tag_brings_its_preprocessing_and_its_activation(hub, tiny_clip, save_model, tiny_tag):

    folder = save_model(tiny_clip)
    shutil.copytree(folder, hub / "org" / "tiny")
    source = OpenClipSource("tiny-alias", tiny_tag, trained_on=("scenes",))
    source.fetch()
    model = source.load("cpu", "float32")
    weights = str(folder / "open_clip_model.safetensors")
    quick, _, transform = open_clip.create_model_and_transforms(
        "Tiny-CLIP", pretrained=weights, force_quick_gelu=True, image_mean=PIXEL_SETTINGS["mean"],
        image_std=PIXEL_SETTINGS["std"], image_interpolation="bilinear", image_resize_mode="squash",
    )  # fmt: skip
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(model.encode_images(pixels).projected, quick.eval().encode_image(pixels))
    noise = PIL.Image.effect_noise((40, 30), 80).convert("RGB")
    normalise = Normalisation(transform.transforms[-1])
    assert torch.equal(normalise(model.transform(noise)), transform(noise))
    assert (model.info.name, model.info.trained_on) == ("tiny-alias", ("scenes",))


def test_the_locator_changes_with_the_files_and_with_what_is_declared(hub, tiny_clip, save_model, tiny_tag):
    shutil.copytree(save_model(tiny_clip), hub / "org" / "tiny")
    source = OpenClipSource("tiny-alias", tiny_tag)
    source.fetch()
    assert source.locator() == OpenClipSource("tiny-alias", tiny_tag).locator()
    assert source.locator() != OpenClipSource("tiny-alias", tiny_tag, trained_on=("scenes",)).locator()
    before = source.locator()
    Path(source.look().where).touch()
    assert source.locator() != before


def test_a_tokenizer_on_the_hub_is_fetched_too(hub, tiny_clip, save_model):
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[PAD]": 0, "[UNK]": 1, "dog": 2}, unk_token="[UNK]"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]")
    words.save_pretrained(hub / "org" / "words")
    text = {**tiny_clip["text_cfg"], "hf_tokenizer_name": "org/words", "no_causal_mask": True, "pool_type": "last"}
    shutil.copytree(save_model({**tiny_clip, "text_cfg": text}), hub / "org" / "tiny")
    source = find_model("open_clip:hf-hub:org/tiny")
    source.fetch()
    assert source.look().local
    assert source.load("cpu", "float32").tokenize(["a dog"]).ids[0, :3].tolist() == [1, 2, 0]


def test_without_network_it_says_within_seconds_what_is_missing_and_what_to_do(no_network):
    source = find_model("vit-b-32")
    started = time.monotonic()
    found = source.look()
    assert (found.local, found.download_bytes) == (False, 605_120_000)
    with pytest.raises(Unavailable) as caught:
        source.fetch()
    assert time.monotonic() - started < 5
    message = str(caught.value)
    assert message.startswith(
        "model vit-b-32: open_clip_model.safetensors or open_clip_pytorch_model.bin of "
        f"timm/vit_base_patch32_clip_224.openai is not in {no_network}, and the hub cannot be reached ("
    )
    for advice in (
        "`hf download timm/vit_base_patch32_clip_224.openai open_clip_model.safetensors`",
        "open_clip:ARCH@FILE",
        "--model clip-tiny",
    ):
        assert advice in message


def test_in_offline_mode_the_hub_is_not_asked(hub, tiny_clip, save_model, monkeypatch):
    shutil.copytree(save_model(tiny_clip), hub / "org" / "tiny")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    source = find_model("open_clip:hf-hub:org/tiny")
    for step in (source.look, source.fetch):
        with pytest.raises(
            Unavailable, match=r"is not in .*cache, and the hub is switched off \(HF_HUB_OFFLINE is set\)"
        ):
            step()


def test_what_is_cached_needs_no_network(hub, tiny_clip, save_model, monkeypatch):
    shutil.copytree(save_model(tiny_clip), hub / "org" / "tiny")
    source = find_model("open_clip:hf-hub:org/tiny")
    source.fetch()
    use_endpoint(monkeypatch, "http://127.0.0.1:9")
    started = time.monotonic()
    source.fetch()
    assert source.look().local
    source.load("cpu", "float32")
    assert time.monotonic() - started < 5


def test_a_gated_repository_says_how_to_get_access(hub):
    (hub / "org" / "secret").mkdir(parents=True)
    (hub / "org" / "secret" / "GATED").touch()
    source = find_model("open_clip:hf-hub:org/secret")
    for step in (source.look, source.fetch):
        with pytest.raises(
            Unavailable, match=r"org/secret is gated.*huggingface.co/org/secret, then run `hf auth login`"
        ):
            step()


def test_a_repository_that_does_not_exist_or_holds_no_model_is_named(hub):
    with pytest.raises(Unavailable, match="the hub has no repository org/nothing, or it is private"):
        find_model("open_clip:hf-hub:org/nothing").look()
    (hub / "org" / "empty").mkdir(parents=True)
    with pytest.raises(Unavailable, match=r"org/empty has no open_clip_config\.json"):
        find_model("open_clip:hf-hub:org/empty").look()


def test_an_unknown_architecture_or_tag_names_the_nearest():
    with pytest.raises(UserError, match=r"open_clip has no such architecture; did you mean 'ViT-B-32'\?"):
        find_model("open_clip:ViT-B-23/openai").look()
    with pytest.raises(
        UserError, match=r"no weights 'laion2b_s34b_b79' for ViT-B-32; did you mean 'laion2b_s34b_b79k'\?"
    ):
        find_model("open_clip:ViT-B-32/laion2b_s34b_b79").look()
