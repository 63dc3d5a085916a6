"""Settings that tasks on labelled features share: which features, and which split they are fitted on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field

from clipbench.errors import UserError
from clipbench.tasks.base import Condition, DatasetFacts, Feature, TaskSettings
from clipbench.tasks.prompts import DISTINCT, listed_if
from clipbench.tasks.requirements import require_classes, require_split

if TYPE_CHECKING:
    from clipbench.models.base import ModelInfo

FeatureName = Literal["pre_projection", "projected"]
FeatureNames = Annotated[
    tuple[FeatureName, ...],
    BeforeValidator(listed_if(str), json_schema_input_type=FeatureName | tuple[FeatureName, ...]),
    DISTINCT,
]
"""A list of features, or one alone."""


class FeatureSettings(TaskSettings):
    """Settings of a task that learns from the labelled features of a training split."""

    split: str = Field(default="test", description="The split to evaluate; nothing is chosen on it.")
    train_split: str = Field(default="train", description="The split to learn from.")
    features: FeatureNames = Field(
        default=("pre_projection",),
        min_length=1,
        description="The image tower's output before the projection to the joint space, or after it; each makes one "
        "row of results. A model without a projection has one kind, which stands for both.",
    )
    normalise: bool = Field(default=False, description="Scale each image's features to length 1.")

    def variants(self) -> Sequence[Self]:
        """Return one settings object for each kind of features."""
        return tuple(self.model_copy(update={"features": (name,)}) for name in self.features)

    @property
    def feature(self) -> FeatureName:
        """The one kind of features that a job uses."""
        assert len(self.features) == 1
        return self.features[0]

    @property
    def condition(self) -> Condition:
        """The features, where they are not the default."""
        kind = ("projected",) if self.features == ("projected",) else ()
        return Condition(features=", ".join((*kind, "normalised") if self.normalise else kind))


def stored_feature(settings: FeatureSettings, model: ModelInfo, task: str) -> Feature:
    """Return the stored feature that a setting means; a UserError where a model has no joint space to project to."""
    if settings.feature == "projected" and "projected" not in model.features:
        problem = f"{task} on projected features needs a model with a joint space of images and texts"
        raise UserError(problem, where=model.name, fix="use features: pre_projection")
    wanted: Feature = "backbone" if settings.feature == "pre_projection" else "projected"
    return wanted if wanted in model.features else "projected"


def require_training(settings: FeatureSettings, dataset: DatasetFacts, task: str) -> None:
    """Raise a UserError unless a data set has classes, and a split to learn from beside that to be tested on."""
    require_classes(dataset, task, "choose a data set with classes")
    require_split(dataset, settings.split)
    require_split(dataset, settings.train_split)
    if settings.split == settings.train_split:
        problem = f"{task} would be tested on the split that it learns from, {settings.split!r}"
        raise UserError(problem, where=dataset.name, fix="name another split or train_split")


def feature_params(settings: FeatureSettings) -> dict[str, Any]:
    """Return what every record of these tasks says of its features."""
    return {"features": settings.feature, "normalised": settings.normalise}


def feature_notes(settings: FeatureSettings, stored: Feature) -> Iterator[str]:
    """Yield what a reader must know where a model has one kind of features for both names."""
    if settings.feature == "pre_projection" and stored == "projected":
        yield "The model gives one kind of features, so there is nothing before a projection: those were used."
