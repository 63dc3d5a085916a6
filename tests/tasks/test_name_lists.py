"""Several names for one class: each way of using them against zero-shot jobs of their own, and by hand."""

import numpy as np
import pytest

from clipbench.stats.differences import simultaneous_differences
from clipbench.tasks.classify.zero_shot import ZeroShot, ZeroShotSettings
from clipbench.tasks.prompt_sensitivity.prompt_sensitivity import PromptSensitivity, PromptSensitivitySettings
from clipbench.tasks.prompts import PromptedClasses, fill

SETTINGS = PromptSensitivitySettings(task="prompt_sensitivity", datasets=("toys",))
ZERO_SHOT = ZeroShotSettings(task="zero_shot", datasets=("toys",))
TEMPLATES = ("a photo of a {}.", "{}", "the {}", "some {}!")
NAMES = (("cat",), ("dog", "hound", "pup"), ("fox", "vixen"), ("owl", "strix"))


def filled(names=NAMES, templates=TEMPLATES, **more):
    strings = tuple(tuple(fill(template, name) for name in of for template in templates) for of in names)
    several = names if any(len(of) > 1 for of in names) else ()
    return PromptedClasses("names", "", tuple(of[0] for of in names), strings, templates, names=several, **more)


@pytest.fixture
def world(make_inputs, facts):
    """world(names): 400 images, one without a label, and names that miss their class by much."""

    def make(names=NAMES, spread=0.35, noise=0.35):
        random = np.random.default_rng(3)
        centres = np.eye(len(names), 16)
        texts = {}
        for label, of in enumerate(names):
            for name in of:
                shift = random.normal(0, spread, 16)
                for template in TEMPLATES:
                    texts.setdefault(fill(template, name), centres[label] + shift + random.normal(0, 0.15, 16))
        labels = random.integers(0, len(names), 400)
        images = centres[labels] + random.normal(0, noise, (400, 16))
        labels[7] = -1
        return make_inputs(images, texts, facts([of[0] for of in names]), labels=labels)

    return make


def zero_shot(inputs, prompts):
    """Whether a zero-shot job with these prompts is right about each labelled image."""
    return ZeroShot().evaluate(inputs, ZERO_SHOT, prompts).examples["correct"].to_numpy()


def test_each_list_of_names_is_as_good_as_a_zero_shot_job_with_it_alone(world):
    inputs = world()
    table = PromptSensitivity().evaluate(inputs, SETTINGS, filled()).tables["names"].set_index("how")
    # A class with fewer names keeps its own.
    lists = {
        "canonical names": ("cat", "dog", "fox", "owl"),
        "names 1": ("cat", "hound", "vixen", "strix"),
        "names 2": ("cat", "pup", "fox", "owl"),
    }
    right = {how: zero_shot(inputs, filled(tuple((name,) for name in names))) for how, names in lists.items()}
    right["all names averaged"] = zero_shot(inputs, filled())
    assert list(table.index) == [*right, "the best name counts"]
    canonical = right["canonical names"]
    assert table["top1"].tolist()[:-1] == [answers.mean() for answers in right.values()]
    assert table.loc["canonical names", ["difference", "low", "high"]].isna().all()
    # Alone, intervals are narrower than together with one more.
    ways = list(right)[1:]
    alone = simultaneous_differences([(right[how], canonical) for how in ways])
    for how, difference in zip(ways, alone, strict=True):
        assert table.loc[how, "difference"] == difference.value
        assert table.loc[how, "low"] <= difference.interval.low
        assert table.loc[how, "high"] >= difference.interval.high


def test_the_range_over_lists_is_that_of_the_best_and_the_worst(world):
    outcome = PromptSensitivity().evaluate(world(), SETTINGS, filled())
    (moved,) = (metric for metric in outcome.metrics if metric.name == "names_range")
    lists = outcome.tables["names"].set_index("how")["top1"].iloc[:3]
    assert (moved.value, moved.interval) == (pytest.approx(lists.max() - lists.min()), None)
    assert (moved.params["best"], moved.params["worst"]) == (lists.idxmax(), lists.idxmin())


def test_the_best_name_counts_as_the_largest_cosine_of_a_class(world):
    inputs = world()
    outcome = PromptSensitivity().evaluate(inputs, SETTINGS, filled())
    images = inputs.sets["test"]
    labelled = images.labels >= 0
    unit = images.features["projected"].load()[labelled]
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    scores = np.full((len(unit), len(NAMES)), -np.inf)
    for label, names in enumerate(NAMES):
        for name in names:
            texts = inputs.text([fill(template, name) for template in TEMPLATES])
            mean = (texts / np.linalg.norm(texts, axis=1, keepdims=True)).mean(axis=0)
            scores[:, label] = np.maximum(scores[:, label], unit @ mean / np.linalg.norm(mean))
    top1 = (scores.argmax(axis=1) == images.labels[labelled]).mean()
    table = outcome.tables["names"].set_index("how")
    assert table.loc["the best name counts", "top1"] == top1
    assert table.loc["the best name counts", "difference"] == pytest.approx(top1 - table["top1"].iloc[0])
    (gain,) = (metric for metric in outcome.metrics if metric.name == "averaged_names_gain")
    assert gain.value == table.loc["all names averaged", "difference"]


def test_everything_that_is_found_is_declared(world):
    task = PromptSensitivity()
    outcome = task.evaluate(world(), SETTINGS, filled(families={"article": (1, 2)}))
    assert [metric.name for metric in outcome.metrics] == [spec.name for spec in task.metrics]
    assert {spec.name for spec in task.tables} == set(outcome.tables)
    for spec in task.tables:
        shown = {name for column in spec.columns for name in (column.name, column.low, column.high) if name}
        assert shown <= set(outcome.tables[spec.name].columns)


def test_names_and_templates_are_factors_of_the_variance(world):
    inputs = world()
    table = PromptSensitivity().evaluate(inputs, SETTINGS, filled()).tables["variance"]
    assert table["component"].tolist() == [
        "example",
        "template",
        "names",
        "example x template",
        "example x names",
        "template x names",
        "residual",
    ]
    # The classes' names differ much, the templates little.
    values = table.set_index("component")["value"]
    assert values["example x names"] > values["example x template"]


def test_numbers_of_templates_are_those_under_the_classes_own_names(world):
    inputs = world()
    several = PromptSensitivity().evaluate(inputs, SETTINGS, filled())
    own = PromptSensitivity().evaluate(inputs, SETTINGS, filled(tuple(of[:1] for of in NAMES)))
    for name in ("templates", "choice", "per_class", "gains"):
        assert several.tables[name].equals(own.tables[name])
    added = ["names_range", "averaged_names_gain"]
    assert [metric for metric in several.metrics if metric.name not in added] == list(own.metrics)
    assert set(several.tables) - set(own.tables) == {"names"}


def test_of_two_classes_that_share_their_best_name_the_lower_index_wins(make_inputs, facts):
    names = (("cat", "pet"), ("dog", "pet"))
    place = {"cat": [1, 0, 0], "dog": [0, 1, 0], "pet": [0, 0, 1]}
    texts = {fill(template, name): vector for template in TEMPLATES for name, vector in place.items()}
    images = [[1, 0, 0], [0, 1, 0], [0.1, 0, 1], [0, 0.1, 1]]
    inputs = make_inputs(images, texts, facts(["cat", "dog"]), labels=[0, 1, 0, 1])
    table = PromptSensitivity().evaluate(inputs, SETTINGS, filled(names)).tables["names"].set_index("how")
    assert table.loc["canonical names", "top1"] == 1
    assert table.loc["the best name counts", "top1"] == 0.75


def test_classes_called_the_same_are_no_loss_of_the_best_name(world):
    """As ImageNet's two missiles, of which one has a second name: both ways count their tie alike."""
    names = (("missile",), ("missile", "projectile"), ("dog",), ("owl",))
    table = PromptSensitivity().evaluate(world(names), SETTINGS, filled(names)).tables["names"].set_index("how")
    assert table.loc["the best name counts", "top1"] >= table.loc["canonical names", "top1"]


@pytest.mark.parametrize("n", [40, 200])
def test_a_shared_name_ties_exactly_whatever_the_shape_of_the_products(make_inputs, facts, n):
    """In products of two shapes the same vector has cosines that differ in the last bit."""
    random = np.random.default_rng(n)
    names = tuple((f"class {label}", "shared", f"also {label}") for label in range(7))
    texts = {
        fill(template, name): random.normal(0, 1, 512) for of in names for name in of for template in TEMPLATES[:2]
    }
    shared = np.sum([texts[fill(template, "shared")] for template in TEMPLATES[:2]], axis=0)
    labels = random.integers(0, 7, n)
    inputs = make_inputs(
        shared + random.normal(0, 0.05, (n, 512)), texts, facts([of[0] for of in names]), labels=labels
    )
    outcome = PromptSensitivity().evaluate(inputs, SETTINGS, filled(names, TEMPLATES[:2]))
    # Everything looks like the shared name, which the first class has before all others.
    assert outcome.tables["names"].set_index("how").loc["the best name counts", "top1"] == (labels == 0).mean()


def test_of_very_many_names_some_lists_are_compared_and_all_names_used(world):
    names = (("cat", *(f"cat {number}" for number in range(20))), ("dog", "hound"), ("fox",))
    outcome = PromptSensitivity().evaluate(world(names), SETTINGS, filled(names))
    table = outcome.tables["names"]
    assert table["how"].tolist()[-3:] == ["names 15", "all names averaged", "the best name counts"]
    assert any("One class has 21 names: 16 lists" in note for note in outcome.notes)
    assert table["names"].tolist()[:3] == ["", "cat 0, hound", "cat 1"]
    averaged = zero_shot(world(names), filled(names)).mean()
    assert table.set_index("how").loc["all names averaged", "top1"] == averaged


def test_classes_with_equal_prompts_and_shared_names_are_told(world):
    names = (("cat", "pet"), ("dog", "pet"), ("cat", "tom"))
    notes = PromptSensitivity().evaluate(world(names), SETTINGS, filled(names)).notes
    assert "Equal prompts, of which the lower index wins: cat (0) and cat (2)." in notes
    assert "Names that several classes have: cat, pet." in notes


def test_memory_and_texts_grow_with_the_lists(facts, model):
    dataset = facts([of[0] for of in NAMES])
    several = PromptSensitivity().needs(SETTINGS, dataset, model(), filled())
    own = PromptSensitivity().needs(SETTINGS, dataset, model(), filled(tuple(of[:1] for of in NAMES)))
    assert len(several.strings) - len(own.strings) == 4 * len(TEMPLATES)
    # Three lists of four templates, 48 bytes each an image.
    assert several.memory({"test": 1000}, 0) - several.memory({"test": 0}, 0) == 48 * 12 * 1000
    assert own.memory({"test": 1000}, 0) - own.memory({"test": 0}, 0) == 48 * 4 * 1000
