"""A hub data set's local copies, and what to tell a user whose set is neither here nor within reach."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clipbench.errors import Unavailable, UserError

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
        """Return the first of the mirrors that exists and has the right layout.

        Args:
            fits: says whether a folder has the layout; others are passed over.

        Raises:
            UserError: `data_root` is not a folder.
        """
        if self.data_root is not None and not self.data_root.is_dir():
            raise UserError("--data-root is not a folder", where=str(self.data_root), fix="check the path")
        return next(filter(fits, self.mirrors), None)

    def explain(self, error: BaseException, missing: str) -> UserError | None:
        """Return what to tell the user of a failure of the hub's client; None if neither hub nor disk is to blame.

        Args:
            error: what the client raised.
            missing: the file that was asked for.
        """
        if refused := self._refused(error):
            return refused
        if isinstance(error, OSError) and error.errno in _DISK:
            fix = "make room or set HF_HOME to a folder that can be written"
            return UserError(f"cannot be written ({error.strerror})", where=str(hub_cache()), fix=fix)
        # The client is built on `requests` or on one of the `httpx` releases, whose errors share no base class.
        library = type(error).__module__.partition(".")[0]
        if not isinstance(error, OSError) and library not in {"httpx", "httpx2", "httpcore"}:
            return None
        return self.unreachable(missing, str(error).strip().partition("\n")[0] or type(error).__name__)

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
