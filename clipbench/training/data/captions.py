"""Captions to train on: wordings of what a scene or a digit shows, most of them telling only a part."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from random import Random
from typing import Final

from clipbench.datasets.adapters.digits import CLASSES, Digits
from clipbench.datasets.adapters.scenes.attributes import ATTRIBUTES, STYLES, TRAINED_STYLES, captions_of
from clipbench.datasets.adapters.scenes.scenes import TEMPLATES

_OPENINGS: Final = (
    "a photo of",
    "a picture of",
    "an image of",
    "a drawing of",
    "a rendering of",
    "an illustration of",
    "a photograph of",
    "a painting of",
    "this is",
    "there is",
    "we see",
    "a good photo of",
    "a bad photo of",
    "a blurry photo of",
    "a clear picture of",
    "a simple drawing of",
    "a cropped photo of",
    "a low resolution photo of",
    "a computer graphic of",
)
_STYLED: Final = {
    "plain": ("a plain picture of", "a plain drawing of"),
    "outlined": ("an outlined picture of", "a drawing with outlines of"),
    "shaded": ("a shaded picture of", "a drawing in uneven light of"),
}
_NOUNS: Final = ("shape", "object", "thing")
_SIDES: Final = {
    "left of": ("left of", "to the left of", "on the left of"),
    "right of": ("right of", "to the right of", "on the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
_WAYS: Final = {
    "touching": ("touching", "right at"),
    "close to": ("close to", "near"),
    "far from": ("far from", "far away from"),
}
_DIGITS: Final = (
    "the digit {}",
    "a handwritten {}",
    "a handwritten digit {}",
    "the handwritten number {}",
    "the number {}",
    "a digit {}",
    "digit {} in white on black",
    "a {}",
    "{}",
)


def scene_caption(words: Mapping[str, str], random: Random) -> str:
    """Describe a scene (as `Scenery.describe` gives it): always its objects, every other time where they are."""
    things = _things(words, random)
    at_length = random.random() < 0.5
    place = _place(words, random) if at_length else ""
    ground = ""
    if at_length and random.random() < 0.5:
        ground = random.choice((" on a {} background", ", {} background", " on {}")).format(words["background"])
    if random.random() < 0.1:
        opening = random.choice(_STYLED[words["style"]]) + " "
    else:
        opening = random.choice(_OPENINGS) + " " if random.random() < 0.5 else ""
    return _finish(opening + things + place + ground, random)


def _things(words: Mapping[str, str], random: Random) -> str:
    noun = words["shape"] if random.random() < 0.85 else random.choice(_NOUNS)
    colour = words["colour"] if random.random() < 0.7 else ""
    size = words["size"] if random.random() < 0.3 else ""
    if words["count"] == "one":
        number = random.choice(("a", "a", "the", "one", ""))
    else:
        noun += "s"
        number = words["count"] if random.random() < 0.5 else random.choice(("", "some"))
    return " ".join(part for part in (number, size, colour, noun) if part)


def _place(words: Mapping[str, str], random: Random) -> str:
    side = random.choice(_SIDES[words["relation"]]) if random.random() < 0.5 else ""
    way = random.choice(_WAYS[words["distance"]]) if random.random() < 0.5 else ""
    house = random.choice(("the house", "a house"))
    if side and way:
        first, second = random.choice(((side, way), (way, side)))
        return f" {first} {house}{random.choice((' and', ','))} {second} it"
    if side or way:
        return f" {side or way} {house}"
    return random.choice((f" and {house}", f" with {house}")) if random.random() < 0.1 else ""


def digit_caption(label: int, random: Random) -> str:
    """Describe a digit."""
    opening = random.choice(_OPENINGS) + " " if random.random() < 0.4 else ""
    return _finish(opening + random.choice(_DIGITS).format(CLASSES[label]), random)


def _finish(caption: str, random: Random) -> str:
    """Add a full stop to every other caption, and to some a word that means nothing.

    The nonsense teaches the model to overlook words that it does not know, which reach it as characters.
    """
    if random.random() < 0.1:
        words = caption.split()
        nonsense = "".join(random.choice(string.ascii_lowercase) for _ in range(random.randint(2, 8)))
        words.insert(random.randint(0, len(words)), nonsense)
        caption = " ".join(words)
    return caption + "." if random.random() < 0.5 else caption


def known_words() -> set[str]:
    """Return every word that a caption, a class name or a template of scenes and digits may hold."""
    scene = {name: values[0] for name, values in ATTRIBUTES.items()}
    sentences: list[str] = [*_OPENINGS, *_DIGITS, *CLASSES, *Digits.templates, *STYLES]
    for choices in (*_STYLED.values(), *_SIDES.values(), *_WAYS.values(), *TEMPLATES.values(), *ATTRIBUTES.values()):
        sentences += choices
    sentences += [noun + "s" for noun in (*_NOUNS, *ATTRIBUTES["shape"])]
    sentences += _NOUNS
    for style in TRAINED_STYLES:
        sentences += captions_of(scene | {"style": style})
    sentences += ["some", "one", "with a house", "and it"]
    return {word for sentence in sentences for word in re.findall(r"[a-z]+", sentence)}
