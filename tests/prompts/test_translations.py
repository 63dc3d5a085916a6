"""Translations: a language's own templates, filled with its own names of the classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from clipbench.errors import UserError
from clipbench.prompts.filling import prompts_for
from clipbench.tasks.prompts import InlinePrompts, Translation

from .test_sets import FROGS, HEAD, Classes, load, message

GERMAN = Translation(
    templates=("ein Foto von {}.", "hier ist {c}"), names={"frog": "einem Frosch", "toad": "einer Kröte"}
)
FRENCH = Translation(templates=("une photo d'{}.",), names={"frog": "une grenouille", "toad": "un crapaud"})


def translated(*templates: str, **others: object) -> InlinePrompts:
    languages = {"German": GERMAN, "French": FRENCH}
    return InlinePrompts(name="t", templates=templates, **{"translations": languages, **others})  # type: ignore[arg-type]


def test_each_language_fills_its_templates_with_its_names() -> None:
    filled = prompts_for(translated("a photo of a {}.", "{}"), dataset=FROGS)
    assert filled.templates == (
        "a photo of a {}.",
        "{}",
        "German: ein Foto von {}.",
        "German: hier ist {c}",
        "French: une photo d'{}.",
    )
    assert filled.families == {"language": (0, 2, 3, 4)}
    assert filled.strings[1] == (
        "a photo of a toad.",
        "toad",
        "ein Foto von einer Kröte.",
        "hier ist einer Kröte",
        "une photo d'un crapaud.",
    )
    assert filled.names == ()


def test_they_stand_beside_families_and_controls() -> None:
    families = {"noise": ("a {}.", "q {}."), "article": ("a {}.", "the {}.")}
    filled = prompts_for(translated("{}", families=families, controls=("noise",)), dataset=FROGS)
    assert filled.templates[:3] == ("{}", "a {}.", "the {}.")
    assert filled.controls == ("q {}.",)
    assert filled.families == {"noise": (1, 6), "article": (1, 2), "language": (0, 3, 4, 5)}


def test_they_stand_beside_a_data_set_s_own_templates(tmp_path: Path) -> None:
    german = "translations: {German: {templates: ['ein Bild: {}'], names: {frog: ein Frosch}}}\n"
    prompts = load(tmp_path, HEAD + "templates_from: dataset\n" + german)
    filled = prompts_for(prompts, dataset=Classes("frog", templates=("a wild {}.", "a {}.")))
    assert filled.strings == (("a wild frog.", "a frog.", "ein Bild: ein Frosch"),)
    assert filled.families == {"language": (0, 2)}


def test_a_part_of_the_classes_has_its_names() -> None:
    part = prompts_for(translated("{}"), dataset=FROGS, classes=("toad",))
    assert part.strings[0][1] == "ein Foto von einer Kröte."


def test_a_described_class_needs_no_name() -> None:
    german = {"German": Translation(templates=("ein {}",), names={"frog": "Frosch"})}
    inline = translated("a {}", translations=german, descriptions={"toad": ("a dry animal",)})
    mixed = prompts_for(inline, dataset=FROGS)
    assert mixed.strings == (("a frog", "ein Frosch"), ("a dry animal",))
    assert (mixed.templates, mixed.families) == ((), {})


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ({"frog": "Frosch"}, ": the German translation has no name for 'toad'; add it"),
        ({"forg": "Frosch"}, ".forg: 'forg' is no class of pond; did you mean 'frog'?"),
    ],
)  # fmt: skip
def test_every_class_needs_a_name_in_every_language(names: Mapping[str, str], problem: str) -> None:
    german = {"German": Translation(templates=("ein {}",), names=names)}
    with pytest.raises(UserError) as caught:
        prompts_for(translated("{}", translations=german), dataset=FROGS)
    assert str(caught.value) == f"prompts 't' on pond: translations.German.names{problem}"


def test_a_set_with_translations_fits_nothing_by_itself(tmp_path: Path) -> None:
    german = "translations: {German: {templates: ['ein {}'], names: {frog: Frosch}}}\n"
    assert not load(tmp_path, HEAD + "templates: ['{}']\nclasses: [frog]\n" + german).fits(("frog",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("translations: {German: {names: {frog: Frosch}}}\n", "mine.yaml:4: translations.German: the key 'templates' "
         "is missing; add it (Templates in this language; {} stands for the class's name in it)"),
        ("translations: {German: {templates: ['ein {}']}}\n", "mine.yaml:4: translations.German: the key 'names' is "
         "missing; add it (The name of every class as the templates need it, with its article and case)"),
        ("translations: {German: {templates: [], names: {frog: Frosch}}}\n", "mine.yaml:4: "
         "translations.German.templates: is empty; give at least one"),
        ("translations: {German: {templates: ['ein {}'], names: {}}}\n", "mine.yaml:4: translations.German.names: is "
         "empty; give at least one"),
        ("translations: {German: {templates: [ein], names: {frog: Frosch}}}\n", "mine.yaml:4: "
         "translations.German.templates[0]: the template 'ein' has no place for the class name; write {} where it "
         "belongs"),
        ("translations: {German: {templates: ['ein {}', 'ein {c}'], names: {frog: Frosch}}}\n", "mine.yaml:4: "
         "translations.German.templates[1]: 'ein {c}' is there twice; delete one"),
        ("translations:\n  German:\n    templates: ['ein {}']\n    names: {frog: ' '}\n", "mine.yaml:7: "
         "translations.German.names.frog: the name is empty; write the class's name in this language"),
        ('translations:\n  German:\n    templates: ["ein {}"]\n    names: {frog: "Fr\\tosch"}\n', "mine.yaml:7: "
         "translations.German.names.frog: the name holds the control character U+0009; delete it"),
        ("translations: {German: {template: ['ein {}'], names: {frog: Frosch}}}\n", "mine.yaml:4: "
         "translations.German.template: unknown key; did you mean 'templates'?"),
        ("translations: {German: {templates: ['ein {}'], names: {frog: Frosch}}}\nclasses: [toad]\n", "mine.yaml:4: "
         "translations.German.names.frog: 'frog' is not among the set's classes; one of: toad"),
        ("translations: {German: {templates: ['ein {}'], names: {frog: Frosch}}}\nsynonyms: {frog: [rana]}\n",
         "mine.yaml:4: translations: stands beside synonyms, and a class has one name in each language; make two "
         "sets of it"),
        ("translations: {German: {templates: ['{}'], names: {frog: Frosch}}}\nsynonyms_from: torchvision:imagenet\n",
         "mine.yaml:5: synonyms_from: stands beside translations; keep one of the two"),
        ("translations: {German: {templates: ['{}'], names: {frog: Frosch}}}\nfamilies: {language: ['a {}', '{}']}\n",
         "mine.yaml:5: families.language: the translations make a family 'language' themselves; call this one "
         "something else"),
    ],
)  # fmt: skip
def test_broken_file_gives_exactly_its_message(tmp_path: Path, text: str, expected: str) -> None:
    assert message(tmp_path, f"{HEAD}templates: ['{{}}']\n{text}") == expected


def test_translations_have_a_template_to_be_compared_with(tmp_path: Path) -> None:
    german = "translations: {German: {templates: ['ein {}'], names: {frog: Frosch}}}\n"
    assert message(tmp_path, HEAD + german) == (
        "mine.yaml:3: translations: there are no templates to stand beside; give the set templates of its own"
    )
    assert message(tmp_path, HEAD + german + "descriptions: {toad: [a]}\n") == (
        "mine.yaml:3: translations: there are no templates to stand beside; give the set templates of its own"
    )
