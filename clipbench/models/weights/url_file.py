"""Files of models at plain addresses: whether they are in torch's cache, how large they are, and their download."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

from clipbench.models.located import ANSWER_SECONDS, RemoteFile, Unreachable

_HASH = re.compile(r"-([0-9a-f]{8,64})\.")
"""The beginning of a file's sha256, which torch's files carry in their name."""


@dataclass(frozen=True)
class UrlFile(RemoteFile):
    """One file at an https address, kept where torch.hub keeps downloads."""

    url: str
    own_copy: str
    """How a checkpoint that the user has is named instead, e.g. 'torchvision:resnet50@FILE'."""

    server = "its server"
    home = "TORCH_HOME"

    @property
    def label(self) -> str:
        """The address."""
        return self.url

    @property
    def name(self) -> str:
        """The file's name."""
        return Path(urlparse(self.url).path).name

    @property
    def folder(self) -> Path:
        """Where torch.hub keeps downloads."""
        from torch.hub import get_dir

        return Path(get_dir()) / "checkpoints"

    def cached(self) -> Path | None:
        """Return where it is on this machine, or None."""
        path = self.folder / self.name
        return path if path.is_file() else None

    def _explain(self) -> tuple[str, str]:
        return self.name, f"put {self.url} there, or name a checkpoint that you have as {self.own_copy}"

    def _ask(self, model: str) -> tuple[str, int | None]:
        from huggingface_hub import constants

        if constants.HF_HUB_OFFLINE:
            raise self.unavailable(model, "downloads are switched off (HF_HUB_OFFLINE is set)")
        request = urllib.request.Request(self.url, method="HEAD")  # noqa: S310 - addresses come from the library
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
                length = answer.headers.get("Content-Length")
        except urllib.error.HTTPError as error:
            raise self.unavailable(model, f"{self.url} answers {error.code} {error.reason}") from error
        except OSError as error:
            raise Unreachable(str(getattr(error, "reason", "") or error) or type(error).__name__) from error
        return self.name, int(length) if length else None

    def _download(self, name: str) -> None:
        """Download it, and check it against the hash in its name."""
        from torch.hub import download_url_to_file

        found = _HASH.search(name)
        self.folder.mkdir(parents=True, exist_ok=True)
        download_url_to_file(self.url, str(self.folder / name), found.group(1) if found else None, progress=False)
