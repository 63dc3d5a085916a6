"""The folder of a reference CLIP on disk: `config.json` and `model.safetensors`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clipbench.errors import Unavailable, UnknownName, UserError
from clipbench.files import read_json, write_atomically

if TYPE_CHECKING:
    from torch import Tensor

    from clipbench.models.reference.towers import Architecture, ReferenceTowers

FORMAT: Final = 1
CONFIG: Final = "config.json"
WEIGHTS: Final = "model.safetensors"


@dataclass(frozen=True)
class ReferenceConfig:
    """What `config.json` says of a reference CLIP."""

    architecture: Architecture
    vocabulary: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    trained_on: tuple[str, ...]
    training: Mapping[str, Any]
    """Recipe and what came of it; for the record."""


def write_reference(folder: Path, config: ReferenceConfig, towers: ReferenceTowers) -> None:
    """Write a folder; matrices and kernels are rounded to float16, gains, biases and statistics are not."""
    from safetensors.torch import save

    document = {"format": FORMAT, **asdict(config)}
    tensors = {
        name: _rounded(value) for name, value in towers.state_dict().items() if not name.endswith("num_batches_tracked")
    }
    write_atomically(folder / WEIGHTS, save(tensors))
    write_atomically(folder / CONFIG, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())


def _rounded(value: Tensor) -> Tensor:
    value = value.detach().cpu().contiguous()
    return value.half() if value.ndim >= 2 else value


def find_files(folder: Path) -> tuple[Path, Path]:
    """Return the paths of a folder's weights and configuration.

    Raises:
        UnknownName: there is no such folder.
        Unavailable: one of the two is missing.
    """
    fix = "name a folder that 'clipbench train clip-tiny --output DIR' wrote"
    if not folder.is_dir():
        raise UnknownName("no such folder", where=str(folder), fix=fix)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise Unavailable(f"holds no {name}", where=str(folder), fix=fix)
    return folder / WEIGHTS, folder / CONFIG


def read_config(path: Path) -> ReferenceConfig:
    """Read a configuration; a UserError where it is damaged or of a newer clipbench."""
    from clipbench.models.reference.towers import Architecture

    document = read_json(path)
    if document.pop("format", 0) != FORMAT:
        raise UserError(f"is not of format {FORMAT}", where=str(path), fix="train the model again with this clipbench")
    try:
        shapes = {name: _tuples(value) for name, value in document.pop("architecture").items()}
        listed = {field.name: _tuples(document.pop(field.name)) for field in fields(ReferenceConfig)[1:]}
        if document:
            raise TypeError(f"unknown key {min(document)!r}")
        return ReferenceConfig(Architecture(**shapes), **listed)
    except (KeyError, TypeError, AttributeError) as error:
        problem = f"is not the configuration of a reference CLIP ({error})"
        raise UserError(problem, where=str(path), fix="restore the file or train the model again") from error


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def read_towers(path: Path, architecture: Architecture, end_id: int) -> ReferenceTowers:
    """Read weights, which have passed `check_weights`, into float32 towers; a UserError where they do not fit."""
    from safetensors.torch import load_file

    from clipbench.models.reference.towers import ReferenceTowers

    towers = ReferenceTowers(architecture, end_id)
    counters = {name: value for name, value in towers.state_dict().items() if name.endswith("num_batches_tracked")}
    try:
        towers.load_state_dict(load_file(path) | counters)
    except RuntimeError as error:
        problem = f"holds no weights that fit {CONFIG} ({str(error).splitlines()[0]})"
        raise UserError(problem, where=str(path), fix="restore the file or train the model again") from error
    return towers.eval().requires_grad_(False)
