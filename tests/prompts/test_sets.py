"""Prompt sets: what their files may say, and the strings they make of class names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from clipbench.datasets.base import Dataset, DatasetInfo, Split
from clipbench.errors import UserError
from clipbench.prompts.filling import prompts_for
from clipbench.prompts.sets import PromptSet, load_prompt_set
from clipbench.tasks.prompts import InlinePrompts, fill


class Classes(Dataset):
    """A data set of which only the classes and templates matter."""

    def __init__(self, *classes: str, templates: tuple[str, ...] = (), prompts: str = "") -> None:
        self.classes = classes
        self.templates = templates
        self.info = DatasetInfo(name="pond", prompts=prompts)

    @property
    def splits(self) -> Mapping[str, Split]:
        return {}


FROGS = Classes("frog", "toad")


def load(folder: Path, text: str) -> PromptSet:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return load_prompt_set(str(path))


def message(folder: Path, text: str) -> str:
    with pytest.raises(UserError) as caught:
        load(folder, text)
    return str(caught.value).replace(str(folder / "mine.yaml"), "mine.yaml")


def test_every_class_gets_every_template_in_order() -> None:
    filled = prompts_for(InlinePrompts(name="two", templates=("a {}.", "the {c}.")), dataset=FROGS)
    assert filled.classes == ("frog", "toad")
    assert filled.strings == (("a frog.", "the frog."), ("a toad.", "the toad."))
    assert (filled.name, filled.source) == ("two", "written in the suite")


@pytest.mark.parametrize("name", ["{}", "{c}", "{0}", "%s", "\\1", "{name!r}", "a_b", "  spaced ", "日本"])
def test_class_names_are_data(name: str) -> None:
    assert fill("a {} and {c}.", name) == f"a {name} and {name}."
    assert prompts_for("photo", dataset=Classes(name)).strings == ((f"a photo of a {name}.",),)


def test_inline_template_is_called_by_its_text() -> None:
    filled = prompts_for("a pressed {}", dataset=FROGS)
    assert (filled.name, filled.strings) == ("a pressed {}", (("a pressed frog",), ("a pressed toad",)))


def test_descriptions_take_the_place_of_templates_for_their_class() -> None:
    inline = InlinePrompts(name="d", templates=("a {}.",), descriptions={"toad": ("a warty {}", "a dry animal")})
    assert prompts_for(inline, dataset=FROGS).strings == (("a frog.",), ("a warty toad", "a dry animal"))


FAMILIES = {"article": ("a {}.", "the {}."), "mark": ("a {c}.", "a {}", "a {}!")}


def test_templates_of_families_come_once_each_after_the_set_s_own() -> None:
    inline = InlinePrompts(name="f", templates=("{}",), families=FAMILIES)
    filled = prompts_for(inline, dataset=FROGS)
    assert filled.templates == ("{}", "a {}.", "the {}.", "a {}", "a {}!")
    assert filled.families == {"article": (1, 2), "mark": (1, 3, 4)}
    assert filled.strings[1] == ("toad", "a toad.", "the toad.", "a toad", "a toad!")


def test_families_stand_beside_a_data_set_s_own_templates(tmp_path: Path) -> None:
    prompts = load(tmp_path, HEAD + "templates_from: dataset\nfamilies: {article: ['a {}.', 'the {}.']}\n")
    filled = prompts_for(prompts, dataset=Classes("frog", templates=("a wild {}.", "a {c}.", "a {c}.")))
    assert filled.templates == ("a wild {}.", "a {c}.", "a {c}.", "the {}.")
    assert filled.families == {"article": (1, 3)}


def test_templates_are_named_only_where_every_class_has_the_same() -> None:
    assert prompts_for("photo", dataset=FROGS).templates == ("a photo of a {}.",)
    described = InlinePrompts(name="d", families=FAMILIES, descriptions={"toad": ("a dry animal",)})
    mixed = prompts_for(described, dataset=FROGS)
    assert (mixed.strings[1], mixed.templates, mixed.families) == (("a dry animal",), (), {})
    part = prompts_for(described, dataset=FROGS, classes=("frog",))
    assert part.families == {"article": (0, 1), "mark": (0, 2, 3)}


def test_own_templates_are_used_where_nothing_is_named() -> None:
    dataset = Classes("frog", templates=("a wild {}.",))
    filled = prompts_for(None, dataset=dataset)
    assert (filled.name, filled.strings) == ("own", (("a wild frog.",),))
    assert prompts_for("own", dataset=dataset) == filled


def test_declared_set_comes_before_own_templates() -> None:
    dataset = Classes("frog", templates=("a wild {}.",), prompts="photo")
    assert prompts_for(None, dataset=dataset).strings == (("a photo of a frog.",),)


def test_repeated_own_templates_stay_as_published() -> None:
    dataset = Classes("frog", templates=("a {}.", "a {}."))
    assert prompts_for(None, dataset=dataset).strings == (("a frog.", "a frog."),)


def test_nothing_named_and_no_templates_is_an_error_that_names_what_fits() -> None:
    with pytest.raises(UserError) as caught:
        prompts_for(None, dataset=FROGS)
    assert str(caught.value) == (
        "pond: has no prompt templates of its own, and no prompt set is named for it; give the task prompts: "
        "class-name, imagenet-7, imagenet-80, photo, or a template of your own such as 'a photo of a {}.'"
    )
    with pytest.raises(UserError, match="has no prompt templates of its own"):
        prompts_for("own", dataset=FROGS)


def test_a_set_made_for_the_classes_fits_too() -> None:
    with pytest.raises(UserError, match=r"imagenet-80, mnist, photo, svhn, or"):
        prompts_for(None, dataset=Classes("0", "1", "2"))


def test_captions_have_no_classes_to_prompt() -> None:
    with pytest.raises(UserError) as caught:
        prompts_for("photo", dataset=Classes())
    assert str(caught.value) == "pond: has no classes to name in prompts; is it a set of captions?"


def test_own_template_without_a_place_is_an_error() -> None:
    with pytest.raises(UserError) as caught:
        prompts_for(None, dataset=Classes("frog", templates=("a photo.",)))
    assert str(caught.value) == (
        "pond, its own templates: the template 'a photo.' has no place for the class name; write {} where it belongs"
    )


def test_description_of_no_class_gives_the_nearest() -> None:
    inline = InlinePrompts(name="d", templates=("a {}.",), descriptions={"tod": ("a warty {}",)})
    with pytest.raises(UserError) as caught:
        prompts_for(inline, dataset=FROGS)
    assert str(caught.value) == (
        "prompts 'd' on pond: descriptions.tod: 'tod' is no class of pond; did you mean 'toad'?"
    )


def test_set_for_more_classes_serves_a_subset(tmp_path: Path) -> None:
    text = "name: d\nsource: x\nclasses: [frog, newt]\ndescriptions: {frog: [green], newt: [orange]}\n"
    assert prompts_for(load(tmp_path, text), dataset=Classes("newt")).strings == (("orange",),)


def test_class_without_description_and_templates_is_an_error() -> None:
    inline = InlinePrompts(name="d", templates=(), descriptions={"toad": ("a warty {}",)})
    with pytest.raises(UserError) as caught:
        prompts_for(inline, dataset=FROGS)
    assert str(caught.value) == (
        "prompts 'd' on pond: has neither a description of 'frog' nor templates; "
        "describe them, or give templates for the classes without a description"
    )


@pytest.mark.parametrize(
    ("choice", "problem"),
    [
        ("phto", "unknown prompt set 'phto'; did you mean 'photo'?"),
        (InlinePrompts(name="none", templates=()), "prompts 'none': the prompt set is empty"),
        (InlinePrompts(name="x", families={"f": ("a {}",)}), "prompts 'x': the family has one template, 'a {}', and"),
        (InlinePrompts(name="x", templates=("a",)), "prompts 'x': the template 'a' has no place for the class name"),
        ("a {x}", "prompts: '{x}' in 'a {x}' is no place for the class name"),
    ],
)
def test_wrong_choice(choice: str | InlinePrompts, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        prompts_for(choice, dataset=FROGS)
    assert str(caught.value).startswith(problem)


HEAD = "name: mine\nsource: ours\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "mine.yaml:1: the prompt set is empty; give it templates or descriptions"),
        ("templates: []\n", "mine.yaml:1: the prompt set is empty; give it templates or descriptions"),
        ("templates: a {}.\n", "mine.yaml:3: templates: expected a list, got 'a {}.'; write ['a {}.']"),
        ("templates: 'a {}.'\n", "mine.yaml:3: templates: expected a list, got 'a {}.'; write ['a {}.']"),
        ('templates: ["a\\n{}"]\n', "mine.yaml:3: templates[0]: the template holds the control character U+000A; "
                                    "delete it"),
        ("templates: ['a {{}}']\n", "mine.yaml:3: templates[0]: '{{}}' in 'a {{}}' is no place for the class name; "
                                    "write {} or {c}"),
        ("templates: ['a {}', 'a photo']\n", "mine.yaml:3: templates[1]: the template 'a photo' has no place for the "
                                            "class name; write {} where it belongs"),
        ("templates:\n  - a {}\n  - the {}\n  - a {c}\n", "mine.yaml:6: templates[2]: 'a {c}' is there twice; "
                                                          "delete one"),
        ("templates: ['a {0}']\n", "mine.yaml:3: templates[0]: '{0}' in 'a {0}' is no place for the class name; "
                                   "write {} or {c}"),
        ("templates: ['a {} }']\n", "mine.yaml:3: templates[0]: '}' in 'a {} }' is no place for the class name; "
                                    "write {} or {c}"),
        ("templates: ['']\n", "mine.yaml:3: templates[0]: the template is empty; "
                              "delete it, or write {} for the bare class name"),
        ("templates_from: open_clip:imagenet\n", "mine.yaml:3: templates_from: unknown list of templates "
         "'open_clip:imagenet'; did you mean 'open_clip:simple-imagenet'?"),
        ("templates_from: dataset\ntemplates: ['{}']\n", "mine.yaml:3: templates_from: stands beside templates; "
                                                         "keep one of the two"),
        ("descriptions: {no: [a]}\n", "mine.yaml:3: descriptions: YAML reads the key no as true or false, and keys "
                                      "must be text; write 'no' in quotes"),
        ("descriptions: {frog: []}\n", "mine.yaml:3: descriptions.frog: there is no description; "
                                       "give at least one, or delete the key"),
        ("descriptions: {frog: [a, a]}\n", "mine.yaml:3: descriptions.frog[1]: 'a' is there twice; delete one"),
        ("descriptions: {frog: ['a {b}']}\n", "mine.yaml:3: descriptions.frog[0]: '{b}' in 'a {b}' is no place for the "
                                              "class name; write {} or {c}, or leave the braces out"),
        ("classes: [toad]\ndescriptions: {tod: [a]}\n", "mine.yaml:4: descriptions.tod: 'tod' is not among the set's "
                                                        "classes; did you mean 'toad'?"),
        ("families: {}\n", "mine.yaml:1: the prompt set is empty; give it templates or descriptions"),
        ("families: ['a {}', 'the {}']\n", "mine.yaml:3: families: expected a mapping of keys to values, got a list"),
        ("families:\n  article: []\n", "mine.yaml:4: families.article: the family is empty; "
                                       "give its plain template, then the other wordings"),
        ("families:\n  article: ['a {}']\n", "mine.yaml:4: families.article: the family has one template, 'a {}', and "
                                             "nothing to compare with it; add another wording, or write it under "
                                             "templates"),
        ("families:\n  article:\n  - a {}\n  - frog\n", "mine.yaml:6: families.article[1]: the template 'frog' has "
                                                       "no place for the class name; write {} where it belongs"),
        ("families:\n  article:\n  - a {}\n  - a {c}\n", "mine.yaml:6: families.article[1]: 'a {c}' is there twice; "
                                                        "delete one"),
        ("familes: {a: ['a {}', 'the {}']}\n", "mine.yaml:3: familes: unknown key; did you mean 'families'?"),
        ("template: ['{}']\n", "mine.yaml:3: template: unknown key; did you mean 'templates'?"),
    ],
)  # fmt: skip
def test_broken_file_gives_exactly_its_message(tmp_path: Path, text: str, expected: str) -> None:
    assert message(tmp_path, HEAD + text) == expected


def test_source_is_required(tmp_path: Path) -> None:
    assert message(tmp_path, "name: mine\ntemplates: ['{}']\n") == (
        "mine.yaml:1: the key 'source' is missing; add it (Where the prompts were published)"
    )


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such prompt file"):
        load_prompt_set("wording.yaml", tmp_path)


def test_own_set_may_rest_on_open_clips_templates(tmp_path: Path) -> None:
    prompts = load(tmp_path, HEAD + "templates_from: open_clip:simple-imagenet\ndescriptions: {toad: [a dry one]}\n")
    strings = prompts_for(prompts, dataset=FROGS).strings
    assert (len(strings[0]), strings[1]) == (7, ("a dry one",))
