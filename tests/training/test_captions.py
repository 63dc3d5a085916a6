"""Captions tell the truth, in many wordings, in words that the tokenizer knows."""

from __future__ import annotations

import re
from random import Random

import numpy as np
import pytest

from clipbench.datasets.adapters.digits import CLASSES, Digits
from clipbench.datasets.adapters.scenes.attributes import ATTRIBUTES, TRAINED_STYLES, scenery_at
from clipbench.datasets.adapters.scenes.scenes import TEMPLATES
from clipbench.training.data.captions import digit_caption, known_words, scene_caption

SCENE = {
    "shape": "star",
    "colour": "red",
    "count": "three",
    "relation": "above",
    "distance": "far from",
    "size": "small",
    "background": "grey",
    "style": "plain",
}


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def test_a_caption_never_names_what_is_not_there():
    random = Random(0)
    captions = [scene_caption(SCENE, random) for _ in range(500)]
    for name in ("shape", "colour", "count", "background"):
        false = {value for value in ATTRIBUTES[name] if value != SCENE[name]}
        false |= {value + "s" for value in false}
        assert not any(words_of(caption) & false for caption in captions), name
    false = {"below", "under", "left", "right", "close", "near", "touching"}
    assert not any(words_of(caption) & false for caption in captions)


@pytest.mark.parametrize(
    ("part", "least", "most"),
    [
        ("star", 0.7, 0.9),
        ("red", 0.6, 0.8),
        ("three", 0.4, 0.6),
        ("small", 0.2, 0.4),
        ("grey", 0.2, 0.4),
        ("far", 0.2, 0.4),
    ],
)
def test_attributes_are_mentioned_sometimes(part, least, most):
    random = Random(1)
    share = np.mean([part in scene_caption(SCENE, random) for _ in range(800)])
    assert least < share < most


def test_wordings_are_many_and_follow_the_random_state():
    captions = [scene_caption(SCENE, Random(seed)) for seed in range(200)]
    assert len(set(captions)) > 150
    assert captions == [scene_caption(SCENE, Random(seed)) for seed in range(200)]


def test_one_object_is_singular_and_several_are_plural():
    random = Random(2)
    for _ in range(200):
        one, three = scene_caption(SCENE | {"count": "one"}, random), scene_caption(SCENE, random)
        assert not words_of(one) & {"stars", "shapes", "objects", "things"}
        assert words_of(three) & {"stars", "shapes", "objects", "things"}


def test_the_digit_is_named():
    random = Random(3)
    assert all(words_of(digit_caption(7, random)) & set(CLASSES) == {"seven"} for _ in range(100))


def test_the_vocabulary_holds_every_word_but_the_nonsense():
    known, random = known_words(), Random(4)
    scenery = scenery_at("train", 0, np.arange(600), TRAINED_STYLES)
    unknown = [words_of(scene_caption(scenery.describe(row), random)) - known for row in range(600)]
    unknown += [words_of(digit_caption(label, random)) - known for label in range(10)]
    assert all(len(words) <= 1 for words in unknown)
    assert np.mean([len(words) for words in unknown]) < 0.15


def test_the_vocabulary_holds_every_prompt_of_scenes_and_digits():
    prompts = [
        template.format(value)
        for name, values in (*ATTRIBUTES.items(), ("style", TRAINED_STYLES))
        for template in TEMPLATES[name]
        for value in values
    ]
    prompts += [template.format(name) for template in Digits.templates for name in CLASSES]
    assert set().union(*map(words_of, prompts)) <= known_words()
