"""What is lost between two accuracies on different images, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from clipbench.analyses.robustness.matched_pairs import Counted, MatchedPair
from clipbench.arrays import Float64Array
from clipbench.fingerprint import digest
from clipbench.metrics.shift import corrected, logit
from clipbench.stats.bootstrap import RESAMPLES, percentile
from clipbench.stats.intervals import Interval, wilson
from clipbench.stats.line_draws import draw_accuracies
from clipbench.tasks.base import Metric
from clipbench.tasks.wording import ends

UNPAIRED = "unpaired bootstrap"


@dataclass(frozen=True)
class Gap:
    """A model's accuracy on a reference and on a shift, with resamples of both."""

    pair: MatchedPair

    @property
    def reference(self) -> Counted:
        """Accuracy on the reference."""
        return self.pair.of_reference

    @property
    def shift(self) -> Counted:
        """Accuracy on the shift."""
        return self.pair.of_shift

    @property
    def value(self) -> float:
        """Reference minus shift, as a fraction."""
        return self.reference.value - self.shift.value

    @cached_property
    def drawn_reference(self) -> Float64Array:
        """(B,) accuracy on the reference in resamples of its images."""
        return _resampled(self.reference, self.pair.reference.hash)

    @cached_property
    def drawn_shift(self) -> Float64Array:
        """(B,) accuracy on the shift in resamples of its images."""
        return _resampled(self.shift, self.pair.shift.hash)

    @cached_property
    def drawn(self) -> Float64Array:
        """(B,) the gap in resamples."""
        return self.drawn_reference - self.drawn_shift


def gap_metrics(gap: Gap, params: Mapping[str, Any]) -> tuple[Metric, ...]:
    """Return both accuracies and the gap: as a difference, as a share of the reference, and in logit space.

    Logits are those of accuracies corrected by half an image, so that none and all have one.
    """
    reference, shift = gap.reference, gap.shift
    n = min(reference.n, shift.n)
    first = logit(corrected(gap.drawn_reference * reference.n, reference.n))
    second = logit(corrected(gap.drawn_shift * shift.n, shift.n))
    logit_gap = float(logit(corrected(reference.right, reference.n)) - logit(corrected(shift.right, shift.n)))
    lost = gap.value / reference.value if reference.right else None
    shares = np.divide(gap.drawn, gap.drawn_reference, where=gap.drawn_reference > 0, out=np.full(RESAMPLES, np.nan))
    return (
        Metric("reference_top1", reference.value, reference.n, wilson(reference.right, reference.n), params=params),
        Metric("shift_top1", shift.value, shift.n, wilson(shift.right, shift.n), params=params),
        Metric("gap", gap.value, n, percentiles(gap.drawn), params=params),
        Metric("relative_gap", lost, n, None if lost is None else percentiles(shares), params=params),
        Metric("logit_gap", logit_gap, n, percentiles(first - second), "logit", params=params),
    )


def percentiles(drawn: Float64Array, kind: str = UNPAIRED) -> Interval | None:
    """Return the percentile interval of resamples, NaN where one leaves the value undefined; None if all do."""
    return None if np.isnan(drawn).all() else replace(percentile(drawn), kind=kind)


def ends_of(metric: Metric) -> str:
    """Return a metric's interval for a sentence that says its size: turned round where the value is negative."""
    if metric.value is None or metric.interval is None:
        return ""
    return ends(metric.interval.low, metric.interval.high, 1 if metric.value >= 0 else -1)


def _resampled(accuracy: Counted, job: str) -> Float64Array:
    """Return (B,) accuracies in resamples of a job's images, the same ones wherever the job is used."""
    return draw_accuracies(accuracy.right, accuracy.n, seed=int(digest(job)[:8], 16))
