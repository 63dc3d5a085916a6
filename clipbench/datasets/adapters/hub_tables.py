"""Opens a Hugging Face data set, local or on the hub, as rows with a schema."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.datasets.io.mirror import HubDataset, hub_cache
from clipbench.datasets.io.repository import open_hub_repository
from clipbench.datasets.io.rows import ArrowRows, ParquetRows, Rows, parquet_schema, parquet_splits
from clipbench.errors import Unavailable, UserError

if TYPE_CHECKING:
    import pyarrow as pa

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True)
class Tables:
    """The splits of a data set, all with the same columns."""

    name: str
    """A path or the hub's name, as messages show it."""
    schema: pa.Schema
    splits: Mapping[str, Rows]
    roots: tuple[Path, ...]
    """Folders that images named by path may lie in."""


def find_folder(path: str, base: Path | None) -> Path | None:
    """Return the local folder or file that `path` names, from `base`; None if it can only be a hub name.

    Raises:
        UserError: it is neither here nor a name that the hub could have.
    """
    local = (base or Path()) / Path(path).expanduser()
    if local.exists():
        return local
    if not _HUB_NAME.fullmatch(path) or path.startswith(".") or path.endswith(".parquet"):
        fix = "check `path`: a folder relative to the suite's file, or a hub name ORG/REPO"
        raise UserError("there is no such folder", where=str(local), fix=fix)
    return None


def open_folder(folder: Path, config: str | None) -> Tables:
    """Open a folder of Parquet files, one Parquet file, or a folder written by `save_to_disk`.

    Raises:
        UserError: it is none of these, or not complete.
    """
    if folder.is_file():
        return _open_parquet(folder, {"test": ParquetRows((folder,))}, folder.parent)
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        return _open_saved(folder)
    splits = parquet_splits(folder, config)
    if not splits:
        fix = "expected SPLIT-00000-of-00001.parquet there or in data/, or what `save_to_disk` writes"
        raise UserError("holds no Parquet or Arrow data set", where=str(folder), fix=fix)
    return _open_parquet(folder, splits, folder)


def _open_parquet(path: Path, splits: Mapping[str, ParquetRows], root: Path) -> Tables:
    first = next(iter(splits.values())).files[0]
    return Tables(str(path), parquet_schema(first), splits, (root,))


def _open_saved(folder: Path) -> Tables:
    import datasets

    try:
        saved = datasets.load_from_disk(str(folder))
    except (OSError, ValueError) as error:
        fix = "copy it again, or write it again with `save_to_disk`"
        raise UserError(f"cannot be opened ({_first_line(error)})", where=str(folder), fix=fix) from error
    parts = dict(saved) if isinstance(saved, datasets.DatasetDict) else {str(saved.split or "test"): saved}
    rows = {name: ArrowRows(partial(_itself, part), len(part), None) for name, part in parts.items()}
    schema = next(iter(parts.values())).features.arrow_schema
    return Tables(str(folder), schema, rows, (folder,))


def _itself(data: Any) -> Any:
    return data


def open_hub(dataset: HubDataset, config: str | None, revision: str) -> Tables:
    """Open a data set of the hub with the `datasets` library; rows are downloaded when they are first read.

    Where the hub does not say what columns a set has, opening downloads it.

    Raises:
        Unavailable: the hub refuses it, does not know it, or cannot be reached and nothing is cached.
        UserError: the library cannot read it, e.g. because it needs code of its own or a configuration.
    """
    import datasets

    commit = _commit(dataset, revision)
    with contextlib.nullcontext() if commit else _without_network():
        builder = _guarded(dataset, partial(datasets.load_dataset_builder, dataset.name, config, revision=commit))
    if builder.info.features is None or builder.info.splits is None:
        _guarded(dataset, builder.download_and_prepare)
    key = f"{dataset.name}@{commit or Path(builder.cache_dir).name}|{config or ''}"
    prepared = Path(builder.cache_dir).is_dir()
    rows = {
        str(split): ArrowRows(
            partial(_guarded, dataset, partial(_prepared, builder, str(split))),
            facts.num_examples or None,
            f"{key}|{split}",
            0 if prepared else int(builder.info.download_size or 0),
        )
        for split, facts in builder.info.splits.items()
    }
    roots = (Path(datasets.config.HF_CACHE_HOME), Path(datasets.config.HF_DATASETS_CACHE), hub_cache())
    return Tables(dataset.name, builder.info.features.arrow_schema, rows, roots)


def _commit(dataset: HubDataset, revision: str) -> str | None:
    """Ask the hub for the commit, which fails at once and clearly where the library tries for half a minute.

    None: the hub is out of reach, and the library has prepared the set before.
    """
    import datasets

    prepared = (Path(datasets.config.HF_DATASETS_CACHE) / dataset.name.replace("/", "___")).is_dir()
    try:
        repository = open_hub_repository(dataset, revision)
    except Unavailable:
        if prepared:
            return None
        raise
    if repository.offline and not prepared:
        raise dataset.unreachable("every file", repository.offline)
    return None if repository.offline else repository.commit


@contextlib.contextmanager
def _without_network() -> Iterator[None]:
    """Keep the library from trying the hub again and again; it offers no argument for that."""
    import datasets

    before = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = before


def _prepared(builder: Any, split: str) -> Any:
    builder.download_and_prepare()
    return builder.as_dataset(split=split)


def _guarded(dataset: HubDataset, work: Any) -> Any:
    """Call into the `datasets` library and say what went wrong in our words."""
    try:
        return work()
    except UserError:
        raise
    except Exception as error:
        # The library wraps what the hub's client says.
        reason = error.__cause__ if _is_librarys(error) and error.__cause__ else error
        if _is_librarys(reason) or isinstance(reason, ValueError | RuntimeError):
            fix = "name a configuration under `config:`, or save the set locally and give its folder"
            raise UserError(
                f"cannot be opened ({_first_line(reason)})", where=f"data set {dataset.name}", fix=fix
            ) from error
        explained = dataset.explain(reason, "a file")
        if explained is None:
            raise
        raise explained from error


def _is_librarys(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] == "datasets"


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
