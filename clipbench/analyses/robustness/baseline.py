"""What was to be expected of a model: a line through other models' accuracies on a reference and a shift."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd

from clipbench.analyses.robustness.matched_pairs import MatchedPair
from clipbench.errors import listed
from clipbench.metrics.shift import MIN_MODELS, LogitLine, inverse_logit, logit
from clipbench.reference.published import published_pair
from clipbench.reference.robustness import pair_line
from clipbench.results.records import JobResult
from clipbench.stats.intervals import Interval
from clipbench.stats.prediction import ModelLine, model_line
from clipbench.tasks.base import Metric

PUBLISHED = "published"
OF_THE_RUN = "models of this run"

_BAND_POINTS = 41
_SIDES = (attrgetter("on_reference"), attrgetter("on_shift"))


@dataclass(frozen=True)
class Baseline:
    """A line in logit space and how sure it is (Taori et al. 2020, arXiv 2007.00644)."""

    source: str
    """Whose accuracies it was fitted to, for people."""
    models: ModelLine
    jobs: tuple[str, ...] = ()
    """Hashes of the jobs of its models, where they are of this run."""
    warning: str = ""

    @property
    def line(self) -> LogitLine:
        """The line alone."""
        return self.models.line

    def expected(self, pair: MatchedPair) -> float:
        """Return beta: the accuracy on the shift that the line gives for that on the reference."""
        return self.models.expected(pair.on_reference.inside)

    def effective(self, pair: MatchedPair) -> float:
        """Return rho: accuracy on the shift beyond what the line expects."""
        return pair.on_shift.value - self.expected(pair)

    def predicted(self, pair: MatchedPair, family: int = 1) -> Interval | None:
        """Return where the accuracy of another model as good would lie, `ModelLine.predict`; None for few images."""
        reference, shift = pair.on_reference, pair.on_shift
        if reference.effective is None or shift.effective is None:
            return None
        return self.models.predict(reference.inside, reference.effective, shift.effective, family)

    def metrics(self, pair: MatchedPair, params: Mapping[str, Any], family: int = 1) -> tuple[Metric, ...]:
        """Return the expected accuracy and effective robustness, whose interval leaves out zero outside that of it."""
        n, interval = pair.on_shift.n, self.predicted(pair, family)
        spread = {**params, "spread": self.models.spread_at(pair.on_reference.inside)}
        effective = beyond(pair.on_shift.value, interval) if interval else None
        return (
            Metric("expected_top1", self.expected(pair), n, interval, params=spread),
            Metric("effective_robustness", self.effective(pair), n, effective, params=spread),
        )

    def tables(self, pair: MatchedPair) -> dict[str, pd.DataFrame]:
        """Return the line in one row, and its band over the range of its models and of this one."""
        line, reference = self.line, pair.on_reference.inside
        ends = logit([min(line.lowest, reference), max(line.highest, reference)])
        grid = inverse_logit(np.linspace(ends[0], ends[1], _BAND_POINTS))
        low, high = self.models.band(grid)
        band = {"reference_top1": grid, "expected": line.expected(grid), "low": low, "high": high}
        row = line_row(self.source, self.models, pair.on_reference.value)
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
        if self.models.without:
            yield f"The model's own published figures have no part in its baseline: {listed(self.models.without)}."
        if self.warning:
            yield self.warning


def beyond(value: float, predicted: Interval) -> Interval:
    """Return the interval of what a value has beyond a prediction."""
    return replace(predicted, low=value - predicted.high, high=value - predicted.low)


def own_rows(job: JobResult, published: Iterable[str]) -> tuple[str, ...]:
    """Return which published models are the job's own by name: that of the run, or that it was loaded by."""
    loaded = str(job.run_metadata.get("model", "")).partition(":")[2]
    names = {_plain_name(name) for name in (job.model, loaded) if name}
    return tuple(name for name in published if _plain_name(name) in names)


def _plain_name(name: str) -> str:
    """Return a name without what tells no weights apart: case and the activation that a configuration names."""
    return name.lower().replace("-quickgelu", "").replace("_", "-")


def line_row(source: str, models: ModelLine, reference: float) -> dict[str, Any]:
    """Return what there is to say of a line beside a model of this reference accuracy."""
    line = models.line
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
        "spread": models.spread_at(reference),
        "families": models.families,
        "without": ", ".join(models.without),
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
    if tuple(names) == (PUBLISHED,):
        return _published(pair, continuity)
    members = [other for other in pairs if other.key[0] in names and other.key[1:] == pair.key[1:]]
    others = [other for other in members if other.key[0] != pair.key[0]]
    if len(others) < MIN_MODELS:
        whose = "named as baselines" if others == members else "named as baselines, beside the model itself,"
        return None, f"{len(others)} of the models {whose} have results, and a line needs {MIN_MODELS}"
    return _of_models(others, continuity)


def _published(pair: MatchedPair, continuity: float | None) -> tuple[Baseline | None, str]:
    reference, shift = pair.reference.dataset, pair.shift.dataset
    published = published_pair(reference, shift)
    if published is None or len(published.line_models) < MIN_MODELS:
        return None, f"no ten models are published for {reference} and {shift}"
    if pair.subject.subset and not published.balanced:
        return None, (
            f"with {pair.subject.subset} every class of {shift} has as many images, in the published figures it has "
            "its own share"
        )
    own = own_rows(pair.shift, (model.name for model in published.line_models))
    return Baseline(published.source, pair_line(published, continuity, own), warning=published.warning), ""


def _of_models(pairs: Sequence[MatchedPair], continuity: float | None) -> tuple[Baseline | None, str]:
    names = [pair.reference.model for pair in pairs]
    accuracies = ([side(pair).value for pair in pairs] for side in _SIDES)
    sizes = ([side(pair).n for pair in pairs] for side in _SIDES)
    try:
        models = model_line(names, *accuracies, *sizes, continuity=continuity)
    except ValueError as error:
        return None, str(error)
    jobs = tuple(job.hash for pair in pairs for job in (pair.reference, pair.shift))
    return Baseline(OF_THE_RUN, models, jobs), ""


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
