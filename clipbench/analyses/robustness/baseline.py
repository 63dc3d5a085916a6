"""What was to be expected of a model: a line through other models' accuracies on a reference and a shift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from clipbench.analyses.robustness.gaps import Gap
from clipbench.analyses.robustness.matched_pairs import MatchedPair
from clipbench.arrays import Float64Array
from clipbench.metrics.shift import MIN_MODELS, LogitLine, corrected, fit_line, inverse_logit, logit
from clipbench.reference.published import published_pair
from clipbench.reference.robustness import pair_draws, pair_line
from clipbench.stats.line_draws import KIND, LineDraws, interval_of, resample_line
from clipbench.tasks.base import Metric
from clipbench.tasks.wording import listed

PUBLISHED = "published"
OF_THE_RUN = "models of this run"

_BAND_POINTS = 41


@dataclass(frozen=True)
class Baseline:
    """A line in logit space and how sure it is (Taori et al. 2020, arXiv 2007.00644)."""

    source: str
    """Whose accuracies it was fitted to, for people."""
    line: LogitLine
    draws: LineDraws
    jobs: tuple[str, ...] = ()
    """Hashes of the jobs of its models, where they are of this run."""
    warning: str = ""
    interval: str = KIND

    def effective(self, gap: Gap) -> float:
        """Return rho: accuracy on the shift beyond what the line expects."""
        return gap.shift.value - self._expected(gap)

    def drawn_effective(self, gap: Gap) -> Float64Array:
        """Return (B,) rho in resamples of the line's models and of the model's own examples."""
        return self.draws.effective_robustness(_drawn_reference(gap), gap.drawn_shift)

    def metrics(self, gap: Gap, params: Mapping[str, Any]) -> tuple[Metric, ...]:
        """Return the expected accuracy and effective robustness."""
        n = gap.shift.n
        expected = interval_of(self.draws.expected(_drawn_reference(gap)))
        rho = interval_of(self.drawn_effective(gap))
        return (
            Metric("expected_top1", self._expected(gap), n, expected, params=params),
            Metric("effective_robustness", self.effective(gap), n, rho, params=params),
        )

    def tables(self, gap: Gap) -> dict[str, pd.DataFrame]:
        """Return the line in one row, and its band over the range of its models and of this one."""
        line = self.line
        row = {
            "source": self.source,
            "slope": line.slope,
            "intercept": line.intercept,
            "r2": line.r2,
            "models": len(line.models),
            "lowest": line.lowest,
            "highest": line.highest,
            "left_out": ", ".join(line.left_out),
            "outside": not line.covers(gap.reference.value),
        }
        own = float(corrected(gap.reference.right, gap.reference.n))
        ends = logit([min(line.lowest, own), max(line.highest, own)])
        grid = inverse_logit(np.linspace(ends[0], ends[1], _BAND_POINTS))
        low, high = self.draws.band(grid)
        band = {"reference_top1": grid, "expected": line.expected(grid), "low": low, "high": high}
        return {"baseline": pd.DataFrame([row]), "baseline_band": pd.DataFrame(band)}

    def notes(self, gap: Gap) -> Iterator[str]:
        """Yield what a reader of the line must know."""
        line, pair = self.line, gap.pair
        if not line.covers(gap.reference.value):
            yield (
                f"{pair.reference.model} lies outside the baseline's range: {_percent(gap.reference.value)} on "
                f"{pair.reference.dataset}, where the line's models have {_percent(line.lowest)} to "
                f"{_percent(line.highest)}. What is expected of it is extrapolated."
            )
        if line.left_out:
            yield f"Left out of the baseline, at 0 or 100 %: {listed(line.left_out)}."
        if self.warning:
            yield self.warning

    def _expected(self, gap: Gap) -> float:
        return float(self.line.expected(corrected(gap.reference.right, gap.reference.n)))


def find_baseline(
    asked: Sequence[str], continuity: float | None, pair: MatchedPair, pairs: Sequence[MatchedPair]
) -> tuple[Baseline | None, str]:
    """Return the baseline of a pair of sets, or why there is none.

    Args:
        asked: 'published' alone, names of models of the run, or nothing.
        continuity: as `fit_line` takes it.
        pair: the model that is judged.
        pairs: of all models, on the same two sets.
    """
    if not asked:
        return None, "none was asked for"
    reference, shift = pair.reference.dataset, pair.shift.dataset
    if tuple(asked) == (PUBLISHED,):
        found = _published(reference, shift, continuity)
        return found, "" if found else f"no ten models are published for {reference} and {shift}"
    theirs = [other for other in pairs if other.key[0] in asked and other.key[1:] == pair.key[1:]]
    if len(theirs) < MIN_MODELS:
        return None, f"{len(theirs)} of the models named as baselines have results, and a line needs {MIN_MODELS}"
    return _of_models(theirs, continuity)


def _published(reference: str, shift: str, continuity: float | None) -> Baseline | None:
    published = published_pair(reference, shift)
    if published is None or len(published.line_models) < MIN_MODELS:
        return None
    line, draws = pair_line(published, continuity), pair_draws(published, continuity)
    return Baseline(published.source, line, draws, warning=published.warning)


def _of_models(pairs: Sequence[MatchedPair], continuity: float | None) -> tuple[Baseline | None, str]:
    names = [pair.reference.model for pair in pairs]
    x, y = [pair.of_reference.value for pair in pairs], [pair.of_shift.value for pair in pairs]
    sizes = [pair.of_reference.n for pair in pairs], [pair.of_shift.n for pair in pairs]
    try:
        line = fit_line(names, x, y, continuity=continuity, n_reference=sizes[0], n_shift=sizes[1])
    except ValueError as error:
        return None, str(error)
    draws = resample_line(line, names, x, y, *sizes)
    jobs = tuple(job.hash for pair in pairs for job in (pair.reference, pair.shift))
    return Baseline(OF_THE_RUN, line, draws, jobs), ""


def _drawn_reference(gap: Gap) -> Float64Array:
    n = gap.reference.n
    return corrected(gap.drawn_reference * n, n)


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
