"""open_clip's published zero-shot results, model by model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from clipbench.reference.families import pretraining_family
from clipbench.reference.sources import Column, number, rows, sources

_KEY = "open-clip"


@dataclass(frozen=True)
class OpenClipModel:
    """A model of open_clip's table."""

    name: str
    """'ViT-B-32/openai'."""
    family: str
    """What it was trained on."""
    accuracies: Mapping[str, float]
    """Data set, by its catalog name where there is one -> its main metric, a fraction."""


def openclip_columns() -> Mapping[str, Column]:
    """Return the data sets of the table with the metric of each and its images."""
    return sources()[_KEY].columns


@cache
def openclip_models() -> tuple[OpenClipModel, ...]:
    """Return the models in the published order; rows that repeat another's figures are one."""
    source, models = sources()[_KEY], []
    for row in rows(_KEY):
        accuracies = {column: number(source, row, column) for column in source.columns}
        name = f"{row['architecture']}/{row['pretrained']}"
        known = {column: value for column, value in accuracies.items() if value is not None}
        models.append(OpenClipModel(name, pretraining_family(name), MappingProxyType(known)))
    return tuple(models)
