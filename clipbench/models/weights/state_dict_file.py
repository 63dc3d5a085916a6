"""The state dict in a checkpoint, and what to say of one that does not fit."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_WRAPPER = "module."


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


def describe_mismatch(error: Exception) -> str:
    """Shorten torch's list of all mismatches to the first of each kind."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    shown = lines[1:3] if len(lines) > 1 else lines
    more = len(lines) - 1 - len(shown)
    return "; ".join(line[:160] for line in shown) + (f"; and {more} more" if more > 0 else "")
