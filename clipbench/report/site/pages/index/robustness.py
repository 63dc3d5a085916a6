"""What is left of a reference under its shifts, by reference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipbench.report.measured import outcomes
from clipbench.report.sections.robustness.findings import Summary, gather
from clipbench.report.site.data.names import slugs
from clipbench.report.site.pages.base import SiteData
from clipbench.report.text.claims import Claim


@dataclass(frozen=True)
class Robustness:
    """Models on the shifts of one reference, measured alike."""

    slug: str
    reference: str
    condition: str
    """Prompts and subset, as far as they need saying."""
    datasets: tuple[str, ...]
    summaries: Mapping[int, Summary]
    """By the model's place in the board."""

    @property
    def gaps(self) -> Mapping[int, Claim]:
        """What is lost on the same classes."""
        return {place: summary.gap for place, summary in self.summaries.items()}

    @property
    def effective(self) -> Mapping[int, Claim]:
        """Against what was expected, where there is a baseline."""
        return {place: claim for place, summary in self.summaries.items() if (claim := summary.effective)}

    @property
    def above_chance(self) -> int:
        """Of how many models there is something to lose."""
        return sum(not summary.at_chance for summary in self.summaries.values())


def robustness(data: SiteData) -> Sequence[Robustness]:
    """Gather the analyses of robustness; first the reference on which most models are above chance."""
    results = [result for result in data.analyses if result.analysis == "robustness"]
    groups: dict[tuple[str, ...], list[Summary]] = defaultdict(list)
    for summary in gather(outcomes(results).measured)[1]:
        about = summary.result.about
        groups[about.reference, about.split, about.prompts, about.subset, *about.datasets].append(summary)
    addresses = slugs(" ".join(key) for key in groups)
    found = [
        Robustness(
            addresses[" ".join(key)],
            key[0],
            members[0].condition,
            members[0].result.about.datasets,
            {data.places[model]: summary for summary in members for model in summary.result.about.models},
        )
        for key, members in groups.items()
    ]
    return sorted(found, key=lambda group: (-group.above_chance, -len(group.summaries), -len(group.datasets)))
