"""The CLIP paper's own pair, published: zero-shot CLIP beside a ResNet-101 of equal ImageNet accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.reference.clip_pair import CLAIM, NOT_MATCHED, ClipPair, clip_pair


class PublishedPairSettings(AnalysisSettings):
    """Settings of the published pair: it has none."""

    analysis: Literal["published_pair"]


class PublishedPair:
    """Section 3.3 of Radford et al. 2021, to stand beside a run on ImageNet and its shifts."""

    name: ClassVar[str] = "published_pair"
    protocol: ClassVar[int] = 1
    tasks: ClassVar[tuple[str, ...]] = ()
    Settings: ClassVar[type[AnalysisSettings]] = PublishedPairSettings

    def analyse(self, evidence: Evidence, settings: AnalysisSettings) -> Sequence[Finding]:
        """Return the published figures; they rest on no job."""
        pair = clip_pair()
        about = {
            "model": pair.zero_shot,
            "dataset": "imagenet",
            "split": "test",
            "variant": f"zero-shot CLIP beside {pair.supervised}, as published",
        }
        return [Finding(about, (), tables={"pair": _table(pair)}, notes=_notes(pair))]


def _table(pair: ClipPair) -> pd.DataFrame:
    rows = [
        (shift.shift, shift.zero_shot, shift.supervised, shift.zero_shot_gap, shift.supervised_gap, shift.closed)
        for shift in pair.shifts
    ]
    columns = ["dataset", "first_top1", "second_top1", "gap_first", "gap_second", "share_closed"]
    return pd.DataFrame(rows, columns=columns)


def _notes(pair: ClipPair) -> tuple[str, ...]:
    shares = [100 * shift.closed for shift in pair.shifts if shift.closed is not None]
    return (
        f"Both reach {100 * pair.zero_shot_imagenet:.1f} % on ImageNet. The paper says that zero-shot CLIP shrinks "
        f"the gap by {CLAIM}; by its own table it closes {min(shares):.0f} to {max(shares):.0f} % of it, set by set.",
        NOT_MATCHED,
    )
