"""Several names of a class: what a prompt set's `synonyms` and `synonyms_from` make of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from clipbench.datasets.classes.imagenet import imagenet_class_names, imagenet_synset_names
from clipbench.errors import UserError
from clipbench.prompts.filling import prompts_for
from clipbench.suite.loading import load_suite
from clipbench.tasks.prompt_choice import InlinePrompts

from .test_sets import FROGS, HEAD, Classes, load, message

Synonyms = Mapping[str, tuple[str, ...]]


def named(synonyms: Synonyms, *templates: str, **others: object) -> InlinePrompts:
    return InlinePrompts(name="n", templates=templates or ("a {}.",), synonyms=synonyms, **others)  # type: ignore[arg-type]


def test_every_name_fills_every_template_the_class_s_own_first() -> None:
    filled = prompts_for(named({"toad": ("bufo", "paddock")}, "a {}.", "the {}"), dataset=FROGS)
    assert filled.names == (("frog",), ("toad", "bufo", "paddock"))
    assert filled.strings == (
        ("a frog.", "the frog"),
        ("a toad.", "the toad", "a bufo.", "the bufo", "a paddock.", "the paddock"),
    )
    assert filled.templates == ("a {}.", "the {}")


def test_without_a_second_name_there_are_no_names() -> None:
    part = prompts_for(named({"toad": ("bufo",)}), dataset=FROGS, classes=("frog",))
    assert (part.strings, part.names) == ((("a frog.",),), ())


def test_a_class_with_descriptions_has_no_other_names() -> None:
    mixed = prompts_for(named({"toad": ("bufo",)}, descriptions={"frog": ("a wet animal",)}), dataset=FROGS)
    assert mixed.strings == (("a wet animal",), ("a toad.", "a bufo."))
    assert (mixed.names, mixed.templates) == ((), ())


def test_names_are_data() -> None:
    assert prompts_for(named({"toad": ("{}", "{c} \\1")}), dataset=FROGS).strings[1] == (
        "a toad.",
        "a {}.",
        "a {c} \\1.",
    )


@pytest.mark.parametrize(
    ("synonyms", "problem"),
    [
        ({"tod": ("bufo",)}, "synonyms.tod: 'tod' is no class of pond; did you mean 'toad'?"),
        ({"toad": ("frog",)}, "synonyms.toad[0]: the synonym 'frog' of 'toad' is the name of another class; give one "
                              "that means this class only"),
        ({"toad": (" Frog",)}, "synonyms.toad[0]: the synonym ' Frog' of 'toad' is the name of another class; give one "
                               "that means this class only"),
    ],
)  # fmt: skip
def test_synonyms_that_do_not_fit_the_classes(synonyms: Synonyms, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        prompts_for(named(synonyms), dataset=FROGS)
    assert str(caught.value) == f"prompts 'n' on pond: {problem}"


def test_a_misnamed_class_has_file_and_line_where_there_is_a_file(tmp_path: Path) -> None:
    text = HEAD + "templates: ['a {}.']\nsynonyms:\n  frog: [rana]\n  tod: [bufo]\n"
    with pytest.raises(UserError) as caught:
        prompts_for(load(tmp_path, text), dataset=FROGS)
    path = tmp_path / "mine.yaml"
    assert str(caught.value) == f"{path}:6: synonyms.tod: 'tod' is no class of pond; did you mean 'toad'?"
    path.write_text(
        "tasks:\n- task: zero_shot\n  datasets: digits\n  prompts:\n  - photo\n"
        "  - {name: n, templates: ['a {}.'], synonyms: {\n      '11': [eleven]}}\n"
    )
    (_, prompts) = load_suite(path).tasks[0].prompts  # type: ignore[attr-defined]
    with pytest.raises(UserError) as caught:
        prompts_for(prompts, dataset=FROGS)
    assert str(caught.value).startswith(
        f"{path}:7: tasks[0].prompts[1].synonyms.11: '11' is no class of pond; one of: frog, toad"
    )


def test_another_class_s_name_is_free_where_that_class_is_left_out() -> None:
    part = prompts_for(named({"toad": ("frog",)}), dataset=FROGS, classes=("toad",))
    assert part.names == (("toad", "frog"),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("synonyms: {frog: []}\n", "mine.yaml:4: synonyms.frog: there is no other name; give at least one, or delete "
                                   "the key"),
        ('synonyms: {frog: ["r\\e[31m"]}\n', "mine.yaml:4: synonyms.frog[0]: the name holds the control character "
                                           "U+001B; delete it"),
        ("synonyms: {frog: ['  ']}\n", "mine.yaml:4: synonyms.frog[0]: the name is empty; delete it"),
        ("synonyms: {frog: [a, a]}\n", "mine.yaml:4: synonyms.frog[1]: 'a' is there twice; delete one"),
        ("synonyms: {frog: [a, frog]}\n", "mine.yaml:4: synonyms.frog[1]: 'frog' is the class's own name; delete it: "
                                          "the class's own name comes first by itself"),
        ("synonyms: {frog: rana}\n", "mine.yaml:4: synonyms.frog: expected a list, got 'rana'; write [rana]"),
        ("synonyms: {frog: [rana]}\ndescriptions: {frog: [a]}\n", "mine.yaml:4: synonyms.frog: 'frog' has "
         "descriptions, which stand instead of templates filled with names; keep one of the two"),
        ("classes: [frog]\nsynonyms: {forg: [rana]}\n", "mine.yaml:5: synonyms.forg: 'forg' is not among the set's "
                                                        "classes; did you mean 'frog'?"),
        ("classes: [frog, toad]\nsynonyms: {frog: [rana, toad]}\n", "mine.yaml:5: synonyms.frog[1]: 'toad' is the name "
         "of another class; give one that means this class only"),
        ("synonyms_from: torchvision:imagenet\ndescriptions: {frog: [a]}\n", "mine.yaml:4: synonyms_from: stands "
         "beside descriptions; keep one of the two"),
        ("synonyms_from: torchvision:imgnet\n", "mine.yaml:4: synonyms_from: unknown list of synonyms "
         "'torchvision:imgnet'; did you mean 'torchvision:imagenet'?"),
        ("synonyms_from: torchvision:imagenet\nsynonyms: {frog: [rana]}\n", "mine.yaml:4: synonyms_from: stands beside "
                                                                          "synonyms; keep one of the two"),
    ],
)  # fmt: skip
def test_broken_file_gives_exactly_its_message(tmp_path: Path, text: str, expected: str) -> None:
    assert message(tmp_path, f"{HEAD}templates: ['a {{}}.']\n{text}") == expected


def test_names_alone_make_no_prompts(tmp_path: Path) -> None:
    assert message(tmp_path, HEAD + "synonyms: {frog: [rana]}\n") == (
        "mine.yaml:3: synonyms: there are no templates to stand beside; give the set templates of its own"
    )
    assert message(tmp_path, HEAD + "descriptions: {toad: [a]}\nsynonyms: {frog: [rana]}\n") == (
        "mine.yaml:4: synonyms: there are no templates to stand beside; give the set templates of its own"
    )


def test_a_set_for_other_classes_is_refused(tmp_path: Path) -> None:
    text = HEAD + "templates: ['a {}.']\nclasses: [oak, maple]\nsynonyms: {oak: [quercus]}\n"
    with pytest.raises(UserError) as caught:
        prompts_for(load(tmp_path, text), dataset=FROGS)
    assert str(caught.value) == (
        "prompts 'mine' on pond: says something of single classes, and of none that the data set has; the set is made "
        "for 'oak', 'maple'"
    )
    assert prompts_for(load(tmp_path, text), dataset=Classes("maple", "fir")).names == ()


def test_a_set_with_synonyms_fits_its_own_classes(tmp_path: Path) -> None:
    text = HEAD + "templates: ['a {}.']\nsynonyms: {frog: [rana]}\n"
    assert not load(tmp_path, text).fits(("frog",)), "of the names one may be missing"
    assert load(tmp_path, text + "classes: [frog, toad]\n").fits(("toad",))


IMAGENET = HEAD + "templates: ['a {}.']\nsynonyms_from: torchvision:imagenet\n"


def test_all_classes_of_imagenet_are_named_by_position(tmp_path: Path) -> None:
    names = prompts_for(load(tmp_path, IMAGENET), dataset=Classes(*imagenet_class_names())).names
    assert (names[0], names[6]) == (("tench",), ("stingray",))
    assert names[1] == ("goldfish",)
    assert names[4] == ("hammerhead shark", imagenet_synset_names()[4])
    pairs = [(index, names[index]) for index in (657, 744, 836, 837)]
    assert pairs == [
        (657, ("missile",)),
        (744, ("missile", "projectile")),
        (836, ("sunglasses", "sunglass")),
        (837, ("sunglasses",)),
    ]
    assert all(own == first for own, (first, *_) in zip(imagenet_class_names(), names, strict=True))


def test_a_part_of_imagenet_is_named_by_name(tmp_path: Path) -> None:
    part = ("hammerhead shark", "missile", "tench")
    filled = prompts_for(load(tmp_path, IMAGENET), dataset=Classes(*part))
    assert filled.names == (("hammerhead shark", "hammerhead"), ("missile",), ("tench",))
    whole = Classes(*imagenet_class_names())
    assert prompts_for(load(tmp_path, IMAGENET), dataset=whole, classes=part).names == filled.names


def test_classes_called_by_wordnet_get_the_curated_name(tmp_path: Path) -> None:
    part = ("hammerhead", "projectile", "tench")
    names = prompts_for(load(tmp_path, IMAGENET), dataset=Classes(*part)).names
    assert names == (("hammerhead", "hammerhead shark"), ("projectile", "missile"), ("tench",))
    whole = prompts_for(load(tmp_path, IMAGENET), dataset=Classes(*imagenet_synset_names())).names
    assert (whole[134], whole[517]) == (("crane bird",), ("crane", "construction crane"))


@pytest.mark.parametrize(
    ("name", "fix"),
    [("hammerhead shrk", "did you mean 'hammerhead shark'?"), ("日本", "give the set synonyms instead")],
)
def test_other_classes_than_imagenet_s(tmp_path: Path, name: str, fix: str) -> None:
    prompts = load(tmp_path, IMAGENET)
    assert not prompts.fits((name,))
    assert prompts.fits(("tench", "goldfish"))
    with pytest.raises(UserError) as caught:
        prompts_for(prompts, dataset=Classes("tench", "goldfish", name))
    assert str(caught.value) == (
        f"prompts 'mine' on pond: synonyms_from: torchvision:imagenet names the classes of ImageNet, and {name!r} is "
        f"none of them; {fix}"
    )


def test_torchvision_is_imported_only_when_imagenet_is_filled(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(IMAGENET)
    code = (
        "import sys, clipbench.cli.main; "
        "from clipbench.prompts.sets import load_prompt_set; load_prompt_set('mine.yaml'); "
        "print({'torch', 'torchvision'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "set()"
