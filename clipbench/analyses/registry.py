"""The analyses by name; an analysis's module is imported when it is made."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from clipbench.analyses.base import Analysis
from clipbench.errors import UserError, did_you_mean

ANALYSES = {
    "expectations": "clipbench.analyses.robustness.expectations:Expectations",
    "probe_vs_zero_shot": "clipbench.analyses.labels.probe_vs_zero_shot:ProbeVsZeroShot",
    "rank_stability": "clipbench.analyses.rankings.rank_stability:RankStability",
}
"""Those that need no settings, and so are made of any results."""

_WITH_SETTINGS = {
    "corruption_error": "clipbench.analyses.corruptions.corruption_error:CorruptionError",
    "published_pair": "clipbench.analyses.robustness.published_pair:PublishedPair",
    "robustness": "clipbench.analyses.robustness.robustness:RobustnessAnalysis",
    "robustness_pair": "clipbench.analyses.robustness.pair:RobustnessPair",
}
"""Those that a suite asks for."""


def load_analysis(name: str) -> Analysis:
    """Import an analysis and make it.

    Raises:
        UserError: there is none of that name.
    """
    known = ANALYSES | _WITH_SETTINGS
    if name not in known:
        raise UserError(f"unknown analysis {name!r}", fix=did_you_mean(name, known))
    module, _, cls = known[name].partition(":")
    return cast(Analysis, getattr(import_module(module), cls)())
