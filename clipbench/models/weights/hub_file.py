"""Files of a model on the Hugging Face hub: whether they are here, how large they are, and their download."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clipbench.errors import Unavailable

_TIMEOUT = 5.0
_TOKENIZER_VOCABULARIES = (
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.txt",
    "vocab.json",
)


@dataclass(frozen=True)
class HubFile:
    """One file of a hub repository, under the first of several names that exists there."""

    repository: str
    names: tuple[str, ...]
    """Preferred name first."""

    def cached(self) -> Path | None:
        """Return where it is on this machine, or None; never uses the network."""
        from huggingface_hub import try_to_load_from_cache

        for name in self.names:
            found = try_to_load_from_cache(self.repository, name)
            if isinstance(found, str):
                return Path(found)
        return None

    def size(self, model: str) -> int | None:
        """Ask the hub for the size in bytes; None if the hub cannot be reached within seconds.

        Raises:
            Unavailable: the hub must not be used (offline mode), or has no such file for this user.
        """
        try:
            return self._find(model)[1]
        except _Unreachable:
            return None

    def fetch(self, model: str) -> None:
        """Download it into the hub's cache.

        Raises:
            Unavailable: it cannot be had; without network this is known after a few seconds.
        """
        from huggingface_hub import hf_hub_download

        try:
            # The client's own download tries six times over half a minute before it gives up.
            name, _ = self._find(model)
        except _Unreachable as error:
            raise self.unavailable(model, f"the hub cannot be reached ({error})") from error
        try:
            hf_hub_download(self.repository, name)
        except Exception as error:
            raise self.download_failed(model, error) from error

    def _find(self, model: str) -> tuple[str, int | None]:
        """Return the name under which the hub has it, and its size."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError

        if _offline_mode():
            raise self.unavailable(model, "the hub is switched off (HF_HUB_OFFLINE is set)")
        for name in self.names:
            try:
                return name, get_hf_file_metadata(hf_hub_url(self.repository, name), timeout=_TIMEOUT).size
            except EntryNotFoundError:
                continue
            except GatedRepoError as error:
                raise self._gated(model) from error
            except RepositoryNotFoundError as error:
                problem = f"the hub has no repository {self.repository}, or it is private"
                fix = "check the name; for a private one run `hf auth login` first"
                raise Unavailable(problem, where=f"model {model}", fix=fix) from error
            except Exception as error:
                # Which exceptions stand for "no network" differs between versions of the hub's client.
                raise _Unreachable(str(error) or type(error).__name__) from error
        problem = f"the hub's repository {self.repository} has no {' or '.join(self.names)}"
        raise Unavailable(problem, where=f"model {model}", fix="check the name: is it a model for this adapter?")

    def _gated(self, model: str) -> Unavailable:
        fix = (
            f"ask for access at https://huggingface.co/{self.repository}, then run `hf auth login` (or set HF_TOKEN) "
            "and run again; --model clip-tiny needs none of this"
        )
        return Unavailable(f"{self.repository} is gated: its owner grants access", where=f"model {model}", fix=fix)

    def download_failed(self, model: str, error: Exception) -> Unavailable:
        """Return the error for a download that began: no space, no permission, a connection that broke."""
        problem = f"the download of {self.repository} failed ({type(error).__name__}: {error})"
        fix = f"run again to go on with it; it is kept in {cache_folder()} (HF_HOME moves that folder)"
        return Unavailable(problem, where=f"model {model}", fix=fix)

    def unavailable(self, model: str, reason: str) -> Unavailable:
        """Return the error that says what is missing, where it was looked for and how to provide it."""
        problem = f"{' or '.join(self.names)} of {self.repository} is not in {cache_folder()}, and {reason}"
        fix = (
            f"run `hf download {self.repository} {self.names[0]}` where there is network (and copy that cache folder "
            "here, if it is another machine), or name a checkpoint that you have as open_clip:ARCH@FILE or "
            "open_clip:local-dir:PATH; --model clip-tiny runs offline"
        )
        return Unavailable(problem, where=f"model {model}", fix=fix)


@dataclass(frozen=True)
class HubTokenizer:
    """The files of a tokenizer on the hub: a configuration, a vocabulary and what else belongs to them."""

    repository: str

    @property
    def _vocabulary(self) -> HubFile:
        return HubFile(self.repository, _TOKENIZER_VOCABULARIES)

    def cached(self) -> Path | None:
        """Return where its configuration is on this machine, or None if anything essential is missing."""
        configuration = HubFile(self.repository, ("tokenizer_config.json",)).cached()
        return configuration if self._vocabulary.cached() else None

    def size(self, model: str) -> int | None:
        """Ask the hub for the size in bytes of the vocabulary, by far the largest part; as `HubFile.size`."""
        return self._vocabulary.size(model)

    def fetch(self, model: str) -> None:
        """Download it into the hub's cache; as `HubFile.fetch`."""
        from huggingface_hub import snapshot_download

        self._vocabulary.fetch(model)
        try:
            snapshot_download(self.repository, allow_patterns=["*.json", *_TOKENIZER_VOCABULARIES, "merges.txt"])
        except Exception as error:
            raise self._vocabulary.download_failed(model, error) from error


def cache_folder() -> Path:
    """Return the folder in which the hub's library keeps downloads."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _offline_mode() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


class _Unreachable(Exception):
    """No answer from the hub."""
