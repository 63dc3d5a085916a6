"""Files of models at plain addresses: whether they are in torch's cache, how large they are, and their download."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

from clipbench.errors import Unavailable

_TIMEOUT = 5.0
_HASH = re.compile(r"-([0-9a-f]{8,64})\.")


@dataclass(frozen=True)
class UrlFile:
    """One file at an https address, kept where torch.hub keeps downloads."""

    url: str
    own_copy: str
    """How a copy that the user has is named, e.g. 'torchvision:resnet50@FILE'."""

    @property
    def name(self) -> str:
        """The file's name."""
        return Path(urlparse(self.url).path).name

    @property
    def hash_prefix(self) -> str | None:
        """The beginning of the file's sha256, which torch's files carry in their name."""
        found = _HASH.search(self.name)
        return found.group(1) if found else None

    def cached(self) -> Path | None:
        """Return where it is on this machine, or None."""
        path = self._path()
        return path if path.is_file() else None

    def size(self, model: str) -> int | None:
        """Ask for the size in bytes; None if the server cannot be reached within seconds, or does not say.

        Raises:
            Unavailable: nothing may be downloaded (offline mode), or there is no such file.
        """
        try:
            return self._ask(model)
        except _Unreachable:
            return None

    def fetch(self, model: str) -> None:
        """Download it into torch's cache, and check it against the hash in its name.

        Raises:
            Unavailable: it cannot be had, or arrived damaged.
        """
        from torch.hub import download_url_to_file

        try:
            # torch's own download waits without limit for a server that does not answer.
            self._ask(model)
        except _Unreachable as error:
            raise self.unavailable(model, f"its server cannot be reached ({error})") from error
        path = self._path()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            download_url_to_file(self.url, str(path), self.hash_prefix, progress=False)
        except (OSError, RuntimeError) as error:
            problem = f"the download of {self.url} failed ({type(error).__name__}: {error})"
            fix = f"run again; it is kept in {path.parent} (TORCH_HOME moves that folder)"
            raise Unavailable(problem, where=f"model {model}", fix=fix) from error

    def unavailable(self, model: str, reason: str) -> Unavailable:
        """Return the error that says what is missing, where it was looked for and how to provide it."""
        fix = (
            f"put {self.url} there, or name a checkpoint that you have as {self.own_copy}; "
            "--model clip-tiny runs offline"
        )
        problem = f"{self.name} is not in {self._path().parent}, and {reason}"
        return Unavailable(problem, where=f"model {model}", fix=fix)

    def _path(self) -> Path:
        from torch.hub import get_dir

        return Path(get_dir()) / "checkpoints" / self.name

    def _ask(self, model: str) -> int | None:
        from huggingface_hub import constants

        if constants.HF_HUB_OFFLINE:
            raise self.unavailable(model, "downloads are switched off (HF_HUB_OFFLINE is set)")
        request = urllib.request.Request(self.url, method="HEAD")  # noqa: S310 - addresses come from the library
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
                length = answer.headers.get("Content-Length")
        except urllib.error.HTTPError as error:
            raise self.unavailable(model, f"{self.url} answers {error.code} {error.reason}") from error
        except OSError as error:
            raise _Unreachable(str(getattr(error, "reason", "") or error) or type(error).__name__) from error
        return int(length) if length else None


class _Unreachable(Exception):
    """No answer from the server."""
