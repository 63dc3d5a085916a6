"""The CLIP paper's pair: zero-shot CLIP beside a supervised ResNet-101 of equal ImageNet accuracy."""

from __future__ import annotations

from dataclasses import dataclass

from clipbench.metrics.shift import share_closed
from clipbench.reference.sources import rows, sources

CLAIM = "up to 75 %"
"""By how much the paper says that zero-shot CLIP shrinks the gap; it is quoted, not checked."""

NOT_MATCHED = (
    "The table sets accuracy on all 1,000 classes of ImageNet beside sets of 200 (A, R) and 113 classes (ObjectNet), "
    "so these gaps are not class-matched."
)


@dataclass(frozen=True)
class PairShift:
    """Both models on one shift, accuracies as fractions."""

    shift: str
    supervised: float
    zero_shot: float
    supervised_gap: float
    """ImageNet minus the shift."""
    zero_shot_gap: float
    closed: float | None
    """1 - gap of zero-shot / gap of the supervised model; above 1 it lies beyond its own ImageNet accuracy."""


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
            gaps = [top1["imagenet"] - top1[name] for top1 in (supervised, zero_shot)]
            closed = share_closed(gaps[1], gaps[0])
            shifts.append(PairShift(name, supervised[name], zero_shot[name], gaps[0], gaps[1], closed))
    names = [row["model"] for row in both]
    return ClipPair(names[0], names[1], zero_shot["imagenet"], tuple(shifts))
