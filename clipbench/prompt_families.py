"""Wording families of a prompt set: which of its templates differ in one respect only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipbench.prompt_checks import same_template

Families = Mapping[str, Sequence[str]]
"""Name -> templates that differ in one respect, the plain one first."""


def with_families(templates: Sequence[str], families: Families) -> tuple[str, ...]:
    """Return the templates, then those of the families that are not among them, in order of first appearance.

    Templates that stand there twice already stay, since published figures may rest on them.
    """
    joined = list(templates)
    known = set(map(same_template, templates))
    for template in (template for family in families.values() for template in family):
        if same_template(template) not in known:
            known.add(same_template(template))
            joined.append(template)
    return tuple(joined)


def family_positions(templates: Sequence[str], families: Families) -> dict[str, tuple[int, ...]]:
    """Return where each family's templates stand among all, as `with_families` joined them."""
    first: dict[str, int] = {}
    for position, template in enumerate(templates):
        first.setdefault(same_template(template), position)
    return {name: tuple(first[same_template(template)] for template in family) for name, family in families.items()}
