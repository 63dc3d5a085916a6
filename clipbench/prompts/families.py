"""Wording families of a prompt set: which of its templates differ in one respect only, and which are controls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from clipbench.prompts.checks import same_template

Families = Mapping[str, Sequence[str]]
"""Name -> templates that differ in one respect, the plain one first."""


def with_families(templates: Sequence[str], families: Families, controls: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the templates that count: those given, then those of the families that are not among them.

    Templates that stand there twice already stay, since published figures may rest on them.

    Args:
        templates: given outside the families.
        families: they come in order of first appearance.
        controls: families of which only the plain template counts.
    """
    counted = (family[:1] if name in controls else family for name, family in families.items())
    return (*templates, *_new(templates, counted))


def control_templates(counted: Sequence[str], families: Families) -> tuple[str, ...]:
    """Return the families' templates that do not count, as `with_families` left them out."""
    return _new(counted, families.values())


def family_positions(templates: Sequence[str], families: Families) -> dict[str, tuple[int, ...]]:
    """Return where each family's templates stand among all: those that count, then the controls."""
    first: dict[str, int] = {}
    for position, template in enumerate(templates):
        first.setdefault(same_template(template), position)
    return {name: tuple(first[same_template(template)] for template in family) for name, family in families.items()}


def _new(templates: Iterable[str], families: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return the families' templates that are not among those given, each once."""
    forms = set(map(same_template, templates))
    additions: dict[str, str] = {}
    for template in (template for family in families for template in family):
        if same_template(template) not in forms:
            additions.setdefault(same_template(template), template)
    return tuple(additions.values())
