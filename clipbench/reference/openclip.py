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

    architecture: str
    pretrained: str
    same_figures: tuple[str, ...]
    """Other rows of the published table with the same figures throughout."""
    parameters: float
    """Number of weights."""
    gflops: float
    """Of one image and one text, in 10^9."""
    accuracies: Mapping[str, float]
    """Data set, by its catalog name where there is one -> its main metric, a fraction."""

    @property
    def name(self) -> str:
        """'ViT-B-32/openai'."""
        return f"{self.architecture}/{self.pretrained}"

    @property
    def family(self) -> str:
        """What it was trained on."""
        return pretraining_family(self.name)


def openclip_columns() -> Mapping[str, Column]:
    """Return the data sets of the table with the metric of each and its images."""
    return sources()[_KEY].columns


@cache
def openclip_models() -> tuple[OpenClipModel, ...]:
    """Return the models in the published order; rows that repeat another's figures are one."""
    return tuple(map(_model, rows(_KEY)))


def _model(row: Mapping[str, str]) -> OpenClipModel:
    source = sources()[_KEY]
    accuracies = {column: number(source, row, column) for column in source.columns}
    return OpenClipModel(
        architecture=row["architecture"],
        pretrained=row["pretrained"],
        same_figures=tuple(row["same_figures"].split()),
        parameters=float(row["parameters_m"]) * 1e6,
        gflops=float(row["gflops"]),
        accuracies=MappingProxyType({name: value for name, value in accuracies.items() if value is not None}),
    )
