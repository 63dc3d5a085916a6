"""The names of classes that templates are filled with: a class's own name, then others that a prompt set gives it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from clipbench.datasets.classes.imagenet import imagenet_class_names, imagenet_synset_names
from clipbench.documents.marked_yaml import KeyPath
from clipbench.errors import UserError, did_you_mean
from clipbench.prompts.checks import same_name

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
    own = {same_name(name): name for name in classes}
    for name in classes:
        for index, other in enumerate(synonyms.get(name, ())):
            if own.get(same_name(other), name) != name:
                problem = f"the synonym {other!r} of {name!r} is the name of another class"
                place = where(("synonyms", name, index))
                raise UserError(problem, where=place, fix="give one that means this class only")
    return tuple((name, *synonyms.get(name, ())) for name in classes)


def names_from(source: str, classes: Sequence[str], *, where: str) -> Names:
    """Return the names of each class by one of `NAME_LISTS`: of OpenAI's curated names and WordNet's the other one.

    All classes of ImageNet in its order are named by position, a part of them by name. Names that a list has twice say
    not which of two classes is meant, so that in a part they get no second name.

    Raises:
        UserError: a class is none of ImageNet's by either list.
    """
    curated, synsets = imagenet_class_names(), imagenet_synset_names()
    for own, other in ((curated, synsets), (synsets, curated)):
        if tuple(classes) == own:
            return tuple(map(_distinct, own, other))
    known = {*curated, *synsets}
    strange = [name for name in classes if name not in known]
    if strange:
        problem = f"synonyms_from: {source} names the classes of ImageNet, and {strange[0]!r} is none of them"
        # Where most are, one is misspelt.
        near = did_you_mean(strange[0], curated) if 2 * len(strange) < len(classes) else ""
        fix = near if near.startswith("did you mean") else "give the set synonyms instead"
        raise UserError(problem, where=where, fix=fix)
    others = _others(synsets, curated) | _others(curated, synsets)
    return tuple(_distinct(name, others.get(name, name)) for name in classes)


def _others(names: Sequence[str], others: Sequence[str]) -> dict[str, str]:
    """Return for each name that a list has once the one that another list has in its place."""
    count = Counter(names)
    return {name: other for name, other in zip(names, others, strict=True) if count[name] == 1}


def _distinct(name: str, other: str) -> tuple[str, ...]:
    return (name,) if name == other else (name, other)
