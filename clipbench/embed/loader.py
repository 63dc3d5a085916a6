"""Decoding and transforming images in worker processes, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipbench.datasets.base import Example, View, decode

if TYPE_CHECKING:
    import PIL.Image
    from torch import Tensor

    from clipbench.embed.examples import Part, PartKey

PREFETCH = 4


@dataclass(frozen=True)
class Decoder:
    """What a worker does with one example; picklable."""

    transform: Callable[[PIL.Image.Image], Tensor]
    view: View | None = None

    def __getitem__(self, example: Example) -> Tensor | str:
        """Return the pixels, (3, H, W), or what is wrong with the image."""
        if example.problem:
            return example.problem
        try:
            image = decode(example.image)
            if self.view is not None:
                image = self.view(image, example.id)
            return self.transform(image)
        except Exception as error:  # noqa: BLE001 - decoders raise anything on a broken file
            return f"{type(error).__name__}: {error}"[:300]


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
    for positions, pixels, problems in loader:
        key, start, ids = pending.popleft()
        broken = {start + at: problem for at, problem in problems.items()}
        yield Batch(key, start, ids, [start + at for at in positions], pixels, broken)


def _collate(items: Sequence[Tensor | str]) -> tuple[list[int], Tensor | None, dict[int, str]]:
    import torch

    positions = [at for at, item in enumerate(items) if not isinstance(item, str)]
    problems = {at: item for at, item in enumerate(items) if isinstance(item, str)}
    pixels = [items[at] for at in positions]
    return positions, torch.stack(pixels) if pixels else None, problems  # type: ignore[arg-type]
