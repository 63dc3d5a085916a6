"""Small data sets made on the spot."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import PIL.Image
import pytest

from ..hub_server import Hub, hub_fixture, no_hub_fixture  # noqa: F401


@pytest.fixture(scope="session")
def png() -> Callable[..., bytes]:
    """Makes a small PNG of one colour."""

    def make(colour: tuple[int, int, int] = (200, 30, 30), side: int = 4) -> bytes:
        file = io.BytesIO()
        PIL.Image.new("RGB", (side, side), colour).save(file, "PNG")
        return file.getvalue()

    return make


@pytest.fixture(scope="session")
def write_tar() -> Callable[[Path, Mapping[str, bytes]], Path]:
    """Writes a tar with members in the given order."""

    def write(path: Path, members: Mapping[str, bytes]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as archive:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return path

    return write


@pytest.fixture
def layout(tmp_path: Path, png, write_tar) -> Path:
    """A webdataset of two classes: two shards of two images in test, one of one image in train."""
    root = tmp_path / "wds_pets"
    write_tar(root / "test/0.tar", {"a.png": png(), "a.cls": b"0", "b.png": png((0, 0, 9)), "b.cls": b"1"})
    write_tar(root / "test/1.tar", {"a.png": png((5, 5, 5)), "a.cls": b"1", "c.webp": png(), "c.cls": b"0\n"})
    write_tar(root / "train/0.tar", {"t.png": png(), "t.cls": b"1"})
    (root / "test/nshards.txt").write_text("2")
    (root / "train/nshards.txt").write_text("1")
    (root / "classnames.txt").write_text("cat\ndog\n")
    (root / "zeroshot_classification_templates.txt").write_text("a photo of a {c}.\n{c}, a pet\n")
    return root


@pytest.fixture
def datasets_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The hub, of which the `datasets` library knows too."""
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("datasets.config.HF_ENDPOINT", hub.address)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", hub.cache / "datasets")
    monkeypatch.setattr("datasets.config.HF_CACHE_HOME", hub.cache)
    return hub


@pytest.fixture
def hub_layout(hub: Hub, layout: Path) -> Hub:
    """The hub with the webdataset as org/wds_pets."""
    (hub.root / "org").mkdir()
    layout.rename(hub.root / "org/wds_pets")
    return hub


@pytest.fixture
def later() -> Callable[[Path], None]:
    """Makes a file look as if it was written a second later."""

    def touch(path: Path) -> None:
        changed = path.stat().st_mtime_ns + 1_000_000_000
        os.utime(path, ns=(changed, changed))

    return touch


def examples(dataset, split="test"):
    """All examples of a split, in order."""
    return [example for shard in dataset.split(split).shards() for example in shard]
