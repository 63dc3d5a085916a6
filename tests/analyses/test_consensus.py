"""Images that all models get wrong, that split them, and whose labels most of them doubt."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from clipbench.analyses.rankings.consensus import Consensus, Group, consensus
from clipbench.errors import UserError

from .conftest import MadeUp

LABELS = np.array([0, 1, 2, 0, 1])


def write(world: MadeUp, predictions: dict[str, list[int]], labels: np.ndarray = LABELS) -> None:
    for model, given in predictions.items():
        correct = np.array(given) == labels
        score = np.linspace(0.9, 0.1, len(labels))
        columns = {"label": labels, "prediction": given, "correct": correct, "score": score}
        world.answers(model, correct, columns=columns)


def of(world: MadeUp, families: str, **more: object) -> Consensus:
    jobs = sorted(world.results.jobs(), key=lambda job: job.model)
    return consensus(world.results, jobs, {job.model: families[place] for place, job in enumerate(jobs)}, **more)


def ids(group: Group | None) -> list[str]:
    return [image.id for image in group.images] if group else []


FIVE = {
    "a": [1, 1, 2, 1, 0],
    "b": [1, 1, 0, 1, 0],
    "c": [1, 1, 0, 2, 1],
    "d": [1, 0, 2, 2, 2],
    "e": [1, 1, 2, 2, 1],
}


def test_groups_of_five_models_are_those_that_one_counts_by_hand(made_up: MadeUp) -> None:
    write(made_up, FIVE)
    found = of(made_up, "xxxyy")
    assert (found.n, found.families, found.models) == (5, 2, tuple("abcde"))
    # The true class of i3 is the less probable one.
    assert (found.missed.total, ids(found.missed)) == (2, ["i3", "i0"])
    assert [image.answers for image in found.missed.images] == [((2, 3), (1, 2)), ((1, 5),)]
    assert [(image.id, image.right) for image in found.split.images] == [("i4", 2), ("i2", 3)]
    assert [(image.id, image.answers, image.families) for image in found.doubted.images] == [("i0", ((1, 5),), 2)]


def test_pictured_images_come_first_and_no_more_than_asked(made_up: MadeUp) -> None:
    write(made_up, FIVE)
    found = of(made_up, "xxxyy", pictured=["i0"], most=1)
    assert (found.missed.total, ids(found.missed)) == (2, ["i0"])


def test_labels_are_doubted_by_five_models_of_two_families_alone(made_up: MadeUp) -> None:
    write(made_up, {model: FIVE[model] for model in "abcd"})
    assert of(made_up, "xyzw").doubted is None
    write(made_up, {"e": FIVE["e"]})
    assert of(made_up, "xxxxx").doubted is None
    assert of(made_up, "xxxxy").doubted.total == 1
    write(made_up, {"f": [2, 1, 2, 0, 1], "g": [0, 1, 2, 0, 1]})
    assert ids(of(made_up, "xxxyyyy").doubted) == ["i0"]
    assert ids(of(made_up, "xxxxxyy").doubted) == []


def test_counts_are_those_of_a_plain_count_over_many_images(made_up: MadeUp) -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, 300)
    towards = np.where(generator.random(300) < 0.3, (labels + 1) % 4, labels)
    given = {m: np.where(generator.random(300) < 0.7, towards, generator.integers(0, 4, 300)) for m in "abcdefgh"}
    write(made_up, given, labels)
    found = of(made_up, "xxxxyyzz", most=300)
    doubted = {}
    for image in range(300):
        answer, count = Counter(given[model][image] for model in given).most_common(1)[0]
        if answer != labels[image] and count >= 5:
            doubted[f"i{image}"] = count
    assert {image.id: image.answers[0][1] for image in found.doubted.images} == doubted
    right = sum(given[model] == labels for model in given)
    assert (found.missed.total, found.split.total) == ((right == 0).sum(), (right == 4).sum())
    assert [image.answers[0][1] for image in found.doubted.images] == sorted(doubted.values(), reverse=True)


def test_other_labels_and_tables_without_predictions_are_refused(made_up: MadeUp) -> None:
    write(made_up, {"a": FIVE["a"]})
    with pytest.raises(UserError, match="two models"):
        of(made_up, "x")
    write(made_up, {"b": FIVE["b"]}, LABELS[::-1])
    with pytest.raises(UserError, match="other examples or labels"):
        of(made_up, "xy")
    made_up.answers("0", [True, False])
    with pytest.raises(UserError, match="taken for"):
        of(made_up, "xyz")
