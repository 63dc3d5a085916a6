"""The sections of the page by name."""

from __future__ import annotations

from typing import cast

from clipbench.plugins import Registry
from clipbench.report.sections.base import PageData, Section

SECTIONS = {
    "real_world": "clipbench.report.sections.real_world.section:RealWorldSection",
    "robustness": "clipbench.report.sections.robustness.section:RobustnessSection",
    "corruptions": "clipbench.report.sections.corruptions.section:CorruptionsSection",
    "wording": "clipbench.report.sections.prompts.section:WordingSection",
    "comparisons": "clipbench.report.sections.comparisons.section:ComparisonsSection",
    "error_consistency": "clipbench.report.sections.error_consistency.section:ErrorConsistencySection",
    "sets": "clipbench.report.sections.sets.section:SetsSection",
}

_REGISTRY = Registry(
    "section", "clipbench.sections", SECTIONS, ("name", "title", "order", "analyses", "template", "show")
)


class _Unloadable:
    """Stands for a section that cannot be imported, and says why behind the others."""

    order, analyses, template = 1000, (), ""

    def __init__(self, name: str, error: BaseException) -> None:
        self.name = self.title = name
        self.error = error

    def show(self, data: PageData, figures: int) -> object | None:
        """Raise what its import raised."""
        raise self.error


def load_sections() -> tuple[Section, ...]:
    """Import every section, those of installed packages included, and return them in the order of the page."""
    sections = [_load(name) for name in _REGISTRY.names()]
    return tuple(sorted(sections, key=lambda section: (section.order, section.name)))


def _load(name: str) -> Section:
    try:
        section = cast(Section, _REGISTRY.load(name))
        if not isinstance(section.order, int) or not isinstance(section.analyses, tuple):
            raise TypeError(f"the order of section {name!r} is no whole number, or its analyses are no tuple")
        return section
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a plug-in that cannot be imported must not cost the page
        return cast(Section, _Unloadable(name, error))
