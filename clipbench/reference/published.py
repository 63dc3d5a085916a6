"""Published accuracies: open_clip's zero-shot results, and models on ImageNet and a shift of it, pair by pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from clipbench.reference.families import architecture_family, pretraining_family
from clipbench.reference.sources import Column, PairEntry, number, rows, sources

REFERENCE = "imagenet"
STANDARD = "standard"
ZERO_SHOT = "zero_shot"

_TESTBED = "imagenet-testbed"
_OPEN_CLIP = "open-clip"


@dataclass(frozen=True)
class OpenClipModel:
    """A model of open_clip's table."""

    name: str
    """'ViT-B-32/openai'."""
    family: str
    accuracies: Mapping[str, float]
    """Data set, by its catalog name where there is one -> its main metric, a fraction."""


def openclip_columns() -> Mapping[str, Column]:
    """Return the data sets of the table with the metric of each and its images."""
    return sources()[_OPEN_CLIP].columns


@cache
def openclip_models() -> tuple[OpenClipModel, ...]:
    """Return the models in the published order; rows that repeat another's figures are one."""
    source, models = sources()[_OPEN_CLIP], []
    for row in rows(_OPEN_CLIP):
        accuracies = {column: number(source, row, column) for column in source.columns}
        name = f"{row['architecture']}/{row['pretrained']}"
        known = {column: value for column, value in accuracies.items() if value is not None}
        models.append(OpenClipModel(name, pretraining_family(name), MappingProxyType(known)))
    return tuple(models)


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
    balanced: bool = False
    """Whether the classes of both have about as many images each, so that a limit keeps their shares."""

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
    balanced = all(source.columns[column].balanced for column in (entry.matched or REFERENCE, entry.shift))
    return PublishedPair(REFERENCE, entry.shift, *about, n_reference, n_shift, models, balanced)


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
