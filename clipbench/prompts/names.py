"""The names of classes that templates are filled with: a class's own name, then others that a prompt set gives it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from clipbench.datasets.classes.imagenet import imagenet_class_names, imagenet_synset_names
from clipbench.documents.marked_yaml import KeyPath
from clipbench.errors import UserError, nearest
from clipbench.prompts.checks import ambiguous_synonyms

NAME_LISTS = ("torchvision:imagenet",)
"""Lists of other names, as a prompt set's `synonyms_from` gives them."""

Names = tuple[tuple[str, ...], ...]
"""For each class its names, its own first."""


def names_with(
    synonyms: Mapping[str, Sequence[str]], classes: Sequence[str], *, where: Callable[[KeyPath], str]
) -> Names:
    """Return the names of each class by a table: class -> other names; `where` gives the place of a key of its set.

    Raises:
        UserError: another name of a class is the own name of a second one, so that it would stand for both.
    """
    for name, index in ambiguous_synonyms(synonyms, classes):
        problem = f"the synonym {synonyms[name][index]!r} of {name!r} is the name of another class"
        raise UserError(problem, where=where(("synonyms", name, index)), fix="give one that means this class only")
    return tuple((name, *synonyms.get(name, ())) for name in classes)


def names_from(source: str, classes: Sequence[str], *, where: str) -> Names:
    """Return the names of each class by one of `NAME_LISTS`: of OpenAI's curated names and WordNet's the other one.

    All classes of ImageNet in its order are named by position, a part of them by name. Names that a list has twice say
    not which of two classes is meant, so that in a part they get no second name.

    Raises:
        UserError: a class is none of ImageNet's by either list.
    """
    curated, synsets = imagenet_class_names(), imagenet_synset_names()
    for names, synonyms in ((curated, synsets), (synsets, curated)):
        if tuple(classes) == names:
            return tuple(map(_distinct, names, synonyms))
    unknown = sorted(set(classes) - {*curated, *synsets}, key=list(classes).index)
    if unknown:
        problem = f"synonyms_from: {source} names the classes of ImageNet, and {unknown[0]!r} is none of them"
        # Where most are, one is misspelt.
        near = nearest(unknown[0], curated) if 2 * len(unknown) < len(classes) else None
        fix = f"did you mean {near!r}?" if near else "give the set synonyms instead"
        raise UserError(problem, where=where, fix=fix)
    synonym = _synonyms(synsets, curated) | _synonyms(curated, synsets)
    return tuple(_distinct(name, synonym.get(name, name)) for name in classes)


def _synonyms(names: Sequence[str], synonyms: Sequence[str]) -> dict[str, str]:
    """Return for each name that a list has once the one that another list has in its place."""
    count = Counter(names)
    return {name: synonym for name, synonym in zip(names, synonyms, strict=True) if count[name] == 1}


def _distinct(name: str, synonym: str) -> tuple[str, ...]:
    return (name,) if name == synonym else (name, synonym)
