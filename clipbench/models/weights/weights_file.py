"""Checks that a checkpoint holds tensors and nothing that would run, before any library opens it."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipbench.errors import UserError

_RESAVE = "save it again as safetensors, or as torch.save({'state_dict': model.state_dict()}, FILE)"


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
        raise UserError(
            f"is not a safetensors file ({error})", where=str(path), fix="download or copy it again"
        ) from error
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
    tensors = isinstance(state, Mapping) and bool(state) and all(isinstance(name, str) for name in state)
    if not tensors or not any(isinstance(value, torch.Tensor) for value in state.values()):
        found = (
            f"a dict with the keys {', '.join(map(str, list(state)[:6]))}"
            if isinstance(state, Mapping)
            else type(state)
        )
        raise UserError(f"holds no state dict (found {found})", where=str(path), fix=_RESAVE)
