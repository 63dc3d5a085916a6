"""Packaged class tables say what their sources say, in names that the data sets have."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files

import pytest
import yaml

from clipbench.datasets.classes.imagenet import imagenet_class_names
from clipbench.datasets.classes.tables import class_table_names, load_class_table
from clipbench.errors import UserError

OBJECTNET = load_class_table("objectnet")


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


def test_a_table_cannot_be_changed():
    with pytest.raises(TypeError):
        OBJECTNET["wok"] = ("pan",)


def test_an_unknown_table_names_the_nearest():
    with pytest.raises(UserError, match=r"there is no class table 'object-net'; did you mean 'objectnet'\?"):
        load_class_table("object-net")
