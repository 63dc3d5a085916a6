"""Small worlds in which every embedding is written out, and what tests ask of tasks and outcomes."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from clipbench.analyses.rankings.per_example import example_numbers
from clipbench.errors import UserError
from clipbench.metrics.specs import Declared
from clipbench.models.base import ModelInfo, ModelPedigree
from clipbench.tasks.base import ArrayFeatures, DatasetFacts, ImageSet, Inputs
from clipbench.tasks.prompts import PromptedClasses

DIGITS = tuple("0123456789")


def settings_of(task, **keys):
    return task.Settings.model_validate({"task": task.name, "datasets": ["toys"], **keys})


def evaluate(task, inputs, prompts=None, **keys):
    """Ask a task for what it needs, as a plan does, and evaluate it; whatever it makes has to be declared."""
    settings = settings_of(task, **keys)
    task().needs(settings, inputs.dataset, inputs.model, prompts)
    outcome = task().evaluate(inputs, settings, prompts)
    declared = Declared.by(task)
    assert declared.label
    assert not [m.name for m in outcome.metrics if not any(spec.match(m.name) for spec in declared.metrics)]
    for measured in outcome.metrics:
        if (spec := declared.metric(measured.name)).per_example and measured.value is not None:
            numbers, strata = example_numbers(spec, outcome.examples)
            means = pd.Series(numbers.reshape(len(numbers), -1).mean(axis=1))
            assert means.groupby(np.zeros(len(means)) if strata is None else strata).mean().mean() == pytest.approx(
                measured.value
            )
    for name, table in outcome.tables.items():
        spec = declared.table(name)
        assert spec is not None, name
        assert spec.columns[0].name in table
        assert spec.curve is None or {spec.curve.x, spec.curve.y} <= set(table)
    return outcome


def values(outcome):
    return {metric.name: metric.value for metric in outcome.metrics}


def metric(outcome, name):
    return next(found for found in outcome.metrics if found.name == name)


def main(outcome):
    (found,) = (metric for metric in outcome.metrics if metric.main)
    return found


def refusal(call, *arguments, **keys) -> str:
    with pytest.raises(UserError) as caught:
        call(*arguments, **keys)
    return str(caught.value)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def tight(features, labels, C, **keys):
    """scikit-learn's fit in float64 to a tolerance that L-BFGS does not reach."""
    estimator = LogisticRegression(C=C, tol=1e-10, max_iter=1000, solver="newton-cholesky", **keys)
    return estimator.fit(np.asarray(features, np.float64), labels)


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


def image_set(name, features, labels, *, ids=None, **fields) -> ImageSet:
    """A split: features by kind, or those before the projection; (n, C) labels are those of a multi-label set."""
    kinds = features if isinstance(features, dict) else {"backbone": features}
    stored = {
        kind: array if hasattr(array, "chunks") else ArrayFeatures(np.asarray(array, np.float32))
        for kind, array in kinds.items()
    }
    ids = ids or [f"{name}-{row}" for row in range(next(iter(stored.values())).shape[0])]
    if np.ndim(labels) == 2:
        return ImageSet(ids, stored, label_sets=[tuple(np.flatnonzero(row).tolist()) for row in labels], **fields)
    return ImageSet(ids, stored, None if labels is None else np.asarray(labels, np.int64), **fields)


class Generated:
    """(n, 256) features that exist only while they are looked at."""

    def __init__(self, count) -> None:
        self.shape = (count, 256)

    def chunks(self, rows=4096):
        for start in range(0, self.shape[0], rows):
            size = min(rows, self.shape[0] - start)
            yield start, np.random.default_rng(start).standard_normal((size, 256), np.float32)

    def load(self):
        pytest.fail("the whole set was loaded")


@pytest.fixture
def world() -> Callable[..., Inputs]:
    """world(classes, train=(features, labels), test=..., ...): inputs of a model with these kinds of features."""

    def make(classes=DIGITS, *, multilabel=False, main_metric="", known=None, texts=None, **splits) -> Inputs:
        sets = {
            name: given if isinstance(given, ImageSet) else image_set(name, *given) for name, given in splits.items()
        }
        kinds = tuple(next(iter(sets.values())).features)
        known = known or _model(has_text="projected" in kinds, features=kinds)
        dataset = _facts(classes, multilabel, main_metric, splits=tuple(splits))
        return Inputs(dataset, known, sets, lambda strings: np.array([texts[s] for s in strings], np.float32))

    return make


def split_up(features, labels, *bounds):
    """{train, val, test} of consecutive rows, or {train, test}."""
    names = ("train", "val", "test") if len(bounds) == 2 else ("train", "test")
    rows = zip(names, (0, *bounds), (*bounds, len(labels)), strict=True)
    return {name: (features[first:last], labels[first:last]) for name, first, last in rows}


@pytest.fixture(scope="session")
def digits():
    """{train, val, test} of 600, 300 and 897 handwritten digits."""
    features, labels = load_digits(return_X_y=True)
    return split_up((features / 16).astype(np.float32), labels, 600, 900)
