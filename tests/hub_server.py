"""A Hugging Face hub on this machine, for tests of what is fetched from one."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What it serves: models and data sets `ORG/NAME` from `root/ORG/NAME`, and how it answers."""

    root: Path
    cache: Path
    """Of the hub's client; does not exist yet."""
    address: str = ""
    served: list[str] = field(default_factory=list)
    """The files that were downloaded, in order."""
    gated: bool = False
    down: bool = False

    def answer(self, path: str) -> tuple[int, bytes, str]:
        """Return status, content, and the hub's code for what is wrong."""
        parts = path.partition("?")[0].strip("/").removeprefix("datasets/").split("/")
        listing = parts[0] == "api"
        name, rest = ("/".join(parts[2:4]), parts[4:]) if listing else ("/".join(parts[:2]), parts[2:])
        root = self.root / name
        if self.down:
            return 503, b"", ""
        if self.gated:
            return 403, b"", "GatedRepo"
        if not root.is_dir():
            return 404, b"", "RepoNotFound"
        if rest[:1] == ["tree"]:
            return self._tree(root, root.joinpath(*rest[2:]))
        if listing:
            files = [file for file in sorted(root.rglob("*")) if file.is_file()]
            siblings = [{"rfilename": str(file.relative_to(root)), "size": file.stat().st_size} for file in files]
            return 200, json.dumps({"id": name, "sha": COMMIT, "siblings": siblings, "private": False}).encode(), ""
        file = root.joinpath(*rest[2:])
        return (200, file.read_bytes(), "") if file.is_file() else (404, b"", "EntryNotFound")

    def _tree(self, root: Path, folder: Path) -> tuple[int, bytes, str]:
        if not folder.is_dir():
            return 404, b"", "EntryNotFound"
        entries: list[dict[str, Any]] = [
            {"type": "directory" if path.is_dir() else "file", "path": str(path.relative_to(root)), "oid": "0" * 40}
            | ({} if path.is_dir() else {"size": path.stat().st_size})
            for path in sorted(folder.iterdir())
        ]
        return 200, json.dumps(entries).encode(), ""


def use_hub(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Let the hub's client talk to an address."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture(name="no_hub")
def no_hub_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing answers where the hub should be; returns the client's cache, which is empty."""
    use_hub(monkeypatch, "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(name="hub")
def hub_fixture(tmp_path: Path, no_hub: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub's client talks to a server on this machine and has an empty cache."""
    hub = Hub(tmp_path / "hub", no_hub)
    hub.root.mkdir()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            status, content, code = hub.answer(self.path)
            if body and status == 200 and "/resolve/" in self.path:
                hub.served.append(self.path.partition("/resolve/")[2].partition("/")[2])
            etag = hashlib.sha256(self.path.encode() + content).hexdigest()
            headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"', "Content-Length": str(len(content))}
            self.send_response(status)
            for name, value in (headers | ({"X-Error-Code": code} if code else {})).items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        hub.address = f"http://127.0.0.1:{server.server_port}"
        use_hub(monkeypatch, hub.address)
        yield hub
        server.shutdown()
