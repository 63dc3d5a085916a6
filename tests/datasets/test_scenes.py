"""Generated scenes: what is drawn is what the labels say, in every split, on every machine."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest
from scipy import ndimage

from clipbench.arrays import BoolArray
from clipbench.datasets.adapters.scenes.attributes import ATTRIBUTES, COMBINATIONS, STYLES, Dice, scenery_at
from clipbench.datasets.adapters.scenes.scenes import Scenes, draw_scenes, split_of
from clipbench.datasets.decoding import decode
from clipbench.errors import UserError

from .conftest import examples as read

# Known digests: a change here means that GENERATOR has to be counted up.
DIGESTS = {
    "plain": "26a3192fda44ad71",
    "outlined": "092753d48d855f75",
    "shaded": "d290700f6eee7dd2",
    "sketch": "376ed4a62c96a1f6",
    "noise": "12d73a097c3f0844",
    "negative": "bd6b1a16f7ee464b",
    "texture": "9e781e7196706216",
}


@pytest.mark.parametrize("style", STYLES)
def test_pictures_are_48_pixel_ppm_files_that_stay_the_same(style):
    (example,) = read(Scenes(styles=style, n=1, seed=7))
    assert example.image.startswith(b"P6\n48 48\n255\n")
    assert decode(example.image).size == (48, 48)
    assert hashlib.sha256(example.image).hexdigest()[:16] == DIGESTS[style]


def test_the_pictures_do_not_depend_on_the_label():
    shape, caption = read(Scenes(by="shape", n=40)), read(Scenes(by="caption", n=40))
    assert [(e.id, e.image) for e in shape] == [(e.id, e.image) for e in caption]
    assert shape[0].captions == ()
    assert caption[0].label is None
    assert len(caption[0].captions) == 2


def test_no_picture_occurs_in_two_splits_whatever_the_seeds_and_styles():
    drawn = {
        split: {image.tobytes() for seed in (0, 1) for image in draw_scenes(split, seed, np.arange(150), STYLES)[1]}
        for split in ("train", "val", "test")
    }
    assert all(len(images) == 300 for images in drawn.values())
    for split, images in drawn.items():
        assert {split_of(np.frombuffer(image, np.uint8)) for image in images} == {split}
    assert len(set.union(*drawn.values())) == 900


def test_any_picture_can_be_drawn_alone():
    split = Scenes(styles=("plain", "noise"), n=1100).split("test")
    pictures = {example.id: example.image for shard in split.shards() for example in shard}
    assert len(pictures) == split.count == 1100
    for name in ("000000", "000129", "001099"):
        assert split.image(name).tobytes() == decode(pictures[name]).tobytes()
    for name in ("001100", "5", "x", "-00001"):
        with pytest.raises(KeyError):
            split.image(name)


def test_keys_are_those_of_the_pictures():
    scenes = Scenes(by="count", n=200)
    assert list(scenes.split("val").keys()) == [(e.id, e.label) for e in read(scenes, "val")]


def test_the_locator_changes_with_every_setting():
    settings = [{}, {"by": "colour"}, {"styles": "sketch"}, {"n": 999}, {"seed": 2}]
    locators = [Scenes(**setting).split("test").locator() for setting in settings]
    assert len({*locators, Scenes().split("val").locator()}) == 6
    assert Scenes().split("test").locator() == locators[0]


@pytest.mark.parametrize("by", [*ATTRIBUTES, "style"])
def test_labels_name_the_class_that_the_groups_show_and_are_balanced(by):
    scenes = Scenes(by=by, styles=("plain", "noise"), n=960)
    keys = list(scenes.split("test").keys())
    first = next(iter(scenes.split("test").shards()[0]))
    assert scenes.classes[first.label] == first.groups[by]
    counts = Counter(label for _, label in keys)
    assert len(counts) == len(scenes.classes)
    expected = 960 / len(scenes.classes)
    assert all(abs(count - expected) <= 0.1 * expected for count in counts.values())
    assert all("{}" in template for template in scenes.templates)


def test_attributes_are_not_entangled():
    codes = scenery_at("test", 1, np.arange(4000), ("plain",)).codes
    names = list(codes)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            shape = len(ATTRIBUTES[one]), len(ATTRIBUTES[other])
            table = np.zeros(shape)
            np.add.at(table, (codes[one], codes[other]), 1)
            assert table.min() > 0.5 * 4000 / np.prod(shape), (one, other)


def test_every_combination_comes_once_before_one_comes_again():
    codes = scenery_at("train", 3, np.arange(COMBINATIONS), ("plain",)).codes
    assert len(set(zip(*(values.tolist() for values in codes.values()), strict=True))) == COMBINATIONS


def test_styles_take_turns_and_show_the_same_attributes():
    found = read(Scenes(styles=("plain", "sketch"), n=20))
    assert [e.groups["style"] for e in found[:4]] == ["plain", "sketch", "plain", "sketch"]
    for plain, sketch in zip(found[0::2], found[1::2], strict=True):
        assert {**plain.groups, "style": ""} == {**sketch.groups, "style": ""}


def saturated(example) -> BoolArray:
    """The pixels of the coloured objects; house and grounds are grey."""
    pixels = np.array(decode(example.image)).astype(int)
    return pixels.max(axis=2) - pixels.min(axis=2) > 42


def house(example) -> BoolArray:
    pixels = np.array(decode(example.image)).astype(int)
    return (pixels == 25).all(axis=2) | (pixels == 243).all(axis=2)


@pytest.fixture(scope="module")
def on_white():
    return [e for e in read(Scenes(n=1200)) if e.groups["background"] == "white"]


def test_as_many_objects_are_drawn_as_the_label_says(on_white):
    right = [
        ndimage.label(saturated(e), np.ones((3, 3)))[1] == ATTRIBUTES["count"].index(e.groups["count"]) + 1
        for e in on_white
    ]
    # A house that covers a small object's thin part may split it in two.
    assert np.mean(right) > 0.97


def test_objects_and_house_stand_as_the_relation_and_the_distance_say(on_white):
    ways = {name: [] for name in ATTRIBUTES["distance"]}
    for e in on_white:
        objects, walls = saturated(e), house(e)
        y, x = (np.mean(axis) for axis in np.nonzero(objects))
        house_y, house_x = (np.mean(axis) for axis in np.nonzero(walls))
        seen = {"left of": house_x - x, "right of": x - house_x, "above": house_y - y, "below": y - house_y}
        assert seen[e.groups["relation"]] > 2
        ways[e.groups["distance"]].append(ndimage.distance_transform_edt(~walls)[objects].min())
    assert np.quantile(ways["touching"], 0.95) < np.quantile(ways["close to"], 0.05)
    assert max(ways["close to"]) < min(ways["far from"])


def test_large_objects_are_larger(on_white):
    area = {"small": [], "large": []}
    for e in on_white:
        if e.groups["shape"] == "circle":
            count = ATTRIBUTES["count"].index(e.groups["count"]) + 1
            area[e.groups["size"]].append(saturated(e).sum() / count)
    assert max(area["small"]) < min(area["large"])


def test_captions_say_what_is_drawn():
    example = read(Scenes(by="caption", n=1))[0]
    words = dict(example.groups)
    assert set(words) == {*ATTRIBUTES, "style"}
    for caption in example.captions:
        for name in ("shape", "colour", "count", "size", "background", "relation", "distance"):
            assert words[name].split()[0] in caption


def test_captions_of_a_split_differ():
    captions = [caption for e in Scenes(by="caption", n=1000).split("test").read(range(1000)) for caption in e.captions]
    assert len(set(captions)) == 2000


def test_dice_depend_on_each_coordinate_and_name_and_cover_their_range():
    rolls = Dice(1, 2, np.arange(6000)).roll("a", 6)
    assert np.bincount(rolls).min() > 880
    assert (rolls != Dice(1, 2, np.arange(6000)).roll("b", 6)).any()
    assert (rolls != Dice(2, 2, np.arange(6000)).roll("a", 6)).any()
    assert (rolls[17] == Dice(1, 2, np.array([17])).roll("a", 6)).all()
    assert set(Dice(0).between("c", -2, 2, (200,)).ravel().tolist()) == {-2, -1, 0, 1, 2}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"by": "shap"}, "by: unknown attribute 'shap'; did you mean 'shape'"),
        ({"styles": "scetch"}, "styles: unknown style 'scetch'; did you mean 'sketch'"),
        ({"styles": ()}, f"styles: is empty; choose from: {', '.join(STYLES)}"),
        ({"styles": ("plain", "plain")}, r"styles: a style is named twice in \['plain', 'plain'\]"),
        ({"n": 0}, "n: 0 images cannot be drawn; choose 1 to 1000000"),
        ({"seed": -1}, "seed: -1 is negative; choose 0 or more"),
        ({"by": "style"}, r"by: style needs at least two styles, not \['plain'\]"),
        ({"by": "colour", "styles": "negative"}, "by: a picture in the style 'negative' does not show its colour"),
    ],
)
def test_wrong_settings_are_explained(settings, message):
    with pytest.raises(UserError, match=f"^scenes: {message}"):
        Scenes(**settings)
