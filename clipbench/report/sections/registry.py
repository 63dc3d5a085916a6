"""The sections of the page by name."""

from __future__ import annotations

from typing import cast

from clipbench.plugins import Registry
from clipbench.report.sections.base import Section

SECTIONS = {
    "robustness": "clipbench.report.sections.robustness.section:RobustnessSection",
    "corruptions": "clipbench.report.sections.corruptions.section:CorruptionsSection",
    "comparisons": "clipbench.report.sections.comparisons.section:ComparisonsSection",
    "sets": "clipbench.report.sections.sets.section:SetsSection",
}

_REGISTRY = Registry(
    "section", "clipbench.sections", SECTIONS, ("name", "title", "order", "analyses", "template", "show")
)


def load_sections() -> tuple[Section, ...]:
    """Import every section, those of installed packages included, and return them in the order of the page."""
    sections = [cast(Section, _REGISTRY.load(name)) for name in _REGISTRY.names()]
    return tuple(sorted(sections, key=lambda section: (section.order, section.name)))
