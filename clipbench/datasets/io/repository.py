"""The files of a data set, in a local folder or on the hub, fetched one at a time when they are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from clipbench.datasets.io.image_files import stat_key
from clipbench.datasets.io.mirror import HubDataset
from clipbench.errors import Unavailable, UserError
from clipbench.fingerprint import digest

ANSWER_SECONDS = 5.0
"""How long the hub may take to list a data set's files before it counts as out of reach."""
_SMALL_BYTES = 1 << 20


@dataclass(frozen=True)
class FolderRepository:
    """The files in a local folder and in the folders directly below it; names are relative and use `/`."""

    root: Path

    @property
    def name(self) -> str:
        """The path."""
        return str(self.root)

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """In bytes; listed once."""
        visible = [entry for entry in self.root.iterdir() if not entry.name.startswith(".")]
        inside = [entry for folder in visible if folder.is_dir() for entry in folder.iterdir()]
        files = sorted(entry for entry in (*visible, *inside) if entry.is_file())
        return {file.relative_to(self.root).as_posix(): file.stat().st_size for file in files}

    def fetch(self, name: str) -> Path:
        """Return the path."""
        return self.root / name

    def pending_bytes(self, names: Iterable[str]) -> int:
        """Nothing is downloaded."""
        return 0

    def locator(self, names: Iterable[str]) -> str:
        """Return a digest of the place, names, sizes and times."""
        return digest([str(self.root.resolve()), [[name, *stat_key(self.root / name)] for name in sorted(names)]])

    def lacks(self, name: str) -> UserError:
        """Return the error for a missing file."""
        fix = "the copy is not complete; copy or download the data set again"
        return UserError(f"{name} is missing", where=self.name, fix=fix)


@dataclass(frozen=True)
class HubRepository:
    """The files of a data set on the hub at one commit, in the hub's own cache once they are fetched."""

    dataset: HubDataset
    commit: str
    listing: tuple[tuple[str, int], ...]
    offline: str = ""
    """Why the hub is out of reach; '' if it is not. Then only what is in the cache can be read."""

    @property
    def name(self) -> str:
        """On the hub."""
        return self.dataset.name

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """As the hub, or offline the cache, lists them."""
        return dict(self.listing)

    def fetch(self, name: str) -> Path:
        """Return the file in the cache, downloaded if it is not there yet.

        Raises:
            Unavailable: it can be had neither here nor by download.
        """
        cached = self._cached(name, self.commit)
        if cached is not None:
            return cached
        if self.offline:
            raise self.lacks(name)
        return self._download(name, self.commit)

    def remember(self, revision: str) -> None:
        """Make the cache note which commit a branch or tag stands for, so that it is found without the hub.

        The hub's client notes it when a file is asked for by that name: the smallest one here, if it is
        small. A set whose files the hub refuses is found out at once, too.
        """
        name, size = min(self.listing, key=lambda file: file[1], default=("", _SMALL_BYTES))
        if size < _SMALL_BYTES:
            noted = self._cached(name, revision)
            if noted is None or noted != self._cached(name, self.commit):
                self._download(name, revision)

    def _download(self, name: str, revision: str) -> Path:
        from huggingface_hub import hf_hub_download

        try:
            return Path(hf_hub_download(self.name, name, repo_type="dataset", revision=revision))
        except Exception as error:
            explained = self.dataset.explain(error, name)
            if explained is None:
                raise
            raise explained from error

    def _cached(self, name: str, revision: str) -> Path | None:
        from huggingface_hub import try_to_load_from_cache

        path = try_to_load_from_cache(self.name, name, revision=revision, repo_type="dataset")
        return Path(path) if isinstance(path, str) else None

    def pending_bytes(self, names: Iterable[str]) -> int:
        """Sum the sizes of the files that are not in the cache."""
        return sum(self.sizes.get(name, 0) for name in names if self._cached(name, self.commit) is None)

    def locator(self, names: Iterable[str]) -> str:
        """Return the commit, which fixes every file."""
        return f"{self.name}@{self.commit}"

    def lacks(self, name: str) -> Unavailable:
        """Return the error for a missing file."""
        if self.offline:
            return self.dataset.unreachable(name, self.offline)
        return Unavailable(f"{name} is missing on the hub", where=f"data set {self.name}", fix="report it to its owner")


Repository = FolderRepository | HubRepository


def open_hub_repository(dataset: HubDataset, revision: str) -> HubRepository:
    """Look up a data set on the hub; if the hub does not answer, take what its cache holds.

    Args:
        dataset: on the hub.
        revision: branch, tag or commit.

    Raises:
        Unavailable: the hub refuses it, does not know it, or cannot be reached and nothing is cached.
        UserError: the name is not one that the hub could have.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    try:
        info = HfApi().dataset_info(dataset.name, revision=revision, timeout=ANSWER_SECONDS, files_metadata=True)
    except HFValidationError as error:
        raise UserError(
            "is not a name that a hub data set can have", where=dataset.name, fix="write ORG/REPO"
        ) from error
    except Exception as error:
        explained = dataset.explain(error, "every file")
        if explained is None:
            raise
        snapshot = _cached_snapshot(dataset.name, revision)
        if snapshot is None:
            raise explained from error
        files = sorted(path for path in snapshot.rglob("*") if path.is_file())
        listing = tuple((path.relative_to(snapshot).as_posix(), path.stat().st_size) for path in files)
        reason = str(error).strip().partition("\n")[0] or "no answer"
        return HubRepository(dataset, snapshot.name, listing, reason)
    listing = tuple((file.rfilename, file.size or 0) for file in info.siblings or ())
    repository = HubRepository(dataset, info.sha or revision, listing)
    repository.remember(revision)
    return repository


def _cached_snapshot(name: str, revision: str) -> Path | None:
    """Return the folder in the hub's cache that holds what was downloaded of a revision; it is named by the commit."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        # No pattern: what is there counts, complete or not.
        return Path(
            snapshot_download(name, repo_type="dataset", revision=revision, local_files_only=True, allow_patterns=[])
        )
    except LocalEntryNotFoundError:
        return None
