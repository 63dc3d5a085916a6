"""The analyses by name; an analysis's module is imported when it is made."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from clipbench.analyses.base import Analysis

ANALYSES = {
    "probe_vs_zero_shot": "clipbench.analyses.probe_vs_zero_shot:ProbeVsZeroShot",
}
"""Those that need no settings, and so are made of any results."""


def load_analysis(name: str) -> Analysis:
    """Import an analysis and make it."""
    module, _, cls = ANALYSES[name].partition(":")
    return cast(Analysis, getattr(import_module(module), cls)())
