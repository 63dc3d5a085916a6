"""Templates chosen on some images and judged on others, in worlds where each template's answers are written out."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from clipbench.tasks.base import ArrayFeatures, ImageSet
from clipbench.tasks.prompt_sensitivity.held_out_selection import held_out_selection, second_half
from clipbench.tasks.prompt_sensitivity.prompt_grid import PromptGrid
from clipbench.tasks.prompt_sensitivity.prompt_sensitivity import PromptSensitivity
from clipbench.tasks.prompt_sensitivity.template_metrics import gains
from clipbench.tasks.prompt_sensitivity.template_scores import TemplateScores
from clipbench.tasks.prompts import PromptedClasses

from .conftest import evaluate, refusal, settings_of

CLASSES = ("cat", "dog")
TEMPLATES = ("a {}", "the {}", "no {}", "{}!")


def image_set(margins, labels, prefix="image"):
    """Return images about which template k is right where margins[:, k] > 0, and templates together where their sum is.

    Every template has a dimension of its own for each class.
    """
    margins = np.asarray(margins, float)
    features = np.zeros((len(margins), 2 * margins.shape[1]), np.float32)
    for row, column in np.ndindex(margins.shape):
        toward = labels[row] if margins[row, column] > 0 else 1 - labels[row]
        features[row, 2 * column + toward] = abs(margins[row, column])
    ids = [f"{prefix}-{row}" for row in range(len(margins))]
    return ImageSet(ids, {"projected": ArrayFeatures(features)}, np.asarray(labels, np.int64))


def evaluated(inputs, prompts):
    outcome = evaluate(PromptSensitivity, inputs, prompts)
    return outcome, {metric.name: metric for metric in outcome.metrics}


@pytest.fixture
def world(make_inputs, facts):
    """world(test=ImageSet, val=ImageSet, ...): inputs and prompts of the first templates."""

    def make(**sets):
        templates = next(iter(sets.values())).features["projected"].shape[1] // 2
        strings = tuple(tuple(template.replace("{}", name) for template in TEMPLATES[:templates]) for name in CLASSES)
        directions = np.eye(2 * templates)
        texts = {
            strings[label][place]: directions[2 * place + label] for place, label in product(range(templates), range(2))
        }
        inputs = make_inputs(np.ones((1, 2 * templates)), texts, facts(CLASSES, splits=tuple(sets)))
        prompts = PromptedClasses("wording", "", CLASSES, strings, TEMPLATES[:templates])
        return replace(inputs, sets=sets), prompts

    return make


def test_a_template_best_on_validation_and_not_on_test(world):
    validation = image_set([[1, 1, -1], [1, 1, -1], [1, -1, -1], [-1, -1, 1]], [0, 1, 0, 1], "val")
    tested = image_set([[1, 1, -1], [-1, 1, 1], [-1, 1, -1], [-1, 1, 1]], [0, 0, 1, 1])
    outcome, found = evaluated(*world(test=tested, val=validation))
    chosen = found["chosen_top1"]
    assert (chosen.value, chosen.n, chosen.interval) == (0.25, 4, None)
    assert chosen.params == {"template": "a {}", "chosen_on": "val"}
    assert (found["best"].value, found["best"].params["template"]) == (1.0, "the {}")
    assert found["chosen_gain"].value == pytest.approx(0.25 - 7 / 12)
    table = outcome.tables["choice"].set_index("how")
    assert table["top1"].tolist() == pytest.approx([0.25, 1.0, 7 / 12, found["ensemble_top1"].value])
    assert table.loc["best on validation", ["templates", "chosen_on"]].tolist() == ["a {}", "val"]
    assert table.loc["best on test (optimistic)", ["templates", "chosen_on"]].tolist() == ["the {}", "test"]
    assert table.loc["mean of templates", ["templates", "chosen_on"]].tolist() == ["all 3", ""]
    assert not any("cross-fitting" in note for note in outcome.notes)


def test_of_equally_good_templates_the_earlier_is_chosen(world):
    validation = image_set([[-1, 1, 1], [-1, 1, 1]], [0, 1], "val")
    tested = image_set([[1, -1, 1], [1, -1, 1]], [0, 1])
    _, found = evaluated(*world(test=tested, val=validation))
    assert (found["chosen_top1"].value, found["chosen_top1"].params["template"]) == (0, "the {}")


def test_cross_fitting_never_judges_a_choice_on_its_own_half(world):
    labels = np.arange(12) % 2
    second = second_half([f"image-{row}" for row in range(12)], labels)
    # One template knows the first half alone, the next the second half alone: whoever leaks finds 100 %.
    margins = np.stack([np.where(second, -1, 1), np.where(second, 1, -1)], axis=1)
    outcome, found = evaluated(*world(test=image_set(margins, labels)))
    assert found["chosen_top1"].value == 0
    assert found["chosen_top1"].params == {
        "template": "a {} | the {}",
        "chosen_on": "the other half of test (two-fold cross-fitting)",
    }
    assert outcome.tables["choice"]["how"][0] == "best by cross-fitting"
    assert any("two-fold cross-fitting" in note for note in outcome.notes)


def test_images_without_a_label_are_in_neither_half(world):
    labels = np.arange(14) % 2
    second = second_half([f"image-{row}" for row in range(1, 14)], labels[1:])
    margins = np.ones((14, 2))
    margins[1:][second, 0] = -1
    margins[1:][~second, 1] = -1
    tested = image_set(margins, labels)
    tested.labels[0] = -1
    _, found = evaluated(*world(test=tested))
    assert (found["chosen_top1"].value, found["chosen_top1"].n) == (0, 13)


def test_halves_follow_the_ids_and_hold_as_many_of_each_class():
    random = np.random.default_rng(5)
    labels = random.integers(0, 3, 101)
    ids = [f"photo {row}" for row in range(101)]
    second = second_half(ids, labels)
    sizes = np.array([np.bincount(labels[half], minlength=3) for half in (second, ~second)])
    assert (np.abs(sizes[0] - sizes[1]) <= 1).all()
    assert abs(int(np.diff(sizes.sum(axis=1))[0])) == 1
    order = random.permutation(101)
    assert (second_half([ids[row] for row in order], labels[order]) == second[order]).all()


def test_templates_that_are_all_alike_leave_nothing_to_choose(world):
    tested = image_set(np.ones((12, 3)), [0, 1] * 6)
    _, found = evaluated(*world(test=tested))
    assert (found["chosen_gain"].value, found["chosen_gain"].interval.kind) == (0, "score")
    assert found["chosen_top1"].params["template"] == "a {}"


def test_a_cluster_is_in_one_half():
    clusters = np.random.default_rng(5).integers(0, 21, 200)
    second = second_half([str(row) for row in range(200)], np.arange(200) % 3, clusters)
    halves = [set(second[clusters == code].tolist()) for code in range(21)]
    assert sorted(map(len, halves)) == [1] * 21
    assert halves.count({True}) == 10


@pytest.mark.parametrize(
    ("splits", "named", "expected"),
    [
        (("train", "test"), None, ("test",)),
        (("train", "validation", "test"), None, ("test", "validation")),
        (("dev", "val", "test"), None, ("test", "val")),
        (("train", "val", "test"), "train", ("test", "train")),
    ],
)
def test_the_validation_split_is_embedded_where_there_is_one(facts, model, world, splits, named, expected):
    _, prompts = world(test=image_set([[1, 1]], [0]))
    settings = settings_of(PromptSensitivity, val_split=named)
    needs = PromptSensitivity().needs(settings, facts(CLASSES, splits=splits), model(), prompts)
    assert needs.splits == expected
    counts = dict.fromkeys(expected, 100)
    more = dict.fromkeys(expected, 200)
    assert needs.memory(more, 8) - needs.memory(counts, 8) == 48 * 4 * 100 * len(expected)


def test_the_evaluated_split_may_itself_be_a_validation_split(facts, model, world):
    _, prompts = world(test=image_set([[1, 1]], [0]))
    settings = settings_of(PromptSensitivity, split="val")
    needs = PromptSensitivity().needs(settings, facts(CLASSES, splits=("train", "val")), model(), prompts)
    assert needs.splits == ("val",)


@pytest.mark.parametrize(("named", "problem"), [("test", "tested on, 'test'"), ("vall", "no split 'vall'")])
def test_a_validation_split_that_cannot_be_used_is_refused(facts, model, world, named, problem):
    _, prompts = world(test=image_set([[1, 1]], [0]))
    settings = settings_of(PromptSensitivity, val_split=named)
    dataset = facts(CLASSES, splits=("val", "test"))
    found = refusal(PromptSensitivity().needs, settings, dataset, model(), prompts)
    assert found.startswith("toys: ")
    assert problem in found


@pytest.mark.slow
def test_the_gain_of_a_choice_by_cross_fitting_is_zero_where_all_templates_are_as_good(monkeypatch):
    """Three standard errors; a template that is lucky in both halves is chosen by both and judged by both."""
    monkeypatch.setattr("clipbench.stats.simultaneous.DRAWS", 1000)
    random, worlds, misses = np.random.default_rng(4), 300, 0
    strings = tuple(tuple(template.replace("{}", name) for template in TEMPLATES) for name in CLASSES)
    grid = PromptGrid.of(PromptedClasses("wording", "", CLASSES, strings, TEMPLATES), "toys")
    rows, ids = np.arange(100), [str(row) for row in range(100)]
    for _ in range(worlds):
        wrong = random.normal(size=(100, 1)) + 0.6 * random.normal(size=(100, 7)) > 0.3
        labels, predictions = np.zeros(100, np.int64), wrong.astype(np.int32)
        scores = TemplateScores("test", ids, rows, labels, predictions[:, :4], predictions[:, 4], predictions[:, 5:])
        interval = gains(scores, held_out_selection(scores, None), grid)[-1].found.interval
        misses += not interval.low <= 0 <= interval.high
    # Among four intervals that hold together 1.3 % may miss.
    assert misses / worlds <= 0.0127 + 3 * (0.0127 * 0.9873 / worlds) ** 0.5
