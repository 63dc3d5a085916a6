"""Small data sets made on the spot, and a hub that answers from a folder."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import PIL.Image
import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


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


@dataclass
class Hub:
    """A data set hub on this machine: `ORG/REPO` is answered from `root/ORG/REPO`."""

    root: Path
    cache: Path
    served: list[str] = field(default_factory=list)
    """The files that were downloaded, in order."""
    gated: bool = False
    down: bool = False


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub's client talks to a server on this machine and has an empty cache."""
    answers = Hub(tmp_path / "hub", tmp_path / "cache")
    answers.root.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answers))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(answers.cache))
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("datasets.config.HF_ENDPOINT", endpoint)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", answers.cache / "datasets")
    monkeypatch.setattr("datasets.config.HF_CACHE_HOME", answers.cache)
    yield answers
    server.shutdown()
    server.server_close()


@pytest.fixture
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing answers where the hub should be; returns the client's cache, which is empty."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    template = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path = self.path.partition("?")[0]
            if hub.down:
                return self._send(503, b"")
            if hub.gated:
                return self._send(403, b"", {"X-Error-Code": "GatedRepo"})
            if path.startswith("/api/datasets/"):
                organisation, repository, *rest = path.split("/")[3:]
                name = f"{organisation}/{repository}"
                return self._tree(name, "/".join(rest[2:])) if rest[:1] == ["tree"] else self._list(name)
            name, _, file = path.removeprefix("/datasets/").partition("/resolve/")
            return self._file(name, file.partition("/")[2], body=body)

        def _tree(self, name: str, folder: str) -> None:
            root = hub.root / name
            if not (root / folder).is_dir():
                return self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            content = [
                {
                    "type": "directory" if entry.is_dir() else "file",
                    "path": str(entry.relative_to(root)),
                    "oid": "0" * 40,
                }
                | ({} if entry.is_dir() else {"size": entry.stat().st_size})
                for entry in sorted((root / folder).iterdir())
            ]
            return self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

        def _list(self, name: str) -> None:
            root = hub.root / name
            if not root.is_dir():
                return self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
            files = [file for file in sorted(root.rglob("*")) if file.is_file()]
            siblings = [{"rfilename": str(f.relative_to(root)), "size": f.stat().st_size} for f in files]
            content = {"id": name, "sha": COMMIT, "siblings": siblings}
            return self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

        def _file(self, name: str, file: str, *, body: bool) -> None:
            if not (hub.root / name / file).is_file():
                return self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            content = (hub.root / name / file).read_bytes()
            if body:
                hub.served.append(file)
            headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{name}{file}"'.replace("/", "-")}
            return self._send(200, content, headers, body=body)

        def _send(self, status: int, content: bytes, headers: Mapping[str, str] = {}, body: bool = True) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
