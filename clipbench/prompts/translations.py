"""Templates in other languages: what they are called in the results, and the strings they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from clipbench.documents.marked_yaml import KeyPath
from clipbench.errors import UserError, quoted
from clipbench.tasks.prompt_choice import Translation
from clipbench.tasks.prompted import fill

Translations = Mapping[str, Translation]
"""Language -> its templates, and the classes' names in it."""


def labels_of(translations: Translations) -> tuple[str, ...]:
    """Return what the translated templates are called, in order: 'German: ein Foto von {}.'."""
    return tuple(f"{language}: {template}" for language, entry in translations.items() for template in entry.templates)


def strings_of(translations: Translations, name: str) -> tuple[str, ...]:
    """Return the translated templates filled with a class's names, in the order of `labels_of`."""
    return tuple(fill(template, entry.names[name]) for entry in translations.values() for template in entry.templates)


def check_translated(translations: Translations, classes: Sequence[str], *, where: Callable[[KeyPath], str]) -> None:
    """Check that every language has a name for every class; `where` gives the place of a key of their set.

    Raises:
        UserError: one lacks some.
    """
    for language, entry in translations.items():
        missing = [name for name in classes if name not in entry.names]
        if missing:
            problem = f"the {language} translation has no name for {quoted(missing)}"
            place = where(("translations", language, "names"))
            raise UserError(problem, where=place, fix="add it")
