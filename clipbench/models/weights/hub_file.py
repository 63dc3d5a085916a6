"""Files of a model on the Hugging Face hub: whether they are here, how large they are, and their download."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from clipbench.errors import Unavailable
from clipbench.models.located import ANSWER_SECONDS, RemoteFile, Unreachable

_TOKENIZER_VOCABULARIES = (
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.txt",
    "vocab.json",
)


@dataclass(frozen=True)
class HubFile(RemoteFile):
    """One file of a hub repository, under the first of several names that exists there."""

    repository: str
    names: tuple[str, ...]
    """Preferred name first."""
    own_copy: str = "open_clip:ARCH@FILE or open_clip:local-dir:PATH"
    """How a checkpoint that the user has is named instead."""

    server = "the hub"
    home = "HF_HOME"

    @property
    def label(self) -> str:
        """As users name hub repositories."""
        return f"hf-hub:{self.repository}"

    @property
    def folder(self) -> Path:
        """Where the hub's library keeps downloads."""
        return cache_folder()

    def cached(self) -> Path | None:
        """Return where it is on this machine, or None; never uses the network."""
        from huggingface_hub import try_to_load_from_cache

        found = (try_to_load_from_cache(self.repository, name) for name in self.names)
        return next((Path(path) for path in found if isinstance(path, str)), None)

    def _explain(self) -> tuple[str, str]:
        fix = (
            f"run `hf download {self.repository} {self.names[0]}` where there is network (and copy that cache folder "
            f"here, if it is another machine), or name a checkpoint that you have as {self.own_copy}"
        )
        return f"{' or '.join(self.names)} of {self.repository}", fix

    def _ask(self, model: str) -> tuple[str, int | None]:
        from huggingface_hub import errors, get_hf_file_metadata, hf_hub_url

        for name in self.names:
            try:
                return name, get_hf_file_metadata(hf_hub_url(self.repository, name), timeout=ANSWER_SECONDS).size
            except errors.EntryNotFoundError:
                continue
            except errors.OfflineModeIsEnabled as error:
                raise self.unavailable(model, "the hub is switched off (HF_HUB_OFFLINE is set)") from error
            except errors.RepositoryNotFoundError as error:
                gated = isinstance(error, errors.GatedRepoError)
                raise (self._gated(model) if gated else self._unknown(model)) from error
            except Exception as error:
                # Which exceptions stand for "no network" differs between versions of the hub's client.
                raise Unreachable(str(error) or type(error).__name__) from error
        problem = f"the hub's repository {self.repository} has no {' or '.join(self.names)}"
        raise Unavailable(problem, where=f"model {model}", fix="check the name: is it a model for this adapter?")

    def _gated(self, model: str) -> Unavailable:
        fix = (
            f"ask for access at https://huggingface.co/{self.repository}, then run `hf auth login` (or set HF_TOKEN) "
            "and run again; --model clip-tiny needs none of this"
        )
        return Unavailable(f"{self.repository} is gated: its owner grants access", where=f"model {model}", fix=fix)

    def _unknown(self, model: str) -> Unavailable:
        problem = f"the hub has no repository {self.repository}, or it is private"
        fix = "check the name; for a private one run `hf auth login` first"
        return Unavailable(problem, where=f"model {model}", fix=fix)

    def _download(self, name: str) -> None:
        from huggingface_hub import hf_hub_download

        hf_hub_download(self.repository, name)


@dataclass(frozen=True)
class HubTokenizer(HubFile):
    """The files of a tokenizer on the hub: a configuration, a vocabulary and what else belongs to them.

    Its size is that of the vocabulary, by far the largest part.
    """

    names: tuple[str, ...] = field(default=_TOKENIZER_VOCABULARIES, init=False)

    def cached(self) -> Path | None:
        """Return where its configuration is on this machine, or None if anything essential is missing."""
        configuration = HubFile(self.repository, ("tokenizer_config.json",)).cached()
        return configuration if super().cached() else None

    def _download(self, name: str) -> None:
        from huggingface_hub import snapshot_download

        snapshot_download(self.repository, allow_patterns=["*.json", *_TOKENIZER_VOCABULARIES, "merges.txt"])


def cache_folder() -> Path:
    """Return the folder in which the hub's library keeps downloads."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def names_on_hub(file_name: str) -> tuple[str, ...]:
    """Return the names under which the hub may have some weights: as safetensors, then as they were declared."""
    stem, dot, suffix = file_name.rpartition(".")
    safe = (f"{stem}.safetensors",) if dot and suffix in ("bin", "pth") else ()
    return (*safe, file_name)
