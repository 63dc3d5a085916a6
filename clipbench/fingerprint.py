"""Stable digests of the things that can change a result: weights, preprocessing, data, prompts, settings."""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_MODULUS = 1 << 256


def digest(value: Any) -> str:
    """Return the sha256 hex digest of a JSON-like value; dict order does not matter, list order does.

    Raises:
        TypeError: the value holds something that JSON cannot represent exactly (NaN included).
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    # The path of a file may hold bytes that are no UTF-8; Python has half characters in their place.
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def digest_strings(strings: Iterable[str]) -> str:
    """Return the digest of an ordered sequence of strings; boundaries count, so ["ab"] differs from ["a", "b"]."""
    running = hashlib.sha256()
    for string in strings:
        encoded = string.encode()
        running.update(len(encoded).to_bytes(8, "little"))
        running.update(encoded)
    return running.hexdigest()


def digest_file(path: Path) -> str:
    """Return the sha256 hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_code(*classes: Any) -> str | None:
    """Return what tells the code of classes, or functions, of a user's own from what it was before.

    That is a declared `version` (text or a whole number) and else a digest of the modules that define them and their
    bases, as far as these are neither Python's nor installed; comments, docstrings and layout do not count. Modules
    that those import do not count either. '' where none of it is the user's own, None where it cannot be read.
    """
    names = [cls.__qualname__ for cls in classes if isinstance(cls, type)]
    version = next((known for cls in classes if isinstance(known := getattr(cls, "version", None), str | int)), None)
    if version is not None:
        return digest([*names, "version", version])
    defined = dict.fromkeys(str(base.__module__) for cls in classes for base in getattr(cls, "__mro__", (cls,)))
    own = [name for name in defined if _is_own(name)]
    try:
        # Its loader reads the file; `inspect` may remember what was there before.
        sources = [sys.modules[name].__loader__.get_source(name) for name in own]  # type: ignore[union-attr]
        return digest([*names, *map(_statements, sources)]) if own else ""
    except (ImportError, AttributeError, LookupError, OSError, TypeError, ValueError, SyntaxError, RecursionError):
        return None


def _is_own(module: str) -> bool:
    """Whether a module is neither Python's, nor clipbench's, nor installed."""
    package = module.partition(".")[0]
    if package == "clipbench" or package in sys.stdlib_module_names:
        return False
    parts = Path(getattr(sys.modules.get(module), "__file__", None) or "").parts
    return "site-packages" not in parts and "dist-packages" not in parts


@lru_cache(maxsize=64)
def _statements(source: str) -> str:
    """Return the statements of a module in one layout, without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            del node.body[0]
    return ast.unparse(tree)


def digest_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return the digest of named tensors: names, dtypes, shapes and bytes; device and order do not matter."""
    import torch

    running = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        running.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        running.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return running.hexdigest()


def digest_example(example_id: str, image: bytes) -> bytes:
    """Return the 32-byte digest of one example's id and encoded image bytes."""
    return hashlib.sha256(hashlib.sha256(example_id.encode()).digest() + image).digest()


class SetDigest:
    """A digest of a set of example digests that depends neither on their order nor on how they are split.

    Sum modulo 2^256, so partial digests of shards add up. Finding accidental differences is what it is
    for; it does not resist someone who builds collisions on purpose.
    """

    def __init__(self) -> None:
        self._sum = 0
        self._count = 0

    def add(self, item: bytes) -> None:
        """Add one 32-byte digest."""
        self._sum = (self._sum + int.from_bytes(item, "little")) % _MODULUS
        self._count += 1

    def hexdigest(self) -> str:
        """Return the digest of everything added so far."""
        state = self._sum.to_bytes(32, "little") + self._count.to_bytes(8, "little")
        return hashlib.sha256(state).hexdigest()
