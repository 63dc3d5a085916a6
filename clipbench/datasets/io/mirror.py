"""Local copies of hub data sets, and what to tell a user whose set is neither here nor within reach."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from pathlib import Path

from clipbench.errors import Unavailable, UserError

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}


def mirror_places(hub_name: str, data_root: Path | None, name: str | None = None) -> tuple[Path, ...]:
    """List where `--data-root` may hold a hub data set: DIR/ORG/REPO, DIR/REPO, DIR/catalog name."""
    if data_root is None:
        return ()
    names = [hub_name, hub_name.rpartition("/")[2], name]
    return tuple(dict.fromkeys(data_root / place for place in names if place))


def local_mirror(
    hub_name: str,
    data_root: Path | None,
    name: str | None = None,
    *,
    fits: Callable[[Path], bool] = Path.is_dir,
) -> Path | None:
    """Return the first of a hub data set's places under `data_root` that exists and holds what is looked for.

    Args:
        hub_name: as on the hub, `ORG/REPO`.
        data_root: what `--data-root` names; None: there is no mirror.
        name: the data set's name in the catalog or the suite.
        fits: says whether a folder has the right layout; others are passed over.

    Raises:
        UserError: `data_root` is not a folder.
    """
    if data_root is not None and not data_root.is_dir():
        raise UserError("--data-root is not a folder", where=str(data_root), fix="check the path")
    return next((place for place in mirror_places(hub_name, data_root, name) if fits(place)), None)


def unreachable(hub_name: str, missing: str, looked: Sequence[Path], error: BaseException) -> Unavailable:
    """Return the error for a data set that is not here while the hub does not answer."""
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    places = ", ".join(str(place) for place in (*looked, hub_cache()))
    repository = hub_name.rpartition("/")[2]
    return Unavailable(
        f"{missing} is missing: not in {places}, and the hub cannot be reached ({reason})",
        where=f"data set {hub_name}",
        fix=f"where there is network, run `hf download {hub_name} --repo-type dataset --local-dir DIR/{repository}`, "
        "then pass `--data-root DIR` or set CLIPBENCH_DATA",
    )


def no_access(hub_name: str, error: BaseException) -> Unavailable | None:
    """Return the error for a data set that the hub refuses or does not know; None for any other failure."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    where = f"data set {hub_name}"
    page = f"https://huggingface.co/datasets/{hub_name}"
    if isinstance(error, GatedRepoError):
        fix = f"accept its terms at {page}, then run `hf auth login` (or set HF_TOKEN)"
        return Unavailable("is gated: the hub gives it only to those who accepted its terms", where=where, fix=fix)
    if isinstance(error, RepositoryNotFoundError):
        fix = f"check the name at {page}; if it is private, run `hf auth login` (or set HF_TOKEN)"
        return Unavailable("is not on the hub, or is private", where=where, fix=fix)
    if isinstance(error, RevisionNotFoundError):
        return Unavailable("has no such revision", where=where, fix=f"check `revision:` against {page}")
    return None


def is_network_failure(error: BaseException) -> bool:
    """Say whether an error means that the hub did not answer as it should.

    The hub's client is built on `requests` or on one of the `httpx` releases, whose errors share no base
    class below `Exception`.
    """
    if isinstance(error, OSError):
        return error.errno not in _DISK
    return type(error).__module__.partition(".")[0] in {"httpx", "httpx2", "httpcore"}


def not_written(error: BaseException) -> UserError | None:
    """Return the error for a cache that cannot be written; None for any other failure."""
    if not isinstance(error, OSError) or error.errno not in _DISK:
        return None
    fix = "make room or set HF_HOME to a folder that can be written"
    return UserError(f"cannot be written ({error.strerror})", where=str(hub_cache()), fix=fix)


def hub_cache() -> Path:
    """Return the folder where the hub's client keeps what it downloads."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)
