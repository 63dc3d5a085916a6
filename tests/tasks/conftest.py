"""Small worlds in which every embedding is written out."""

from collections.abc import Callable

import numpy as np
import pytest

from clipbench.models.base import ModelInfo, ModelPedigree
from clipbench.tasks.base import ArrayFeatures, DatasetFacts, ImageSet, Inputs
from clipbench.tasks.prompts import PromptedClasses


def _model(scale=100.0, bias=0.0, has_text=True, features=("projected",)) -> ModelInfo:
    pedigree = ModelPedigree(weights="w", transform="t", tokenizer="k")
    return ModelInfo("toy", pedigree, has_text, logit_scale=scale, logit_bias=bias, features=features)


def _facts(classes=(), multilabel=False, main_metric="", splits=("test",)) -> DatasetFacts:
    return DatasetFacts("toys", tuple(classes), multilabel, tuple(splits), main_metric=main_metric)


@pytest.fixture
def model() -> Callable[..., ModelInfo]:
    return _model


@pytest.fixture
def facts() -> Callable[..., DatasetFacts]:
    return _facts


@pytest.fixture
def prompted() -> Callable[..., PromptedClasses]:
    """prompted("cat", "dog", dog=("a dog", "two dogs")): each class's own name is its prompt unless given."""

    def make(*classes, **strings) -> PromptedClasses:
        return PromptedClasses(
            "toy", "", classes, tuple(tuple(strings.get(name.replace(" ", "_"), (name,))) for name in classes)
        )

    return make


@pytest.fixture
def make_inputs() -> Callable[..., Inputs]:
    """make_inputs(images (n, D), texts {string: vector}, dataset facts, ...).

    The paper's single prompts, which prompt sensitivity adds, need not be written out: they tell no class apart.
    """

    def make(images, texts, dataset, *, model=None, ids=None, split="test", **fields) -> Inputs:
        array = np.asarray(images, np.float32)
        ids = ids or [f"image-{row}" for row in range(len(array))]
        if fields.get("labels") is not None:
            fields["labels"] = np.asarray(fields["labels"], np.int64)
        images_of_split = ImageSet(ids=ids, features={"projected": ArrayFeatures(array)}, **fields)

        alike = np.ones(array.shape[1])
        given = {prompt: alike for name in dataset.classes for prompt in (name, f"a photo of a {name}.")} | texts

        def text(strings):
            return np.array([given[string] for string in strings], np.float32)

        return Inputs(dataset, model or _model(), {split: images_of_split}, text)

    return make
