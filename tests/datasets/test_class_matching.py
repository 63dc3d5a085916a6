"""Which classes two data sets share."""

from __future__ import annotations

import pytest

from clipbench.datasets.classes.matching import match_classes
from clipbench.errors import UserError

REFERENCE = ("cat", "dog", "fox", "hen")


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
