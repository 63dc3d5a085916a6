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


def explain(error: BaseException, hub_name: str, missing: str, looked: Sequence[Path]) -> UserError | None:
    """Return what to tell the user of a failure of the hub's client; None if neither hub nor disk is to blame.

    Args:
        error: what the client raised.
        hub_name: of the data set.
        missing: the file that was asked for.
        looked: the folders that were searched before.
    """
    refused = _refused(hub_name, error)
    if refused is not None:
        return refused
    if isinstance(error, OSError) and error.errno in _DISK:
        fix = "make room or set HF_HOME to a folder that can be written"
        return UserError(f"cannot be written ({error.strerror})", where=str(hub_cache()), fix=fix)
    # The client is built on `requests` or on one of the `httpx` releases, whose errors share no base class.
    library = type(error).__module__.partition(".")[0]
    if not isinstance(error, OSError) and library not in {"httpx", "httpx2", "httpcore"}:
        return None
    return unreachable(hub_name, missing, looked, str(error).strip().partition("\n")[0] or type(error).__name__)


def unreachable(hub_name: str, missing: str, looked: Sequence[Path], reason: str) -> Unavailable:
    """Return the error for a data set that is not here while the hub does not answer."""
    places = ", ".join(str(place) for place in (*looked, hub_cache()))
    repository = hub_name.rpartition("/")[2]
    return Unavailable(
        f"{missing} is missing: not in {places}, and the hub cannot be reached ({reason})",
        where=f"data set {hub_name}",
        fix=f"where there is network, run `hf download {hub_name} --repo-type dataset --local-dir DIR/{repository}`, "
        "then pass `--data-root DIR` or set CLIPBENCH_DATA",
    )


def _refused(hub_name: str, error: BaseException) -> Unavailable | None:
    """Return the error for a data set that the hub refuses or does not know."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    page = f"https://huggingface.co/datasets/{hub_name}"
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
    return Unavailable(problem, where=f"data set {hub_name}", fix=fix)


def hub_cache() -> Path:
    """Return the folder where the hub's client keeps what it downloads."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)
