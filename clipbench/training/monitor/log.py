"""What is told of a training's steps: a line of JSON each, and TensorBoard's files where that is installed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clipbench.files import write_atomically

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from clipbench.training.loop import Progress

LOG: Final = "log.jsonl"
TENSORBOARD: Final = "tensorboard"


class StepLog:
    """A training's log in its folder; steps that are done again, after a crash, take the place of their first lines."""

    def __init__(self, folder: Path, *, resume: bool) -> None:
        self._folder, self._path = folder, folder / LOG
        self._earlier = _lines(self._path) if resume else []
        self._begun = False
        self._board: SummaryWriter | None = None

    def add(self, progress: Progress) -> None:
        """Add a step, with its scores."""
        if not self._begun:
            kept = [line for line in self._earlier if json.loads(line)["step"] < progress.step]
            write_atomically(self._path, "".join(kept).encode())
            self._board = _tensorboard(self._folder / TENSORBOARD, progress.step)
            self._begun = True
        with self._path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(_line(progress), ensure_ascii=False, allow_nan=False) + "\n")
        if self._board is not None:
            for name, value in _scalars(progress):
                self._board.add_scalar(name, value, progress.step)

    def close(self) -> None:
        """Write what TensorBoard has not written yet."""
        if self._board is not None:
            self._board.close()


def read_log(path: Path) -> Sequence[Mapping[str, Any]]:
    """Return the lines of a log that are whole, by step; none where there is no log."""
    return [json.loads(line) for line in _lines(path)]


def measured_on(score: Mapping[str, Any]) -> str:
    """Return what a score of a log is about: 'digits test, zero_shot, photo'."""
    return ", ".join(filter(None, (f"{score['dataset']} {score['split']}", score["task"], score.get("prompts"))))


def _line(progress: Progress) -> dict[str, Any]:
    told = asdict(progress)
    del told["steps"], told["seconds_left"]
    scores = told.pop("scores")
    # What is not finite is no JSON.
    line = {name: value if math.isfinite(value) else None for name, value in told.items()}
    return line | ({"scores": [_without_empty(score) for score in scores]} if scores else {})


def _without_empty(score: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in score.items() if value is not None and value is not False and value != ""}


def _scalars(progress: Progress) -> Iterator[tuple[str, float]]:
    yield "loss", progress.loss
    yield "scale", progress.scale
    yield "rate", progress.rate
    yield "images_per_second", progress.images_per_second
    for score in progress.scores:
        for name, value in (score.metrics or {}).items():
            if value is not None:
                yield f"{measured_on(asdict(score))}/{name}", value


def _tensorboard(folder: Path, step: int) -> SummaryWriter | None:
    """Return what writes TensorBoard's files, from a step on; None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    # Of files that are there already, TensorBoard shows nothing from this step on.
    return SummaryWriter(str(folder), purge_step=step)


def _lines(path: Path) -> list[str]:
    """Return the whole lines of a log; what a crash has cut is left out."""
    if not path.exists():
        return []
    return [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("}\n")]
