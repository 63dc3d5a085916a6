"""Weights and configurations on disk: found, checked to hold nothing that would run, and read."""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.errors import UnknownName, UserError

if TYPE_CHECKING:
    from torch import Tensor

_WRAPPER = "module."
_RESAVE = "save it again as safetensors, or as torch.save({'state_dict': model.state_dict()}, FILE)"


def require_file(path: Path) -> Path:
    """Return the path of a checkpoint that was named behind '@', if there is such a file."""
    if not path.is_file():
        raise UnknownName("no such file", where=str(path), fix="check the path after @")
    return path


def find_weights(folder: Path, names: Sequence[str], config_name: str) -> Path:
    """Return a folder's weights: the first of a library's own names, else any one checkpoint, safetensors first."""
    named = [folder / name for name in names if (folder / name).is_file()]
    others = sorted(path for ending in ("safetensors", "bin", "pth") for path in folder.glob(f"*.{ending}"))
    safe = [path for path in others if path.suffix == ".safetensors"]
    found = [*named, *safe, *others]
    if not found:
        fix = f"put {names[0]} beside {config_name}"
        raise UserError("holds no weights (*.safetensors, *.bin, *.pth)", where=str(folder), fix=fix)
    return found[0]


def read_config(path: Path, hint: str = "") -> dict[str, Any]:
    """Read the JSON object beside a model's weights; `hint` is what may be wrong if it is not there."""
    if not path.parent.is_dir():
        raise UnknownName("no such folder", where=str(path.parent), fix="check the path after local-dir:")
    try:
        document: dict[str, Any] = {}
        document.update(json.loads(path.read_bytes()))
        return document
    except FileNotFoundError:
        raise UserError("no such file", where=str(path), fix=hint) from None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        problem = f"cannot be read as a JSON object ({error})"
        raise UserError(problem, where=str(path), fix="check or replace it") from error


def check_weights(path: Path) -> None:
    """Check that a file is safetensors or a torch checkpoint of tensors; nothing in it is executed.

    A torch checkpoint is a state dict, or a dict with one under 'state_dict'. TorchScript archives (the
    form in which OpenAI first published CLIP) hold a program beside the tensors and are refused.

    Raises:
        UserError: no such file, another format, a pickle that holds code, a damaged file, no weights in it.
    """
    if not path.is_file():
        raise UserError("no such file", where=str(path), fix="check the path")
    if path.suffix == ".safetensors":
        _check_safetensors(path)
    elif path.suffix in (".npz", ".npy"):
        raise UserError("numpy archives are not read", where=str(path), fix="convert it to safetensors")
    elif _is_torchscript(path):
        problem = "is a TorchScript archive, which holds a program beside the weights; such files are refused"
        fix = f"OpenAI's weights are in the catalog (vit-b-32, rn50, ...); else {_RESAVE}"
        raise UserError(problem, where=str(path), fix=fix)
    else:
        _check_state_dict(_load_tensors_only(path), path)


def _check_safetensors(path: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
    except (SafetensorError, OSError) as error:
        fix = "download or copy it again"
        raise UserError(f"is not a safetensors file ({error})", where=str(path), fix=fix) from error
    if not names:
        raise UserError("holds no tensors", where=str(path), fix="check that it is the right file")


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") or "/code/" in name for name in archive.namelist())


def _load_tensors_only(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise UserError(_refusal(str(error)), where=str(path), fix=_RESAVE) from error
    except Exception as error:
        # A hostile or truncated file can raise anything at all; all of it means that this is no checkpoint.
        problem = f"cannot be read as a torch checkpoint ({type(error).__name__}: {_first_line(error)})"
        fix = "give a .safetensors file, or a checkpoint written by torch.save"
        raise UserError(problem, where=str(path), fix=fix) from error


def _refusal(message: str) -> str:
    named = re.search(r"GLOBAL ([\w.]+)", message)
    what = f"is a pickle that refers to {named.group(1)}" if named else "is no checkpoint, or one of more than tensors"
    return f"{what}; a pickle can run code, so only tensors and plain values are loaded"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]


def _check_state_dict(checkpoint: Any, path: Path) -> None:
    import torch

    state = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, Mapping) else checkpoint
    found = str(type(state))
    if isinstance(state, Mapping):
        if all(isinstance(name, str) for name in state) and any(isinstance(v, torch.Tensor) for v in state.values()):
            return
        found = f"a dict with the keys {', '.join(map(str, list(state)[:6]))}"
    raise UserError(f"holds no state dict (found {found})", where=str(path), fix=_RESAVE)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file that `check_weights` has passed, on the CPU, by name.

    A state dict may lie under 'state_dict', and its names may begin with 'module.', as training in parallel
    leaves them. Nothing is unpickled but tensors and plain values.
    """
    import torch

    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        state: Any = load_file(path)
    else:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
        state = checkpoint.get("state_dict", checkpoint)
    wrapped = all(name.startswith(_WRAPPER) for name in state)
    for name in list(state) if wrapped else ():
        # In place: some architectures read the format's version from an attribute of this very dict.
        state[name.removeprefix(_WRAPPER)] = state.pop(name)
    return state  # type: ignore[no-any-return]


def _shortened(line: str, length: int = 240) -> str:
    """Cut a list of names after one of them; the shapes of a mismatch are never cut."""
    if len(line) <= length:
        return line
    return f"{line[:length].rpartition(', ')[0] or line[:length]}, ..."


def misfit(path: Path, architecture: str, problem: Exception | str) -> UserError:
    """Return the error for weights of another architecture; of torch's list of mismatches the first of each kind."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    shown = lines[1:3] if len(lines) > 1 else lines
    more = len(lines) - 1 - len(shown)
    reason = "; ".join(map(_shortened, shown)) + (f"; and {more} more" if more > 0 else "")
    fix = "name the architecture that they were trained with"
    return UserError(f"the weights do not fit {architecture} ({reason})", where=str(path), fix=fix)
