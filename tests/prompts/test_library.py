"""The packaged prompt sets: as published where they were, and complete for the classes that they are made for."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from clipbench.datasets.classes.imagenet import imagenet_class_names
from clipbench.prompts.filling import prompts_for
from clipbench.prompts.sets import load_prompt_set, prompt_set_names
from clipbench.prompts.tokens import count_tokens
from clipbench.suite.loading import load_suite
from clipbench.tasks.prompt_sensitivity.prompt_sensitivity import PromptSensitivitySettings
from clipbench.tasks.prompts import PLACEHOLDER, PromptedClasses

from .test_sets import Classes

MADE_FOR_CLASSES = [name for name in prompt_set_names() if load_prompt_set(name).classes]
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LANGUAGES = {"German", "French", "Spanish", "Italian", "Portuguese", "Dutch", "Russian", "Chinese", "Japanese"}
"""Of `cifar10-languages`, beside English."""


def filled(name: str, classes: tuple[str, ...] = ()) -> PromptedClasses:
    """A packaged set with the classes it is made for, or with others."""
    return prompts_for(name, dataset=Classes(*(classes or load_prompt_set(name).classes)))


@pytest.mark.parametrize("name", prompt_set_names())
def test_every_set_says_where_it_is_from_and_what_for(name: str) -> None:
    prompts = load_prompt_set(name)
    assert prompts.name == name
    assert len(prompts.source) > 10
    assert prompts.description or prompts.made_for


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("aircraft", 2), ("birdsnap", 1), ("caltech101", 34), ("cars", 8), ("cifar", 18), ("clevr-count", 1),
        ("country211", 5), ("dtd", 8), ("eurosat", 3), ("fer2013", 6), ("flowers", 1), ("food101", 1), ("gtsrb", 3),
        ("hateful-memes", 1), ("imagenet-7", 7), ("imagenet-80", 80), ("kinetics700", 28), ("kitti-distance", 1),
        ("mnist", 1), ("pcam", 1), ("pets", 1), ("renderedsst2", 1), ("resisc45", 18), ("stl10", 2), ("sun397", 2),
        ("ucf101", 48), ("voc2007", 1),
    ],
)  # fmt: skip
def test_the_papers_sets_have_as_many_templates_as_published_none_twice(name: str, count: int) -> None:
    templates = load_prompt_set(name).templates
    assert (len(templates), len(set(templates))) == (count, count)
    assert "CLIP repository" in load_prompt_set(name).source


def test_imagenet_templates_come_from_open_clip() -> None:
    assert load_prompt_set("imagenet-80").templates[0] == "a bad photo of a {}."
    assert load_prompt_set("imagenet-7").templates == (
        "itap of a {}.", "a bad photo of the {}.", "a origami {}.", "a photo of the large {}.",
        "a {} in a video game.", "art of the {}.", "a photo of the small {}.",
    )  # fmt: skip


@pytest.mark.shared_data
def test_cifar_templates_are_those_of_the_clip_repository(shared_data: Path) -> None:
    published = (shared_data / "templates" / "cifar.txt").read_text(encoding="utf-8").splitlines()
    assert [template.replace("{}", "{c}") for template in load_prompt_set("cifar").templates] == published


def test_families_of_the_wording_begin_with_the_plain_template_and_two_are_controls() -> None:
    prompts, wording = load_prompt_set("wording"), filled("wording", CIFAR)
    for families in (prompts.families, wording.families):
        assert " ".join(families) == "article plural punctuation case medium prefix negation noise"
    assert wording.templates[:2] == prompts.templates[:2] == ("a photo of a {}.", "{}")
    for templates in prompts.families.values():
        assert templates[0] == "a photo of a {}."
        assert 3 <= len(templates) <= 6
    assert prompts.controls == ("negation", "noise")
    assert set(wording.controls) == {*prompts.families["negation"][1:], *prompts.families["noise"][1:]}
    assert not set(wording.controls) & set(wording.templates)
    assert min(wording.families["negation"][1:]) >= len(wording.templates)
    assert (len(wording.controls), "not a photo of a {}." in wording.controls) == (9, True)
    assert {len(strings) for strings in wording.strings} == {len(wording.templates)} == {25}


def test_templates_for_actions_are_all_combinations_of_their_parts() -> None:
    media = ("photo", "video", "example", "demonstration")
    verbs = ("", "using ", "doing ", "during ", "performing ", "practicing ")
    assert load_prompt_set("ucf101").templates == tuple(
        f"a {medium} of {article} person {verb}{{}}." for verb, article, medium in product(verbs, ("a", "the"), media)
    )
    whom = ("", *(f"a person {verb}" for verb in verbs))
    assert load_prompt_set("kinetics700").templates == tuple(
        f"a {medium} of {who}{{}}." for medium in media for who in whom
    )


def test_facial_expressions_have_the_papers_names() -> None:
    faces = filled("fer2013")
    assert faces.classes == ("angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral")
    assert faces.names[3:] == (("happy", "smiling"), ("sad", "depressed"), ("surprised", "shocked", "spooked"),
                               ("neutral", "bored"))  # fmt: skip
    assert [len(strings) for strings in faces.strings] == [6, 6, 6, 12, 12, 18, 12]
    assert faces.strings[5][6] == "a photo of a shocked looking face."


def test_only_sets_for_photographs_of_anything_suit_any_classes() -> None:
    anything = {name for name in prompt_set_names() if load_prompt_set(name).fits(("frog", "newt"))}
    assert anything == {"class-name", "imagenet-7", "imagenet-80", "photo"}


@pytest.mark.parametrize("name", MADE_FOR_CLASSES)
def test_no_class_lacks_a_string_and_no_string_a_name_or_room(name: str) -> None:
    prompts = filled(name)
    controls = [control.replace("{}", cls) for control in prompts.controls for cls in prompts.classes]
    texts = [*(text for strings in prompts.strings for text in strings), *controls]
    assert all(prompts.strings)
    assert not [text for text in texts if PLACEHOLDER.search(text)]
    assert not [text for text, count in count_tokens(texts).by_text.items() if count.cut]


@pytest.mark.parametrize("name", [name for name in MADE_FOR_CLASSES if load_prompt_set(name).made_for])
def test_no_two_classes_share_a_string(name: str) -> None:
    strings = [set(texts) for texts in filled(name).strings]
    assert sum(map(len, strings)) == len(set().union(*strings))


def test_cifar10_names_begin_with_the_classs_own_and_are_no_other_classs() -> None:
    names = filled("cifar10-names").names
    assert tuple(of_class[0] for of_class in names) == CIFAR
    assert {len(of_class) for of_class in names} <= {2, 3, 4, 5}
    flat = [name for of_class in names for name in of_class]
    assert len(flat) == len(set(flat))
    assert "car" in names[1]
    assert filled("cifar10-names", ("frog", "ship")).names[1][:2] == ("ship", "boat")


def test_imagenet_names_are_the_curated_ones_and_wordnets() -> None:
    prompts = filled("imagenet-names", imagenet_class_names())
    assert tuple(names[0] for names in prompts.names) == imagenet_class_names()
    assert sum(len(names) == 2 for names in prompts.names) == 362
    assert (prompts.names[0], prompts.names[7]) == (("tench",), ("rooster", "cock"))
    assert prompts.strings[7][7] == "itap of a cock."


def test_every_language_names_every_class_and_no_two_alike() -> None:
    prompts = filled("cifar10-languages")
    assert prompts.templates[0] == "a photo of a {}."
    assert {template.partition(": ")[0] for template in prompts.templates[1:]} == LANGUAGES
    assert prompts.families == {"language": tuple(range(len(LANGUAGES) + 1))}
    for texts in zip(*prompts.strings, strict=True):
        assert len(set(texts)) == len(CIFAR)
    assert prompts.strings[3][1] == "ein Foto von einer Katze."


def test_every_class_of_cifar10_is_described_five_times_by_its_looks() -> None:
    strings = filled("cifar10-descriptions").strings
    assert {len(texts) for texts in strings} == {5}
    for name, texts in zip(CIFAR, strings, strict=True):
        assert all(name in text for text in texts)


def test_the_prompt_suite_measures_wording_names_and_languages() -> None:
    suite = load_suite("prompt_sensitivity")
    assert all(isinstance(task, PromptSensitivitySettings) for task in suite.tasks)
    assert {name: task.prompts for task in suite.tasks for name in task.datasets} == {
        "cifar10": ("wording", "cifar10-names", "cifar10-languages"),
        "imagenet": ("wording", "imagenet-names"),
    }
