"""The names that a prompt set's `synonyms_from` gives the classes of ImageNet."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipbench.datasets.classes.imagenet import imagenet_class_names, imagenet_synset_names
from clipbench.prompts.filling import prompts_for

from ..conftest import printed_by
from .test_sets import HEAD, Classes, load

IMAGENET = HEAD + "templates: ['a {}.']\nsynonyms_from: torchvision:imagenet\n"


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
    assert [own for own, *_ in filled] == list(classes)
    if len(classes) == 3 and classes[0] in imagenet_class_names():
        whole = Classes(*imagenet_class_names())
        assert prompts_for(prompts, dataset=whole, classes=classes).names == filled


def test_torchvision_is_imported_only_when_imagenet_is_filled(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(IMAGENET)
    code = (
        "import sys, clipbench.cli.main; "
        "from clipbench.prompts.sets import load_prompt_set; load_prompt_set('mine.yaml'); "
        "print({'torch', 'torchvision'} & set(sys.modules))"
    )
    assert printed_by(code, tmp_path) == "set()"
