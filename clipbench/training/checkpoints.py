"""Checkpoints of a training: written whole or not at all, the oldest removed, the newest found again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from clipbench.errors import UserError
from clipbench.files import file_written_atomically
from clipbench.fingerprint import digest
from clipbench.training.recipe import Recipe

_NAME: Final = re.compile(r"step-(\d{9})\.pt")
_TOLD: Final = {"name", "description", "save_every", "keep", "evaluate", "evaluate_every"}
_ROUNDING: Final = {"part", "gradient_checkpointing", "compile"}
"""Keys of a recipe that change its weights by rounding: another number of processes may need another part."""


@dataclass(frozen=True)
class Checkpoints:
    """Those of one training, in a folder."""

    folder: Path
    recipe: str
    """Digest of what decides the weights, as of `recipe_digest`: another recipe's are not gone on with."""
    keep: int

    def write(self, step: int, state: Mapping[str, Any]) -> Path:
        """Write the state after so many steps, then remove all but the newest ones; return its file."""
        path = self.folder / f"step-{step:09d}.pt"
        with file_written_atomically(path) as draft:
            torch.save({"recipe": self.recipe, "step": step, **state}, draft)
        # What is further is of an earlier training into the folder, which this one has begun anew.
        further = [other for other in self._paths() if other > path]
        before = [other for other in self._paths() if other <= path]
        drafts = self.folder.glob(".step-*.part")  # of processes that were killed as they wrote
        for old in (*further, *before[: -self.keep], *drafts):
            old.unlink(missing_ok=True)
        return path

    def newest(self) -> tuple[Path, Mapping[str, Any]] | None:
        """Return the newest one that can be read; None where there is none.

        Raises:
            UserError: it is of another recipe.
        """
        for path, state in self._readable():
            if state.get("recipe") != self.recipe:
                fix = "give another --output, or the recipe that it was begun with"
                raise UserError("is a checkpoint of another recipe", where=str(path), fix=fix)
            return path, state
        return None

    def _readable(self) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        for path in reversed(self._paths()):
            try:
                state = torch.load(path, map_location="cpu", weights_only=True)
            except Exception:  # noqa: BLE001, S112 - a damaged file raises anything; the one before it does as well
                continue
            if isinstance(state, dict):
                yield path, state

    def _paths(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("step-*.pt") if _NAME.fullmatch(path.name))


def recipe_digest(recipe: Recipe) -> str:
    """Return the digest of what in a recipe decides the weights."""
    trained_on = {source.dataset for source in recipe.data}
    datasets = {name: entry for name, entry in recipe.datasets.items() if name in trained_on}
    decisive = recipe.model_copy(update={"datasets": datasets})
    return digest(decisive.model_dump(mode="json", exclude=_TOLD | _ROUNDING, exclude_defaults=True))
