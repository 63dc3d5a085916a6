"""The CLIP paper's pair: zero-shot CLIP beside a supervised ResNet-101 of equal ImageNet accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from clipbench.metrics.shift import share_closed
from clipbench.reference.sources import rows, sources

CLAIM = "up to 75 %"
"""By how much the paper says that zero-shot CLIP shrinks the gap; it is quoted, not checked."""

NOT_MATCHED = (
    "The table sets accuracy on all 1,000 classes of ImageNet beside sets of 200 (A, R) and 113 classes (ObjectNet), "
    "so these gaps are not class-matched."
)


class PairShift(NamedTuple):
    """Zero-shot CLIP, the first, beside the supervised model on one shift: accuracies as fractions."""

    dataset: str
    first_top1: float
    second_top1: float
    gap_first: float
    """ImageNet minus the shift."""
    gap_second: float
    share_closed: float | None
    """1 - gap of the first / gap of the second; above 1 it lies beyond its own ImageNet accuracy."""


@dataclass(frozen=True)
class ClipPair:
    """The two models and their shifts."""

    supervised: str
    zero_shot: str
    imagenet: float
    """Of both."""
    shifts: tuple[PairShift, ...]


def clip_pair() -> ClipPair:
    """Return the figures of section 3.3 of Radford et al. 2021, with the share of the gap that is closed."""
    source, both = sources()["clip-paper"], rows("clip-paper")
    supervised, zero_shot = ({name: float(row[name]) * source.scale for name in source.columns} for row in both)
    shifts = []
    for name in source.columns:
        if name != "imagenet":
            first, second = (top1["imagenet"] - top1[name] for top1 in (zero_shot, supervised))
            closed = share_closed(first, second)
            shifts.append(PairShift(name, zero_shot[name], supervised[name], first, second, closed))
    return ClipPair(both[0]["model"], both[1]["model"], zero_shot["imagenet"], tuple(shifts))
