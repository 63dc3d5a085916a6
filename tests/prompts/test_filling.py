"""The strings that prompts make of class names: templates, descriptions, families, controls, names and languages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clipbench.datasets.classes.imagenet import imagenet_class_names, imagenet_synset_names
from clipbench.prompts.filling import prompts_for
from clipbench.prompts.sets import load_prompt_set
from clipbench.tasks.prompts import InlinePrompts, fill

from ..conftest import printed_by
from .test_sets import FROGS, HEAD, Classes, inline, load
from .test_sets import GERMAN as IN_GERMAN

DRY = {"toad": ("a dry animal",)}
FAMILIES = {"article": ("a {}.", "the {}."), "mark": ("a {c}.", "a {}", "a {}!")}
CONTROLLED = {
    "article": ("a {}.", "the {}."),
    "negation": ("a {}.", "no {}.", "not a {}."),
    "noise": ("a {}.", "q {}."),
}
GERMAN = {"templates": ("ein Foto von {}.", "hier ist {c}"), "names": {"frog": "einem Frosch", "toad": "einer Kröte"}}
FRENCH = {"templates": ("une photo d'{}.",), "names": {"frog": "une grenouille", "toad": "un crapaud"}}
LANGUAGES = {"German": GERMAN, "French": FRENCH}
FROSCH = {"templates": ("ein {}",), "names": {"frog": "Frosch"}}
IMAGENET = HEAD + "templates: ['a {}.']\nsynonyms_from: torchvision:imagenet\n"
WILD = Classes("frog", templates=("a wild {}.",))
IN_FILE = "families: {article: ['a {}.', 'the {}.'], noise: ['a {}.', 'q {}.']}\ncontrols: [noise]\n"

FILLED: dict[str, tuple[Any, Classes, dict[str, Any]]] = {
    # A choice, the data set, and what is made of them.
    "every class gets every template in order": (
        inline("a {}.", "the {c}."), FROGS,
        {"name": "n", "source": "written in the suite", "classes": ("frog", "toad"),
         "strings": (("a frog.", "the frog."), ("a toad.", "the toad.")), "templates": ("a {}.", "the {c}.")},
    ),
    "an inline template is called by its text": (
        "a pressed {}", FROGS, {"name": "a pressed {}", "strings": (("a pressed frog",), ("a pressed toad",))}
    ),
    "own templates are used where nothing is named": (None, WILD, {"name": "own", "strings": (("a wild frog.",),)}),
    "own templates by name": ("own", WILD, {"name": "own", "strings": (("a wild frog.",),)}),
    "a declared set comes before own templates": (
        None, Classes("frog", templates=("a wild {}.",), prompts="photo"), {"strings": (("a photo of a frog.",),)}
    ),
    "repeated own templates stay as published": (
        None, Classes("frog", templates=("a {}.", "a {}.")), {"strings": (("a frog.", "a frog."),)}
    ),
    "a set for more classes serves a subset": (
        f"{HEAD}classes: [frog, newt]\ndescriptions: {{frog: [green], newt: [orange]}}\n", Classes("newt"),
        {"strings": (("orange",),)},
    ),
    "descriptions take the place of templates for their class": (
        inline("a {}.", descriptions={"toad": ("a warty {}", "a dry animal")}), FROGS,
        {"strings": (("a frog.",), ("a warty toad", "a dry animal")), "templates": ()},
    ),
    "a set may rest on open_clip's templates": (
        f"{HEAD}templates_from: open_clip:simple-imagenet\ndescriptions: {{toad: [a dry one]}}\n", FROGS,
        {"strings": (tuple(fill(text, "frog") for text in load_prompt_set("imagenet-7").templates), ("a dry one",))},
    ),
    # Families and controls.
    "templates of families come once each after the set's own": (
        inline("{}", families=FAMILIES), FROGS,
        {"templates": ("{}", "a {}.", "the {}.", "a {}", "a {}!"), "families": {"article": (1, 2), "mark": (1, 3, 4)},
         "strings": (("frog", "a frog.", "the frog.", "a frog", "a frog!"),
                     ("toad", "a toad.", "the toad.", "a toad", "a toad!"))},
    ),
    "families stand beside a data set's own templates": (
        f"{HEAD}templates_from: dataset\nfamilies: {{article: ['a {{}}.', 'the {{}}.']}}\n",
        Classes("frog", templates=("a wild {}.", "a {c}.", "a {c}.")),
        {"templates": ("a wild {}.", "a {c}.", "a {c}.", "the {}."), "families": {"article": (1, 3)}},
    ),
    "where a class has descriptions there are no families": (
        inline(families=FAMILIES, descriptions=DRY), FROGS,
        {"strings": (("a frog.", "the frog.", "a frog", "a frog!"), ("a dry animal",)), "families": {}},
    ),
    "controls leave the templates and stay in their families": (
        inline(families=CONTROLLED, controls=("negation", "noise")), FROGS,
        {"templates": ("a {}.", "the {}."), "controls": ("no {}.", "not a {}.", "q {}."),
         "families": {"article": (0, 1), "negation": (0, 2, 3), "noise": (0, 4)},
         "strings": (("a frog.", "the frog."), ("a toad.", "the toad."))},
    ),
    "what also stands elsewhere is no control": (
        inline("no {}.", families={"negation": ("a {}.", "no {c}.", "not a {}.", "one {}."),
                                   "number": ("a {}.", "one {}.")}, controls=("negation",)), FROGS,
        {"templates": ("no {}.", "a {}.", "one {}."), "controls": ("not a {}.",),
         "families": {"negation": (1, 0, 3, 2), "number": (1, 2)}},
    ),
    "the plain template of a control family counts": (
        inline("{}", families={"noise": CONTROLLED["noise"]}, controls=("noise",)), FROGS,
        {"templates": ("{}", "a {}."), "controls": ("q {}.",)},
    ),
    "a file says the same as a set in place": (
        HEAD + IN_FILE, FROGS, {"templates": ("a {}.", "the {}."), "controls": ("q {}.",)}
    ),
    "controls beside a data set's own templates": (
        f"{HEAD}templates_from: dataset\n{IN_FILE}", WILD,
        {"templates": ("a wild {}.", "a {}.", "the {}."), "controls": ("q {}.",),
         "families": {"article": (1, 2), "noise": (1, 3)}},
    ),
    "beside descriptions there are no controls": (
        inline(families=CONTROLLED, controls=("noise",), descriptions=DRY), FROGS,
        {"controls": (), "families": {},
         "strings": (("a frog.", "the frog.", "no frog.", "not a frog."), ("a dry animal",))},
    ),
    # Other names.
    "every name fills every template, the class's own first": (
        inline("a {}.", "the {}", synonyms={"toad": ("bufo", "paddock")}), FROGS,
        {"names": (("frog",), ("toad", "bufo", "paddock")), "templates": ("a {}.", "the {}"),
         "strings": (("a frog.", "the frog"),
                     ("a toad.", "the toad", "a bufo.", "the bufo", "a paddock.", "the paddock"))},
    ),
    "a class with descriptions has no other names": (
        inline("a {}.", synonyms={"frog": ("rana",)}, descriptions=DRY), FROGS,
        {"strings": (("a frog.", "a rana."), ("a dry animal",)), "names": (), "templates": ()},
    ),
    "names are data": (
        inline("a {}.", synonyms={"toad": ("{}", "{c} \\1")}), Classes("toad"),
        {"strings": (("a toad.", "a {}.", "a {c} \\1."),)},
    ),
    # Other languages.
    "each language fills its templates with its names": (
        inline("a photo of a {}.", "{}", translations=LANGUAGES), FROGS,
        {"templates": ("a photo of a {}.", "{}", "German: ein Foto von {}.", "German: hier ist {c}",
                       "French: une photo d'{}."),
         "families": {"language": (0, 2, 3, 4)}, "names": (),
         "strings": (("a photo of a frog.", "frog", "ein Foto von einem Frosch.", "hier ist einem Frosch",
                      "une photo d'une grenouille."),
                     ("a photo of a toad.", "toad", "ein Foto von einer Kröte.", "hier ist einer Kröte",
                      "une photo d'un crapaud."))},
    ),
    "languages beside families and controls": (
        inline("{}", translations=LANGUAGES, controls=("noise",), families={
            "noise": ("a {}.", "q {}."), "article": ("a {}.", "the {}.")}), FROGS,
        {"templates": ("{}", "a {}.", "the {}.", "German: ein Foto von {}.", "German: hier ist {c}",
                       "French: une photo d'{}."),
         "controls": ("q {}.",), "families": {"noise": (1, 6), "article": (1, 2), "language": (0, 3, 4, 5)}},
    ),
    "languages beside a data set's own templates": (
        f"{HEAD}templates_from: dataset\n{IN_GERMAN}", WILD,
        {"strings": (("a wild frog.", "ein Frosch"),), "families": {"language": (0, 1)}},
    ),
    "a described class needs no name in a language": (
        inline("a {}", translations={"German": FROSCH}, descriptions=DRY), FROGS,
        {"strings": (("a frog", "ein Frosch"), ("a dry animal",)), "templates": (), "families": {}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FILLED)
def test_what_is_filled_in(case: str, tmp_path: Path) -> None:
    choice, dataset, expected = FILLED[case]
    if isinstance(choice, str) and choice.startswith(HEAD):
        choice = load(tmp_path, choice)
    filled = prompts_for(choice, dataset=dataset)
    assert {name: getattr(filled, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("prompts", "part", "expected"),
    [
        (inline(families=FAMILIES, descriptions=DRY), "frog", {"families": {"article": (0, 1), "mark": (0, 2, 3)}}),
        # Without a second name there are no names; another class's is free where that class is left out.
        (inline("a {}.", synonyms={"toad": ("bufo",)}), "frog", {"strings": (("a frog.",),), "names": ()}),
        (inline("a {}.", synonyms={"toad": ("frog",)}), "toad", {"names": (("toad", "frog"),)}),
        (inline("{}", translations={"German": FROSCH}), "frog", {"strings": (("frog", "ein Frosch"),)}),
    ],
)
def test_a_part_of_the_classes(prompts: InlinePrompts, part: str, expected: dict[str, Any]) -> None:
    filled = prompts_for(prompts, dataset=FROGS, classes=(part,))
    assert {name: getattr(filled, name) for name in expected} == expected


@pytest.mark.parametrize("name", ["{}", "{c}", "{0}", "%s", "\\1", "{name!r}", "a_b", "  spaced ", "日本"])
def test_class_names_are_data(name: str) -> None:
    assert fill("a {} and {c}.", name) == f"a {name} and {name}."
    assert prompts_for("photo", dataset=Classes(name)).strings == ((f"a photo of a {name}.",),)


# Descriptions from a file, in the form of CuPL.


@pytest.mark.parametrize(
    ("seen", "more", "dataset", "strings"),
    [
        # Sentences stand as published, repeated ones too.
        ({"frog": ["Wet.", "Wet.", " A {} is green."], "toad": ["Dry."]}, "", FROGS,
         (("Wet.", "Wet.", " A frog is green."), ("Dry.",))),
        # A file may describe more classes than there are; one that it does not gets the templates.
        ({"frog": ["Wet."], "toad": ["Dry."]}, "", Classes("toad"), (("Dry.",),)),
        ({"frog": ["Wet."]}, "templates: ['a {}.']\n", FROGS, (("Wet.",), ("a toad.",))),
    ],
)  # fmt: skip
def test_descriptions_from_a_file_whose_path_starts_from_the_prompt_file(
    seen: dict[str, list[str]], more: str, dataset: Classes, strings: Any, tmp_path: Path
) -> None:
    for name in ("texts", "prompts"):
        (tmp_path / name).mkdir()
    (tmp_path / "texts" / "seen.json").write_text(json.dumps(seen))
    prompts = load(tmp_path / "prompts", f"{HEAD}descriptions_from: ../texts/seen.json\n{more}")
    filled = prompts_for(prompts, dataset=dataset)
    assert (filled.strings, filled.templates, filled.names) == (strings, (), ())


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        # All by position: their own name, and that of the other list unless it is the same.
        (imagenet_class_names(), {
            0: ("tench",), 1: ("goldfish",), 4: ("hammerhead shark", imagenet_synset_names()[4]), 6: ("stingray",),
            657: ("missile",), 744: ("missile", "projectile"), 836: ("sunglasses", "sunglass"), 837: ("sunglasses",)}),
        (imagenet_synset_names(), {134: ("crane bird",), 517: ("crane", "construction crane")}),
        # A part by name.
        (("hammerhead shark", "missile", "tench"), {
            0: ("hammerhead shark", "hammerhead"), 1: ("missile",), 2: ("tench",)}),
        (("hammerhead", "projectile", "tench"), {
            0: ("hammerhead", "hammerhead shark"), 1: ("projectile", "missile"), 2: ("tench",)}),
    ],
    ids=["curated", "WordNet", "part", "part by WordNet"],
)  # fmt: skip
def test_classes_of_imagenet_have_their_own_name_and_the_other_lists(
    classes: tuple[str, ...], names: dict[int, tuple[str, ...]], tmp_path: Path
) -> None:
    prompts = load(tmp_path, IMAGENET)
    filled = prompts_for(prompts, dataset=Classes(*classes)).names
    assert {index: filled[index] for index in names} == names
    assert [class_name for class_name, *_ in filled] == list(classes)
    if len(classes) == 3 and classes[0] in imagenet_class_names():
        whole = Classes(*imagenet_class_names())
        assert prompts_for(prompts, dataset=whole, classes=classes).names == filled


def test_torchvision_is_imported_only_when_imagenet_is_filled(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(IMAGENET)
    code = (
        "import sys, clipbench.cli.main; "
        "from clipbench.prompts.sets import load_prompt_set; "
        "load_prompt_set('mine.yaml'); load_prompt_set('imagenet-80'); "
        "print({'torch', 'torchvision'} & set(sys.modules))"
    )
    assert printed_by(code, tmp_path) == "set()"
