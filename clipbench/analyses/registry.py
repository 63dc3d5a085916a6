"""The analyses by name."""

from __future__ import annotations

from typing import Any, cast

from clipbench.analyses.base import Analysis
from clipbench.plugins import Registry

ANALYSES = {
    "best_of_column": "clipbench.analyses.rankings.best:BestOfColumn",
    "probe_vs_zero_shot": "clipbench.analyses.labels.probe_vs_zero_shot:ProbeVsZeroShot",
    "rank_stability": "clipbench.analyses.rankings.rank_stability:RankStability",
    "error_consistency": "clipbench.analyses.rankings.error_consistency:ErrorConsistency",
    "expectations": "clipbench.analyses.robustness.expectations:Expectations",
    "robustness": "clipbench.analyses.robustness.robustness:RobustnessAnalysis",
    "robustness_pair": "clipbench.analyses.robustness.pair:RobustnessPair",
    "published_pair": "clipbench.analyses.robustness.pair:PublishedPair",
    "corruption_error": "clipbench.analyses.corruptions.corruption_error:CorruptionError",
}
"""In the order in which a page shows them; those of plug-ins follow."""

_REGISTRY = Registry(
    "analysis", "clipbench.analyses", ANALYSES, ("name", "protocol", "tasks", "automatic", "Settings", "analyse")
)


def analysis_names() -> tuple[str, ...]:
    """Return the names of all analyses, those of installed packages last; imports none of them."""
    return tuple(dict.fromkeys((*ANALYSES, *_REGISTRY.names())))


def load_analysis(name: str) -> Analysis[Any]:
    """Import an analysis and make it.

    Args:
        name: one of `analysis_names`, or the dotted path of a class, `package.module:Name`.

    Raises:
        UserError: there is none of that name, or the class is not one.
    """
    return cast(Analysis[Any], _REGISTRY.load(name))
