"""The files of a data set, in a local folder, a mirror or on the hub, fetched one at a time when they are read."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from clipbench.errors import Unavailable, UserError
from clipbench.files import stat_key
from clipbench.fingerprint import digest

ANSWER_SECONDS = 5.0
"""How long the hub may take to list a data set's files before it counts as out of reach."""
_SMALL_BYTES = 1 << 20
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}


@dataclass(frozen=True)
class HubDataset:
    """A data set on the hub, and where `--data-root` may hold a copy of it."""

    name: str
    """`ORG/REPO`."""
    data_root: Path | None = None
    catalog_name: str = ""
    """Its name in the catalog or the suite."""

    @property
    def mirrors(self) -> tuple[Path, ...]:
        """The folders that may hold a copy: DIR/ORG/REPO, DIR/REPO, DIR/catalog name."""
        if self.data_root is None:
            return ()
        names = (self.name, self.name.rpartition("/")[2], self.catalog_name)
        return tuple(dict.fromkeys(self.data_root / name for name in names if name))

    def find_mirror(self, fits: Callable[[Path], bool] = Path.is_dir) -> Path | None:
        """Return the first of the mirrors that exists and has the right layout, by `fits`.

        Raises:
            UserError: `data_root` is not a folder.
        """
        if self.data_root is not None and not self.data_root.is_dir():
            raise UserError("--data-root is not a folder", where=str(self.data_root), fix="check the path")
        return next(filter(fits, self.mirrors), None)

    def explain(self, error: BaseException, missing: str) -> UserError:
        """Return what to tell the user of a failure of hub or disk; other errors are raised again."""
        if refused := self._refused(error):
            return refused
        if isinstance(error, OSError) and error.errno in _DISK:
            fix = "make room or set HF_HOME to a folder that can be written"
            return UserError(f"cannot be written ({error.strerror})", where=str(hub_cache()), fix=fix)
        # The client is built on `requests` or on one of the `httpx` releases, whose errors share no base class.
        library = type(error).__module__.partition(".")[0]
        if not isinstance(error, OSError) and library not in {"httpx", "httpx2", "httpcore"}:
            raise error
        return self.unreachable(missing, first_line(error))

    def unreachable(self, missing: str, reason: str) -> Unavailable:
        """Return the error for a data set that is not here while the hub does not answer."""
        folders = ", ".join(map(str, (*self.mirrors, hub_cache())))
        repository = self.name.rpartition("/")[2]
        return Unavailable(
            f"{missing} is missing: not in {folders}, and the hub cannot be reached ({reason})",
            where=f"data set {self.name}",
            fix=f"where there is network, run `hf download {self.name} --repo-type dataset --local-dir "
            f"DIR/{repository}`, then pass `--data-root DIR` or set CLIPBENCH_DATA",
        )

    def _refused(self, error: BaseException) -> Unavailable | None:
        """Return the error for a data set that the hub refuses or does not know."""
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

        page = f"https://huggingface.co/datasets/{self.name}"
        if isinstance(error, GatedRepoError):
            problem = "is gated: the hub gives it only to those who accepted its terms"
            fix = f"accept its terms at {page}, then run `hf auth login` (or set HF_TOKEN)"
        elif isinstance(error, RepositoryNotFoundError):
            problem = "is not on the hub, or is private"
            fix = f"check the name at {page}; if it is private, run `hf auth login` (or set HF_TOKEN)"
        elif isinstance(error, RevisionNotFoundError):
            problem, fix = "has no such revision", f"check `revision:` against {page}"
        else:
            return None
        return Unavailable(problem, where=f"data set {self.name}", fix=fix)


def hub_cache() -> Path:
    """Return the folder where the hub's client keeps what it downloads."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or else what kind of error it is."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


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
    sizes: Mapping[str, int]
    """Of the files, in bytes, as the hub, or offline the cache, lists them."""
    offline: str = ""
    """Why the hub is out of reach; '' if it is not. Then only what is in the cache can be read."""

    @property
    def name(self) -> str:
        """On the hub."""
        return self.dataset.name

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
        name, size = min(self.sizes.items(), key=lambda file: file[1], default=("", _SMALL_BYTES))
        if size < _SMALL_BYTES:
            noted = self._cached(name, revision)
            if noted is None or noted != self._cached(name, self.commit):
                self._download(name, revision)

    def _download(self, name: str, revision: str) -> Path:
        from huggingface_hub import hf_hub_download

        try:
            return Path(hf_hub_download(self.name, name, repo_type="dataset", revision=revision))
        except Exception as error:
            raise self.dataset.explain(error, name) from error

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
        snapshot = _cached_snapshot(dataset.name, revision)
        if snapshot is None:
            raise explained from error
        files = sorted(path for path in snapshot.rglob("*") if path.is_file())
        sizes = {path.relative_to(snapshot).as_posix(): path.stat().st_size for path in files}
        return HubRepository(dataset, snapshot.name, sizes, first_line(error))
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    repository = HubRepository(dataset, info.sha or revision, sizes)
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
