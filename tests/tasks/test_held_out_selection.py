"""Templates chosen on some images and judged on others, in worlds where each template's answers are written out."""

from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pytest

from clipbench.errors import UserError
from clipbench.stats.paired import paired_difference
from clipbench.tasks.base import ArrayFeatures, ImageSet
from clipbench.tasks.classify.zero_shot import ZeroShot, ZeroShotSettings
from clipbench.tasks.holdout import shuffled_by_id
from clipbench.tasks.prompt_sensitivity.greedy_ensemble import forward_selection, images_within_budget, search
from clipbench.tasks.prompt_sensitivity.held_out_selection import second_half
from clipbench.tasks.prompt_sensitivity.prompt_sensitivity import PromptSensitivity, PromptSensitivitySettings
from clipbench.tasks.prompted import PromptedClasses

SETTINGS = PromptSensitivitySettings(task="prompt_sensitivity", datasets=("toys",))
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


@pytest.fixture
def world(make_inputs, facts):
    """world(test=ImageSet, val=ImageSet, ...): inputs and prompts of the first templates."""

    def make(**sets):
        templates = next(iter(sets.values())).features["projected"].shape[1] // 2
        strings = tuple(tuple(one.replace("{}", name) for one in TEMPLATES[:templates]) for name in CLASSES)
        directions = np.eye(2 * templates)
        texts = {
            strings[label][place]: directions[2 * place + label] for place, label in product(range(templates), range(2))
        }
        inputs = make_inputs(np.ones((1, 2 * templates)), texts, facts(CLASSES, splits=tuple(sets)))
        prompts = PromptedClasses("wording", "", CLASSES, strings, TEMPLATES[:templates])
        return replace(inputs, sets=sets), prompts

    return make


def evaluated(inputs, prompts, settings=SETTINGS):
    outcome = PromptSensitivity().evaluate(inputs, settings, prompts)
    return outcome, {metric.name: metric for metric in outcome.metrics}


def test_a_template_best_on_validation_and_not_on_test(world):
    validation = image_set([[1, 1, -1], [1, 1, -1], [1, -1, -1], [-1, -1, 1]], [0, 1, 0, 1], "val")
    tested = image_set([[1, 1, -1], [-1, 1, 1], [-1, 1, -1], [-1, 1, 1]], [0, 0, 1, 1])
    outcome, found = evaluated(*world(test=tested, val=validation))
    chosen = found["chosen_top1"]
    assert (chosen.value, chosen.n, chosen.interval.kind) == (0.25, 4, "wilson")
    assert chosen.params == {"template": "a {}", "chosen_on": "val"}
    assert (found["best"].value, found["best"].params["template"]) == (1.0, "the {}")
    assert found["optimism"].value == 0.75
    expected = paired_difference(np.array([True] * 4), np.array([True, False, False, False]))
    assert (found["optimism"].value, found["optimism"].interval) == expected
    assert found["chosen_gain"].value == pytest.approx(0.25 - 7 / 12)
    # Of 4 validation images the best template has 3, and no second one makes it more.
    assert (found["greedy_top1"].value, found["greedy_top1"].params["templates"]) == (0.25, "a {}")
    table = outcome.tables["choice"].set_index("how")
    assert table["top1"].tolist() == pytest.approx([0.25, 0.25, 1.0, 7 / 12, found["ensemble_top1"].value])
    assert table.loc["best on validation", ["templates", "chosen_on"]].tolist() == ["a {}", "val"]
    assert table.loc["best on test (optimistic)", ["templates", "chosen_on"]].tolist() == ["the {}", "test"]
    assert table.loc["mean of templates", ["templates", "chosen_on"]].tolist() == ["all 3", ""]
    assert outcome.notes[3] == (
        "A template chosen on val has 25.0 % on test: 75.0 points below the best one there, 33.3 below the mean of all."
    )
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
    assert found["optimism"].value == 0.5
    assert found["greedy_top1"].value == 0
    assert found["chosen_top1"].params == {
        "template": "a {} | the {}",
        "chosen_on": "the other half of test (two-fold cross-fitting)",
    }
    assert outcome.tables["choice"]["how"][0] == "best by cross-fitting"
    assert any("toys has no validation split" in note for note in outcome.notes)


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
    sizes = np.array([np.bincount(labels[of], minlength=3) for of in (second, ~second)])
    assert (np.abs(sizes[0] - sizes[1]) <= 1).all()
    assert abs(int(np.diff(sizes.sum(axis=1))[0])) == 1
    order = random.permutation(101)
    assert (second_half([ids[row] for row in order], labels[order]) == second[order]).all()


def greedy_by_hand(margins, first=None):
    """Return the ensemble that forward selection finds, with every step tried out."""

    def right(some):
        return np.count_nonzero(margins[:, some].sum(axis=1) > 0)

    chosen = [max(range(margins.shape[1]), key=lambda one: right([one])) if first is None else first]
    while True:
        left = [one for one in range(margins.shape[1]) if one not in chosen]
        best = max(left, key=lambda one: right([*chosen, one]), default=None)
        if best is None or right([*chosen, best]) <= right(chosen):
            return chosen
        chosen.append(best)


@pytest.mark.parametrize("budget", [1 << 24, 0], ids=["cosines held", "cosines computed anew"])
@pytest.mark.parametrize("seed", range(4))
def test_greedy_selection_is_that_of_every_step_tried_out(world, seed, budget, monkeypatch):
    monkeypatch.setattr("clipbench.tasks.prompt_sensitivity.greedy_ensemble.BUDGET", budget)
    # Images come in several chunks.
    monkeypatch.setattr("clipbench.tasks.prompt_sensitivity.greedy_ensemble.rows_within_budget", lambda *_: 17)
    random = np.random.default_rng(seed)
    drawn = {split: random.normal(0.3, 1, (60, 4)) for split in ("val", "test")}
    labels = random.integers(0, 2, 60)
    inputs, prompts = world(**{split: image_set(margins, labels, split) for split, margins in drawn.items()})
    _, found = evaluated(inputs, prompts)
    chosen = greedy_by_hand(drawn["val"])
    assert len(chosen) > 1
    assert found["greedy_top1"].params["templates"] == " + ".join(TEMPLATES[place] for place in chosen)
    assert found["greedy_top1"].value == np.mean(drawn["test"][:, chosen].sum(axis=1) > 0)
    # No ensemble of a step is better than the best of all of them.
    every = [np.flatnonzero(mask) for mask in product([0, 1], repeat=4) if any(mask)]
    most = max(np.mean(drawn["val"][:, some].sum(axis=1) > 0) for some in every)
    assert np.mean(drawn["val"][:, chosen].sum(axis=1) > 0) <= most
    together = replace(prompts, strings=tuple(tuple(of[place] for place in sorted(chosen)) for of in prompts.strings))
    alone = ZeroShot().evaluate(inputs, ZeroShotSettings(task="zero_shot", datasets=("toys",)), together)
    assert found["greedy_top1"].value == next(metric.value for metric in alone.metrics if metric.name == "top1")


def test_cross_fitted_ensembles_are_chosen_on_one_half_and_judged_on_the_other(world):
    random = np.random.default_rng(11)
    margins, labels = random.normal(0.3, 1, (80, 4)), random.integers(0, 2, 80)
    second = second_half([f"image-{row}" for row in range(80)], labels)
    _, found = evaluated(*world(test=image_set(margins, labels)))
    right = np.empty(80, bool)
    for part in (second, ~second):
        right[~part] = margins[~part][:, greedy_by_hand(margins[part])].sum(axis=1) > 0
    assert found["greedy_top1"].value == right.mean()


def test_forward_selection_by_hand():
    gains = {(0, 1): 7, (1, 2): 9, (1, 3): 9, (0, 1, 2): 9, (1, 2, 3): 8}
    asked = []

    def right(masks):
        asked.append(len(masks))
        return np.array([gains[tuple(np.flatnonzero(mask))] for mask in masks])

    # The earlier of two equal second ones; a third gains nothing.
    single = np.array([5, 6, 6, 1])
    assert forward_selection(single, 1, right, 9) == ((1, 2), True)
    assert asked == [3, 2]
    assert forward_selection(single, 1, right, 1) == ((1, 2), False)
    assert forward_selection(np.array([1, 2]), 1, lambda masks: np.array([3]), 1) == ((1, 0), True)


def test_images_of_a_search():
    assert images_within_budget(10_000, 10, 80) == 10_000
    assert images_within_budget(25_000, 1000, 80) == (1 << 30) // (1000 * 80 * 10) == 1342
    assert images_within_budget(1000, 10, 2, budget=20 * 300) == 300  # one step is all that two templates have
    assert images_within_budget(1000, 10, 2, budget=20 * 199) == 0
    assert images_within_budget(100, 10, 2, budget=20 * 100) == 100


def limited(monkeypatch, scores):
    monkeypatch.setattr("clipbench.tasks.prompt_sensitivity.held_out_selection.search", partial(search, budget=scores))


def test_a_search_beyond_its_budget_looks_at_images_that_templates_differ_about(world, monkeypatch):
    random = np.random.default_rng(4)
    margins = random.normal(0.3, 1, (900, 4))
    labels = random.integers(0, 2, 900)
    sets = {split: image_set(margins, labels, split) for split in ("test", "val")}
    differ = (margins > 0).any(axis=1) & (margins < 0).any(axis=1)
    assert 600 < differ.sum() < 900
    # They are gathered from several chunks.
    monkeypatch.setattr("clipbench.tasks.prompt_sensitivity.greedy_ensemble.rows_within_budget", lambda *_: 7)
    monkeypatch.setattr("clipbench.tasks.prompt_sensitivity.ensemble_curve._READ", 5)
    # Room for all of these, but not for all images: the same choice as with room for everything.
    limited(monkeypatch, 899 * 2 * 4 * 3)
    outcome, found = evaluated(*world(**sets))
    chosen = greedy_by_hand(margins[differ])
    assert found["greedy_top1"].params["templates"] == " + ".join(TEMPLATES[place] for place in chosen)
    assert found["greedy_top1"].n == 900
    assert found["greedy_top1"].value == np.mean(margins[:, chosen].sum(axis=1) > 0)
    assert any(f"looked at {differ.sum()} images that some templates" in note for note in outcome.notes)
    # Room for some: those that come first by their ids' hash, whatever their order.
    limited(monkeypatch, 250 * 2 * 4 * 3)
    outcome, found = evaluated(*world(**sets))
    first = np.flatnonzero(differ)[shuffled_by_id([f"val-{row}" for row in np.flatnonzero(differ)], 0)[:250]]
    best = int((margins > 0).sum(axis=0).argmax())
    chosen = greedy_by_hand(margins[first], best)
    assert len(chosen) > 1
    assert found["greedy_top1"].params["templates"] == " + ".join(TEMPLATES[place] for place in chosen)
    assert any("looked at 250 images" in note for note in outcome.notes)


def test_a_search_that_has_no_room_is_left_out_or_stopped_with_a_note(world, monkeypatch):
    random = np.random.default_rng(1)
    sets = {split: image_set(random.normal(0.3, 1, (300, 4)), [0, 1] * 150, split) for split in ("test", "val")}
    limited(monkeypatch, 199 * 2 * 4 * 3)
    outcome, found = evaluated(*world(**sets))
    assert found["greedy_top1"].value is None
    assert found["chosen_top1"].value is not None
    assert "greedy ensemble" not in outcome.tables["choice"]["how"].tolist()
    assert any("selection is left out" in note for note in outcome.notes)
    monkeypatch.setattr("clipbench.tasks.prompt_sensitivity.greedy_ensemble._STEPS", 1)
    limited(monkeypatch, 300 * 2 * 4)
    outcome, found = evaluated(*world(**sets))
    assert found["greedy_top1"].params["templates"].count(" + ") == 1
    assert any("stopped before its end" in note for note in outcome.notes)
    assert not any("looked at" in note for note in outcome.notes)


def test_a_search_on_a_sample_of_which_templates_say_the_same(world, monkeypatch):
    limited(monkeypatch, 250 * 2 * 3 * 2)
    _, found = evaluated(*world(test=image_set(np.ones((600, 3)), [0, 1] * 300)))
    assert found["greedy_top1"].params["templates"] == "a {}"


def test_templates_that_are_all_alike_leave_nothing_to_choose(world):
    tested = image_set(np.ones((6, 3)), [0, 1] * 3)
    _, found = evaluated(*world(test=tested))
    assert (found["optimism"].value, found["optimism"].interval.kind) == (0, "score")
    assert (found["chosen_gain"].value, found["chosen_gain"].interval.kind) == (0, "score")
    assert found["chosen_top1"].params["template"] == "a {}"


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
    settings = SETTINGS.model_copy(update={"val_split": named})
    needs = PromptSensitivity().needs(settings, facts(CLASSES, splits=splits), model(), prompts)
    assert needs.splits == expected
    counts = dict.fromkeys(expected, 100)
    more = dict.fromkeys(expected, 200)
    assert needs.memory(more, 8) - needs.memory(counts, 8) == 32 * 4 * 100 * len(expected)


def test_the_evaluated_split_may_itself_be_a_validation_split(facts, model, world):
    _, prompts = world(test=image_set([[1, 1]], [0]))
    settings = SETTINGS.model_copy(update={"split": "val"})
    needs = PromptSensitivity().needs(settings, facts(CLASSES, splits=("train", "val")), model(), prompts)
    assert needs.splits == ("val",)


@pytest.mark.parametrize(("named", "problem"), [("test", "tested on, 'test'"), ("vall", "no split 'vall'")])
def test_a_validation_split_that_cannot_be_used_is_refused(facts, model, world, named, problem):
    _, prompts = world(test=image_set([[1, 1]], [0]))
    settings = SETTINGS.model_copy(update={"val_split": named})
    with pytest.raises(UserError) as caught:
        PromptSensitivity().needs(settings, facts(CLASSES, splits=("val", "test")), model(), prompts)
    assert problem in caught.value.problem
    assert caught.value.where == "toys"
