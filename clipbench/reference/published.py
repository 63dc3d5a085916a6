"""Published accuracies of models on ImageNet and a shift of it, pair by pair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from clipbench.metrics.shift import share_closed
from clipbench.reference.families import architecture_family
from clipbench.reference.openclip import openclip_models
from clipbench.reference.sources import PairEntry, number, rows, sources

REFERENCE = "imagenet"
STANDARD = "standard"
ZERO_SHOT = "zero_shot"

CLAIM = "up to 75 %"
"""By how much the paper says that zero-shot CLIP shrinks the gap; it is quoted, not checked."""

NOT_MATCHED = (
    "The table sets accuracy on all 1,000 classes of ImageNet beside sets of 200 (A, R) and 113 classes (ObjectNet), "
    "so these gaps are not class-matched."
)

_TESTBED = "imagenet-testbed"
_OPEN_CLIP = "open-clip"


@dataclass(frozen=True)
class PublishedModel:
    """A model's published accuracies on a reference and a shift, as fractions."""

    name: str
    family: str
    """Near-relatives have the same: they are resampled together."""
    training: str
    """'standard' (on ImageNet alone), 'more_data', 'robust_intv', 'lp_adv', 'zero_shot', ...; '' for not declared."""
    reference_top1: float
    shift_top1: float
    matched: bool = True
    """Whether the reference was classified among the shift's classes."""

    @property
    def baseline(self) -> bool:
        """Whether it belongs to the line of what is expected: trained on ImageNet alone, without intervention."""
        return self.training == STANDARD and self.matched


@dataclass(frozen=True)
class PublishedPair:
    """A reference and a shift with the models that were measured on both."""

    reference: str
    shift: str
    """Of the catalog where it has the set."""
    source: str
    citation: str
    licence: str
    warning: str
    """What a reader of the line must know; '' for nothing."""
    n_reference: int
    """Images of the reference that are of the shift's classes."""
    n_shift: int
    models: tuple[PublishedModel, ...]

    @property
    def line_models(self) -> tuple[PublishedModel, ...]:
        """The models that the line is fitted to."""
        return tuple(model for model in self.models if model.baseline)


@cache
def published_pairs() -> tuple[PublishedPair, ...]:
    """Return every pair, those of the catalog's data sets first; models of the testbed, then open_clip's."""
    return tuple(map(_pair, sources()[_TESTBED].pairs))


def published_pair(reference: str, shift: str) -> PublishedPair | None:
    """Return the pair of two data sets by their catalog names; None where nothing is published."""
    return next((pair for pair in published_pairs() if (pair.reference, pair.shift) == (reference, shift)), None)


def _pair(entry: PairEntry) -> PublishedPair:
    source = sources()[_TESTBED]
    n_reference, n_shift = (source.columns[column].images or 0 for column in (entry.matched or "", entry.shift))
    models = (*_of_testbed(entry), *_of_open_clip(entry.shift))
    about = (source.name, source.citation, source.licence, entry.warning)
    return PublishedPair(REFERENCE, entry.shift, *about, n_reference, n_shift, models)


def _of_testbed(entry: PairEntry) -> Iterator[PublishedModel]:
    source = sources()[_TESTBED]
    for row in rows(_TESTBED):
        reference, shift = number(source, row, entry.matched or REFERENCE), number(source, row, entry.shift)
        if reference is None or shift is None:
            continue
        name = row["model"]
        # The testbed calls CLIP's zero-shot classifiers models of more data.
        training = ZERO_SHOT if name.endswith("_clip_zeroshot") else row["training"]
        yield PublishedModel(name, architecture_family(name), training, reference, shift)


def _of_open_clip(shift: str) -> Iterator[PublishedModel]:
    entry = next((pair for pair in sources()[_OPEN_CLIP].pairs if pair.shift == shift), None)
    for model in openclip_models() if entry else ():
        top1 = model.accuracies[REFERENCE], model.accuracies[shift]
        yield PublishedModel(model.name, model.family, ZERO_SHOT, *top1, matched=bool(entry and entry.matched))


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
    """The CLIP paper's pair: zero-shot CLIP beside a supervised ResNet-101 of equal ImageNet accuracy."""

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
