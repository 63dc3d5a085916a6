"""Names of classes: which two data sets share, packaged tables of them, and ImageNet's."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files

import pytest
import yaml

from clipbench.datasets.classes.imagenet import imagenet_class_names
from clipbench.datasets.classes.matching import class_table_names, load_class_table, match_classes
from clipbench.errors import UserError

REFERENCE = ("cat", "dog", "fox", "hen")
OBJECTNET = load_class_table("objectnet")


def test_equal_lists_match_index_by_index_even_with_a_name_twice():
    names = ("missile", "crane", "missile")
    match = match_classes(names, names, {}, where="here")
    assert match.names == names
    assert match.of_reference == match.of_shift == {0: 0, 1: 1, 2: 2}


def test_classes_of_one_name_match_whatever_their_order_and_the_others_are_listed():
    match = match_classes(REFERENCE, ("hen", "yak", "cat"), {}, where="here")
    assert match.names == ("hen", "cat")
    assert match.of_reference == {0: 1, 3: 0}
    assert match.of_shift == {0: 0, 2: 1}
    assert match.unmatched_reference == ("dog", "fox")
    assert match.unmatched_shift == ("yak",)


def test_a_table_renames_joins_and_leaves_out():
    table = {"kitten": ("cat",), "canine": ("dog", "fox"), "hen": ()}
    match = match_classes(REFERENCE, ("canine", "hen", "kitten"), table, where="here")
    assert match.names == ("canine", "kitten")
    assert match.of_reference == {0: 1, 1: 0, 2: 0}
    assert match.of_shift == {0: 0, 2: 1}
    assert match.unmatched_reference == ("hen",)
    assert match.unmatched_shift == ("hen",)


def test_two_classes_of_one_name_are_one_class_where_the_lists_differ():
    match = match_classes(("crane", "dog", "crane"), ("crane", "dog"), {}, where="here")
    assert match.of_reference == {0: 0, 1: 1, 2: 0}


@pytest.mark.parametrize(
    ("shift", "table", "message"),
    [
        (("yak", "gnu"), {}, "no class has the same name in both: the reference has 'cat', 'dog', 'fox', 'hen'; the"),
        (
            ("kitten",),
            {"kiten": ("cat",)},
            "`classes` names 'kiten', which is no class of the shifted set; did you mean",
        ),
        (
            ("kitten",),
            {"kitten": ("catt",)},
            "gives 'kitten' the class 'catt', which the reference lacks; did you mean",
        ),
        (("cat", "kitten"), {"kitten": ("cat",)}, "class 'cat' is given to both 'cat' and 'kitten'"),
    ],
)
def test_what_cannot_be_matched_says_so(shift, table, message):
    with pytest.raises(UserError) as caught:
        match_classes(REFERENCE, shift, table, where="far against near")
    assert str(caught.value).startswith("far against near: ")
    assert message in str(caught.value)


def test_objectnets_113_classes_are_125_of_imagenets():
    given = [name for names in OBJECTNET.values() for name in names]
    assert len(OBJECTNET) == 113
    assert len(given) == len(set(given)) == 125
    assert set(given) <= set(imagenet_class_names())


def test_one_name_alone_stands_for_two_imagenet_classes():
    times = Counter(imagenet_class_names())
    assert [name for names in OBJECTNET.values() for name in names if times[name] > 1] == ["sunglasses"]


@pytest.mark.parametrize(
    ("theirs", "indices"),
    [
        ("alarm clock", (409, 530)),
        ("bicycle", (671, 444)),
        ("chair", (423, 559, 765)),
        ("pen", (418, 749, 563)),
        ("skirt", (601, 655, 689)),
        ("dress shoe (men)", (630,)),
        ("coffee/french press", (550,)),
        ("tv", (851,)),
    ],
)
def test_objectnets_classes_are_the_published_indices(theirs, indices):
    names = imagenet_class_names()
    assert OBJECTNET[theirs] == tuple(names[index] for index in indices)


def test_the_order_is_that_of_the_labels():
    names = list(OBJECTNET)
    assert names[:3] == ["alarm clock", "backpack", "banana"]
    assert names.index("bath towel") == names.index("frying pan") + 1  # its folder is full_sized_towel
    assert names[-1] == "wok"


@pytest.mark.parametrize("name", class_table_names())
def test_every_table_is_plain_names_without_repeats_and_names_its_source(name):
    text = files("clipbench.datasets.classes").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    assert "# Source:" in text
    assert "# Licence" in text
    keys = [key.value for key, _ in yaml.compose(text).value]
    assert keys == list(load_class_table(name))
    assert all(names and all(isinstance(one, str) for one in names) for names in load_class_table(name).values())


def test_an_unknown_table_names_the_nearest():
    with pytest.raises(UserError, match=r"there is no class table 'object-net'; did you mean 'objectnet'\?"):
        load_class_table("object-net")


def test_imagenet_has_a_thousand_names_with_two_known_pairs():
    names = imagenet_class_names()
    assert (len(names), names[0]) == (1000, "tench")
    twice = {name: [i for i, other in enumerate(names) if other == name] for name in names if names.count(name) > 1}
    assert twice == {"missile": [657, 744], "sunglasses": [836, 837]}
