"""Prompt sets as they are read: which classes they suit, and what the tests of prompts share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from clipbench.datasets.base import Dataset, DatasetInfo, Split
from clipbench.prompts.sets import PromptSet, load_prompt_set
from clipbench.tasks.prompts import InlinePrompts

HEAD = "name: mine\nsource: ours\n"
TEMPLATE = "templates: ['a {}.']\n"
GERMAN = "translations: {German: {templates: ['ein {}'], names: {frog: Frosch}}}\n"


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


def inline(*templates: str, **keys: object) -> InlinePrompts:
    return InlinePrompts.model_validate({"name": "n", "templates": templates, **keys})


@pytest.mark.parametrize(
    ("text", "classes", "fits"),
    [
        ("synonyms: {frog: [rana]}\n", ("frog",), False),  # of the names one may be missing
        ("synonyms: {frog: [rana]}\nclasses: [frog, toad]\n", ("toad",), True),
        # Translations and families are there to be compared.
        (f"classes: [frog]\n{GERMAN}", ("frog",), False),
        ("families: {article: ['a {}.', 'the {}.']}\n", ("frog",), False),
        ("synonyms_from: torchvision:imagenet\n", ("tench", "goldfish"), True),
        ("synonyms_from: torchvision:imagenet\n", ("tench", "frogg"), False),
    ],
)
def test_which_classes_a_set_suits(text: str, classes: tuple[str, ...], fits: bool, tmp_path: Path) -> None:
    assert load(tmp_path, HEAD + TEMPLATE + text).fits(classes) == fits


def test_where_every_family_is_a_control_the_set_needs_templates_of_its_own(tmp_path: Path) -> None:
    families = "families: {negation: ['a {}.', 'no {}.']}\ncontrols: [negation]\n"
    assert load(tmp_path, f"{HEAD}{families}templates: ['{{}}']\n").templates == ("{}", "a {}.")
