"""Decoding and transforming images in worker processes, in order."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipbench.datasets.base import Example, View
from clipbench.datasets.decoding import USUAL, BrokenImage, Decoding, decode
from clipbench.errors import UserError

if TYPE_CHECKING:
    import PIL.Image
    from torch import Tensor

    from clipbench.embed.examples import Part, PartKey

PREFETCH = 4


@dataclass(frozen=True)
class Failure:
    """What stops the job: raised in a worker by something other than the image's own bytes."""

    problem: str
    where: str
    traceback: str


@dataclass(frozen=True)
class Decoder:
    """What a worker does with one example; picklable."""

    transform: Callable[[PIL.Image.Image], Tensor]
    view: View | None = None
    decoding: Decoding = USUAL

    def __getitem__(self, example: Example) -> Tensor | str | Failure:
        """Return the pixels, (3, H, W), what is wrong with the image, or what is wrong with all else."""
        if example.problem:
            return example.problem
        stage = "decoding"
        try:
            image = decode(example.image, self.decoding)
            if self.view is not None:
                stage = f"the view {self.view.name}"
                image = self.view(image, example.id)
            stage = "the model's transform"
            return self.transform(image)
        except BrokenImage as broken:
            return str(broken)
        except Exception as error:  # noqa: BLE001 - a user's view or transform raises anything
            problem = f"{stage} failed ({type(error).__name__}: {error})"
            return Failure(problem, f"image {example.id!r}", traceback.format_exc())


@dataclass(frozen=True)
class Batch:
    """Some consecutive examples of one part, decoded."""

    key: PartKey
    """Of the part."""
    start: int
    """Position of its first example within the part."""
    ids: list[str]
    kept: list[int]
    """Positions within the part of the images that could be read."""
    pixels: Tensor | None
    """(k, 3, H, W), in the order of `kept`; None if no image could be read."""
    broken: dict[int, str]
    """Position within the part -> problem."""

    @property
    def last(self) -> bool:
        """True for the part's last batch."""
        return self.start + len(self.kept) + len(self.broken) == self.key.rows


def batches(
    parts: Iterable[Part], decoder: Decoder, batch_size: int, workers: int, *, pinned: bool = False
) -> Iterator[Batch]:
    """Decode parts batch by batch, in order; batches never reach over the end of a part.

    Reading stays in this process, a few batches ahead of the workers (processes; 0 decodes in this one too), so
    memory is that of a few batches and one part of encoded images. `pinned` puts pixels into page-locked
    memory, from which a CUDA device copies faster.

    Raises:
        UserError: the memory does not suffice for an image, or the view or the model's transform fails on one.
    """
    from torch.utils.data import DataLoader

    pending: deque[tuple[PartKey, int, list[str]]] = deque()

    def work() -> Iterator[tuple[Example, ...]]:
        for part in parts:
            for start in range(0, len(part.examples), batch_size):
                examples = part.examples[start : start + batch_size]
                pending.append((part.key, start, [example.id for example in examples]))
                yield examples

    # A DataLoader hands whatever its batch sampler yields to the workers: here examples, not indices.
    loader: Iterable[Any] = DataLoader(
        decoder,  # type: ignore[arg-type]
        batch_sampler=work(),  # type: ignore[arg-type]
        num_workers=workers,
        prefetch_factor=PREFETCH if workers else None,
        collate_fn=_collate,
        pin_memory=pinned,
    )
    for positions, pixels, problems, failure in loader:
        if failure is not None:
            raise UserError(failure.problem, where=failure.where) from RuntimeError(failure.traceback)
        key, start, ids = pending.popleft()
        broken = {start + at: problem for at, problem in problems.items()}
        yield Batch(key, start, ids, [start + at for at in positions], pixels, broken)


def _collate(
    items: Sequence[Tensor | str | Failure],
) -> tuple[list[int], Tensor | None, dict[int, str], Failure | None]:
    import torch

    failure = next((item for item in items if isinstance(item, Failure)), None)
    problems = {position: item for position, item in enumerate(items) if isinstance(item, str)}
    pixels = {position: item for position, item in enumerate(items) if isinstance(item, torch.Tensor)}
    stacked = torch.stack(list(pixels.values())) if pixels and failure is None else None
    return list(pixels), stacked, problems, failure
