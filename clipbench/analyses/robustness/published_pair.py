"""The CLIP paper's own pair, published: zero-shot CLIP beside a ResNet-101 of equal ImageNet accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.robustness.pair import pair_table
from clipbench.metrics.specs import TableSpec
from clipbench.reference.clip_pair import CLAIM, NOT_MATCHED, ClipPair, clip_pair
from clipbench.results.records import Subject


class PublishedPair:
    """Section 3.3 of Radford et al. 2021, to stand beside a run on ImageNet and its shifts."""

    name: ClassVar[str] = "published_pair"
    protocol: ClassVar[int] = 1
    tasks: ClassVar[tuple[str, ...]] = ()
    automatic: ClassVar[bool] = False
    Settings = AnalysisSettings
    label: ClassVar[str] = "the published pair"
    tables: ClassVar[tuple[TableSpec, ...]] = (
        replace(pair_table("zero-shot CLIP", "ResNet-101"), caption="zero-shot CLIP beside ResNet-101, as published"),
    )

    def analyse(self, evidence: Evidence, settings: AnalysisSettings) -> Sequence[Finding]:
        """Return the published figures; they rest on no job."""
        pair = clip_pair()
        about = Subject(
            models=(pair.zero_shot, pair.supervised),
            datasets=tuple(shift.dataset for shift in pair.shifts),
            reference="imagenet",
            split="test",
        )
        return [Finding(about, (), tables={"pair": pd.DataFrame(pair.shifts)}, notes=_notes(pair))]


def _notes(pair: ClipPair) -> tuple[str, ...]:
    shares = [100 * shift.share_closed for shift in pair.shifts if shift.share_closed is not None]
    return (
        f"Both reach {100 * pair.imagenet:.1f} % on ImageNet. The paper says that zero-shot CLIP shrinks "
        f"the gap by {CLAIM}; by its own table it closes {min(shares):.0f} to {max(shares):.0f} % of it, set by set.",
        NOT_MATCHED,
    )
