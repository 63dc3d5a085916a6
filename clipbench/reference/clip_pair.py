"""The CLIP paper's pair: zero-shot CLIP beside a supervised ResNet-101 of equal ImageNet accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clipbench.metrics.shift import share_closed
from clipbench.reference.sources import number, rows, sources

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
    supervised_imagenet: float
    zero_shot_imagenet: float
    shifts: tuple[PairShift, ...]


def clip_pair() -> ClipPair:
    """Return the figures of section 3.3 of Radford et al. 2021, with the share of the gap that is closed."""
    supervised, zero_shot = rows("clip-paper")
    return ClipPair(
        supervised["model"],
        zero_shot["model"],
        _top1(supervised, "imagenet"),
        _top1(zero_shot, "imagenet"),
        tuple(_shift(supervised, zero_shot, name) for name in supervised if name not in ("model", "imagenet")),
    )


def _shift(supervised: Mapping[str, str], zero_shot: Mapping[str, str], name: str) -> PairShift:
    here, there = ((_top1(row, "imagenet"), _top1(row, name)) for row in (supervised, zero_shot))
    gaps = here[0] - here[1], there[0] - there[1]
    return PairShift(
        name,
        supervised=here[1],
        zero_shot=there[1],
        supervised_gap=gaps[0],
        zero_shot_gap=gaps[1],
        closed=share_closed(gaps[1], gaps[0]),
    )


def _top1(row: Mapping[str, str], name: str) -> float:
    found = number(sources()["clip-paper"], row, name)
    assert found is not None
    return found
