"""What was to be expected of a model: a line through other models' accuracies on a reference and a shift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from clipbench.analyses.robustness.matched_pairs import MatchedPair
from clipbench.arrays import Float64Array
from clipbench.errors import listed
from clipbench.metrics.shift import MIN_MODELS, LogitLine, corrected, fit_line, inverse_logit, logit
from clipbench.reference.published import published_pair
from clipbench.reference.robustness import pair_draws, pair_line
from clipbench.stats.line_draws import LineDraws, interval_of, resample_line
from clipbench.tasks.base import Metric

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

    def expected(self, pair: MatchedPair) -> float:
        """Return beta: the accuracy on the shift that the line gives for that on the reference."""
        return float(self.line.expected(pair.on_reference.inside))

    def effective(self, pair: MatchedPair) -> float:
        """Return rho: accuracy on the shift beyond what the line expects."""
        return pair.on_shift.value - self.expected(pair)

    def drawn_effective(self, pair: MatchedPair) -> Float64Array:
        """Return (B,) rho in resamples of the line's models and of the model's own examples."""
        return pair.drawn_shift - self.draws.expected(_drawn_reference(pair))

    def metrics(self, pair: MatchedPair, params: Mapping[str, Any]) -> tuple[Metric, ...]:
        """Return the expected accuracy and effective robustness."""
        n = pair.on_shift.n
        expected = interval_of(self.draws.expected(_drawn_reference(pair)))
        effective = interval_of(self.drawn_effective(pair))
        return (
            Metric("expected_top1", self.expected(pair), n, expected, params=params),
            Metric("effective_robustness", self.effective(pair), n, effective, params=params),
        )

    def tables(self, pair: MatchedPair) -> dict[str, pd.DataFrame]:
        """Return the line in one row, and its band over the range of its models and of this one."""
        line, reference = self.line, pair.on_reference.inside
        ends = logit([min(line.lowest, reference), max(line.highest, reference)])
        grid = inverse_logit(np.linspace(ends[0], ends[1], _BAND_POINTS))
        low, high = self.draws.band(grid)
        band = {"reference_top1": grid, "expected": line.expected(grid), "low": low, "high": high}
        row = line_row(self.source, line, pair.on_reference.value)
        return {"baseline": pd.DataFrame([row]), "baseline_band": pd.DataFrame(band)}

    def notes(self, pair: MatchedPair) -> Iterator[str]:
        """Yield what a reader of the line must know."""
        line, job, accuracy = self.line, pair.reference, pair.on_reference.value
        if not line.covers(accuracy):
            yield (
                f"{job.model} lies outside the baseline's range: {_percent(accuracy)} on {job.dataset}, where the "
                f"line's models have {_percent(line.lowest)} to {_percent(line.highest)}. What is expected of it is "
                "extrapolated."
            )
        if line.left_out:
            yield f"Left out of the baseline, at 0 or 100 %: {listed(line.left_out)}."
        if self.warning:
            yield self.warning


def line_row(source: str, line: LogitLine, reference: float) -> dict[str, Any]:
    """Return what there is to say of a line beside a model of this reference accuracy."""
    return {
        "source": source,
        "slope": line.slope,
        "intercept": line.intercept,
        "r2": line.r2,
        "models": len(line.models),
        "lowest": line.lowest,
        "highest": line.highest,
        "left_out": ", ".join(line.left_out),
        "outside": not line.covers(reference),
    }


def find_baseline(
    names: Sequence[str], continuity: float | None, pair: MatchedPair, pairs: Sequence[MatchedPair]
) -> tuple[Baseline | None, str]:
    """Return the baseline of a pair of sets, or why there is none.

    Args:
        names: 'published' alone, names of models of the run, or nothing.
        continuity: as `fit_line` takes it.
        pair: the model that is judged; `pairs` those of all models on the same two sets.
    """
    if not names:
        return None, "none was asked for"
    reference, shift = pair.reference.dataset, pair.shift.dataset
    if tuple(names) == (PUBLISHED,):
        baseline = _published(reference, shift, continuity)
        return baseline, "" if baseline else f"no ten models are published for {reference} and {shift}"
    members = [other for other in pairs if other.key[0] in names and other.key[1:] == pair.key[1:]]
    if len(members) < MIN_MODELS:
        return None, f"{len(members)} of the models named as baselines have results, and a line needs {MIN_MODELS}"
    return _of_models(members, continuity)


def _published(reference: str, shift: str, continuity: float | None) -> Baseline | None:
    published = published_pair(reference, shift)
    if published is None or len(published.line_models) < MIN_MODELS:
        return None
    line, draws = pair_line(published, continuity), pair_draws(published, continuity)
    return Baseline(published.source, line, draws, warning=published.warning)


def _of_models(pairs: Sequence[MatchedPair], continuity: float | None) -> tuple[Baseline | None, str]:
    names = [pair.reference.model for pair in pairs]
    x, y = [pair.on_reference.value for pair in pairs], [pair.on_shift.value for pair in pairs]
    sizes = [pair.on_reference.n for pair in pairs], [pair.on_shift.n for pair in pairs]
    try:
        line = fit_line(names, x, y, continuity=continuity, n_reference=sizes[0], n_shift=sizes[1])
    except ValueError as error:
        return None, str(error)
    draws = resample_line(line, names, x, y, *sizes)
    jobs = tuple(job.hash for pair in pairs for job in (pair.reference, pair.shift))
    return Baseline(OF_THE_RUN, line, draws, jobs), ""


def _drawn_reference(pair: MatchedPair) -> Float64Array:
    n = pair.on_reference.n
    return corrected(pair.drawn_reference * n, n)


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
