"""What tasks that learn from labelled images refuse, by name, before anything is embedded or fitted."""

import numpy as np
import pytest

from clipbench.tasks.probe.few_shot import FewShot
from clipbench.tasks.probe.knn import Knn
from clipbench.tasks.probe.linear_probe import LinearProbe
from clipbench.tasks.probe.wise_ft import WiseFt

from .conftest import evaluate, refusal, settings_of

QUICK = {FewShot: {"shots": 1, "seeds": 1}, Knn: {"k": 1}, LinearProbe: {"C": 1.0}, WiseFt: {"C": 1.0}}
UNIT = (Knn, WiseFt)
"""Those that scale features to length 1, which none of length 0 can be."""

THREE = ("cat", "dog", "fox")
EYE = np.eye(3)

tasks = pytest.mark.parametrize("task", QUICK)
splits = pytest.mark.parametrize("split", ["train", "test"])


@pytest.fixture
def refused(world, prompted):
    """refused(task, train=(features, labels), ...): the message; splits that are not given are in order."""

    def run(task, classes=THREE, **given):
        sets = {"train": (EYE, [0, 1, 2]), "val": (EYE, [0, 1, 2]), "test": (EYE, [0, 1, 2])}
        chosen = {split: ({"projected": features}, labels) for split, (features, labels) in (sets | given).items()}
        inputs = world(classes, texts=dict(zip(THREE, EYE, strict=True)), **chosen)
        return refusal(evaluate, task, inputs, prompted(*classes), **QUICK[task])

    return run


@tasks
@splits
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 7], "labels outside the 3 classes: 1, the first 7, of '{split}-2'; labels must be 0 to 2, in the"),
        ([-1, -1, -1], "no image has a label; choose a split that has labels"),
        (None, "not every image has a label; classification needs one label an image"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_used(refused, task, split, labels, message):
    assert refused(task, **{split: (EYE, labels)}).startswith(f"toys, split {split}: {message.format(split=split)}")


@tasks
@splits
def test_a_split_without_readable_images(refused, task, split):
    found = refused(task, **{split: (np.zeros((0, 3)), [])})
    assert found == f"toys, split {split}: has no readable images; check the data set's files"


@pytest.mark.parametrize(("task", "value"), [(t, v) for t in QUICK for v in (np.nan, np.inf, 0.0) if v or t in UNIT])
@splits
def test_features_that_are_not_finite_or_have_no_direction(refused, task, value, split):
    found = refused(task, **{split: (np.where([[False], [True], [False]], value, EYE), [0, 1, 2])})
    what = "NaN, infinite or all zero" if task in UNIT else "NaN or infinite"
    assert f"features that are {what}: 1 of the images" in found
    assert f"toys, split {split}" in found
    assert f"the first '{split}-1'; try --precision float32; if that does not help, check the weights" in found


@tasks
def test_classes_without_a_training_image(refused, task):
    assert refused(task, train=(EYE[:2], [0, 1])).startswith(
        "toys, split train: 1 of 3 classes have no image: fox; they cannot be learnt: add images, raise --limit or"
    )
    assert refused(task, train=(EYE, [1, 1, 1])) == (
        "toys, split train: every image is of one class, 'dog'; there is nothing to tell apart"
    )


@tasks
@pytest.mark.parametrize(
    ("dataset", "keys", "message"),
    [
        ({"classes": ["a"]}, {}, "toys: {task} needs at least two classes, this has 1; choose a data set with classes"),
        ({"splits": ("test",)}, {}, "toys: there is no split 'train'; it has: test"),
        ({}, {"split": "tset"}, "toys: there is no split 'tset'; it has: test, train, val"),
        ({}, {"split": "train"}, "toys: {task} would be tested on the split that it learns from, 'train'"),
    ],
)  # fmt: skip
def test_data_sets_that_do_not_fit(facts, model, prompted, task, dataset, keys, message):
    described = facts(**{"classes": THREE, "splits": ("train", "val", "test"), **dataset})
    found = refusal(task().needs, settings_of(task, **keys), described, model(), prompted(*described.classes))
    assert found.startswith(message.format(task=task.name))


@pytest.mark.parametrize(
    ("task", "keys", "message"),
    [
        (FewShot, {}, "few_shot needs one class an image; this data set is multi-label; use linear_probe"),
        (Knn, {}, "knn needs one class an image; this data set is multi-label; use linear_probe"),
        (WiseFt, {}, "wise_ft needs one class an image; this data set is multi-label; use linear_probe or zero_shot"),
        (
            LinearProbe,
            {"solver": "scikit-learn"},
            "solver: scikit-learn fits one class an image; this data set is multi-label; use solver: lbfgs",
        ),
    ],
)
def test_several_labels_an_image(facts, model, task, keys, message):
    dataset = facts(THREE, multilabel=True, splits=("train", "test"))
    assert refusal(task().needs, settings_of(task, **keys), dataset, model(), None) == f"toys: {message}"


@pytest.mark.parametrize("task", [FewShot, Knn, LinearProbe])
def test_an_image_only_model_has_no_joint_space_to_project_to(facts, model, task):
    baseline, dataset = model(has_text=False, features=("backbone",)), facts(THREE, splits=("train", "test"))
    assert task().needs(settings_of(task), dataset, baseline, None).features == ("backbone",)
    assert refusal(task().needs, settings_of(task, features="projected"), dataset, baseline, None) == (
        f"toy: {task.name} on projected features needs a model with a joint space of images and texts; "
        "use features: pre_projection"
    )


@pytest.mark.parametrize("task", [FewShot, Knn, LinearProbe])
def test_a_model_with_one_kind_of_features_gives_it_for_both_and_says_so(world, task):
    inputs = world(THREE, train=({"projected": EYE}, [0, 1, 2]), test=({"projected": EYE}, [0, 1, 2]))
    before, after = (evaluate(task, inputs, **QUICK[task], features=kind) for kind in ("pre_projection", "projected"))
    note = "The model gives one kind of features, so there is nothing before a projection: those were used."
    assert note in before.notes
    assert note not in after.notes
    assert before.examples.equals(after.examples)


@tasks
def test_a_main_metric_that_is_not_computed(world, prompted, task):
    splits = {name: ({"projected": EYE}, [0, 1, 2]) for name in ("train", "val", "test")}
    inputs = world(THREE, main_metric="map", texts=dict(zip(THREE, EYE, strict=True)), **splits)
    found = refusal(evaluate, task, inputs, prompted(*THREE), **QUICK[task])
    assert found.startswith("toys: main_metric: 'map' is not computed here; declare one of: top1, ")
