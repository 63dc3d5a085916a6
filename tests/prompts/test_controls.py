"""Control families: templates that are there to be worse are measured apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipbench.prompts.filling import prompts_for
from clipbench.prompts.sets import load_prompt_set
from clipbench.tasks.prompts import InlinePrompts

from .test_sets import FROGS, HEAD, Classes, load, message

FAMILIES = {"article": ("a {}.", "the {}."), "negation": ("a {}.", "no {}.", "not a {}."), "noise": ("a {}.", "q {}.")}


def test_controls_leave_the_templates_and_stay_in_their_families() -> None:
    inline = InlinePrompts(name="c", families=FAMILIES, controls=("negation", "noise"))
    filled = prompts_for(inline, dataset=FROGS)
    assert filled.templates == ("a {}.", "the {}.")
    assert filled.controls == ("no {}.", "not a {}.", "q {}.")
    assert filled.families == {"article": (0, 1), "negation": (0, 2, 3), "noise": (0, 4)}
    assert filled.strings == (("a frog.", "the frog."), ("a toad.", "the toad."))


def test_what_also_stands_elsewhere_is_no_control() -> None:
    families = {"negation": ("a {}.", "no {c}.", "not a {}.", "one {}."), "number": ("a {}.", "one {}.")}
    inline = InlinePrompts(name="c", templates=("no {}.",), families=families, controls=("negation",))
    filled = prompts_for(inline, dataset=FROGS)
    assert filled.templates == ("no {}.", "a {}.", "one {}.")
    assert filled.controls == ("not a {}.",)
    assert filled.families == {"negation": (1, 0, 3, 2), "number": (1, 2)}


def test_the_plain_template_of_a_control_family_counts() -> None:
    inline = InlinePrompts(name="c", templates=("{}",), families={"noise": FAMILIES["noise"]}, controls=("noise",))
    filled = prompts_for(inline, dataset=FROGS)
    assert (filled.templates, filled.controls) == (("{}", "a {}."), ("q {}.",))


def test_a_file_says_the_same_as_a_set_in_place(tmp_path: Path) -> None:
    families = "families: {article: ['a {}.', 'the {}.'], noise: ['a {}.', 'q {}.']}\ncontrols: [noise]\n"
    prompts = load(tmp_path, HEAD + families)
    assert prompts.templates == ("a {}.", "the {}."), "those that are averaged"
    filled = prompts_for(prompts, dataset=FROGS)
    assert (filled.templates, filled.controls) == (("a {}.", "the {}."), ("q {}.",))
    own = load(tmp_path, HEAD + "templates_from: dataset\n" + families)
    beside = prompts_for(own, dataset=Classes("frog", templates=("a wild {}.",)))
    assert (beside.templates, beside.controls) == (("a wild {}.", "a {}.", "the {}."), ("q {}.",))
    assert beside.families == {"article": (1, 2), "noise": (1, 3)}


def test_beside_descriptions_there_are_no_controls() -> None:
    inline = InlinePrompts(name="c", families=FAMILIES, controls=("noise",), descriptions={"toad": ("a dry animal",)})
    mixed = prompts_for(inline, dataset=FROGS)
    assert (mixed.controls, mixed.families, mixed.strings[1]) == ((), {}, ("a dry animal",))
    assert "q frog." not in mixed.strings[0]


def test_the_packaged_wording_set_has_controls() -> None:
    wording = load_prompt_set("wording")
    assert wording.controls == ("negation", "noise")
    filled = prompts_for(wording, dataset=FROGS)
    assert {*wording.families["negation"][1:], *wording.families["noise"][1:]} == set(filled.controls)
    assert not set(filled.controls) & set(filled.templates)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("controls: [negaton]\n", "mine.yaml:4: controls[0]: unknown family 'negaton'; did you mean 'negation'?"),
        ("controls: [negation, negation]\n", "mine.yaml:4: controls[1]: 'negation' is there twice; delete one"),
        ("controls: negation\n", "mine.yaml:4: controls: expected a list, got 'negation'; write [negation]"),
        ("controls: [article, negation]\n", "mine.yaml:4: controls: every family is a control, and no template is "
                                            "left to average; write those that count under templates"),
    ],
)  # fmt: skip
def test_broken_file_gives_exactly_its_message(tmp_path: Path, text: str, expected: str) -> None:
    families = "families: {article: ['a {}.', 'the {}.'], negation: ['a {}.', 'no {}.']}\n"
    assert message(tmp_path, HEAD + families + text) == expected
    if "every family" in expected:
        assert load(tmp_path, HEAD + families + text + "templates: ['{}']\n").templates == ("{}", "a {}.")


def test_controls_need_families(tmp_path: Path) -> None:
    assert message(tmp_path, HEAD + "templates: ['{}']\ncontrols: [noise]\n") == (
        "mine.yaml:4: controls[0]: unknown family 'noise'; there are none to choose from"
    )
