"""ImageNet's class names and prompt templates, read from the installed open_clip and torchvision."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

from clipbench.errors import UserError

TEMPLATE_LISTS = {
    "open_clip:openai-imagenet": "OPENAI_IMAGENET_TEMPLATES",
    "open_clip:simple-imagenet": "SIMPLE_IMAGENET_TEMPLATES",
}
"""Names of template lists, as a prompt set's `templates_from` gives them, and open_clip's own names."""


def templates_of(source: str) -> tuple[str, ...]:
    """Return one of `TEMPLATE_LISTS` with `{}` for the class name."""
    return tuple(template("{}") for template in getattr(_metadata(), TEMPLATE_LISTS[source]))


def imagenet_class_names() -> tuple[str, ...]:
    """Return the 1,000 class names of ImageNet in label order, as OpenAI curated them.

    Two pairs are equal: 657 and 744 ("missile"), 836 and 837 ("sunglasses"). That caps a score; it is left as
    it is, since every published figure rests on it.
    """
    return tuple(_metadata().IMAGENET_CLASSNAMES)


@cache
def imagenet_synset_names() -> tuple[str, ...]:
    """Return the first lemma of each ImageNet synset in label order: the names that torchvision's weights ship.

    No two are equal: of two cranes and two maillots one each is called "crane bird" and "maillot tank suit". Takes
    seconds, since torchvision imports torch; no weights are fetched.
    """
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.DEFAULT.meta["categories"])


@cache
def _metadata() -> ModuleType:
    """Load open_clip's module of lists on its own: importing the package takes seconds, since it imports torch."""
    package = importlib.util.find_spec("open_clip")
    if package is None or package.origin is None:
        raise UserError("open_clip is not installed", fix="pip install open_clip_torch")
    file = Path(package.origin).with_name("zero_shot_metadata.py")
    spec = importlib.util.spec_from_file_location("_open_clip_zero_shot_metadata", file)
    assert spec is not None  # the file's suffix is .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
