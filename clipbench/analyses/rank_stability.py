"""Whether the order of models depends on the wording of the prompts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, pairwise
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.compare import SAME
from clipbench.analyses.same_examples import same_examples
from clipbench.errors import UserError
from clipbench.records import JobResult
from clipbench.stats.bootstrap import RESAMPLES, SEED, bootstrap_units
from clipbench.stats.comparison import Comparison, compare_pair
from clipbench.stats.intervals import Interval
from clipbench.stats.ranks import Signs, flip_shares, mean_tau_b, order_signs, tie_shares
from clipbench.stats.significance import holm
from clipbench.tasks.base import Metric

ALPHA = 0.05
"""A claim is significant where its corrected p value is below this."""

_Bools = NDArray[np.bool_]
_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


class RankStabilitySettings(AnalysisSettings):
    """Settings of rank stability: it has none."""

    analysis: Literal["rank_stability"]


@dataclass(frozen=True)
class _Claim:
    """Two models with the first template, the first minus the second."""

    found: Comparison
    p_holm: float


@dataclass(frozen=True)
class _Answers:
    """What several models make of the same images with the same templates."""

    models: tuple[str, ...]
    """Best first, by the mean over templates."""
    templates: tuple[str, ...]
    correct: _Bools
    """(M, n, T) whether a model is right about an image with a template."""

    @property
    def n(self) -> int:
        return int(self.correct.shape[1])

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return list(combinations(self.models, 2))

    @cached_property
    def right(self) -> _Ints:
        """(M, T) right answers."""
        right: _Ints = self.correct.sum(axis=1, dtype=np.int64)
        return right

    @cached_property
    def signs(self) -> Signs:
        """(P, T) which of two models is ahead."""
        return order_signs(self.right)

    def survives(self, tenths: int = 10) -> _Bools:
        """Return (P,) whether the same model is ahead with so many tenths of the templates, or more."""
        first, second = (np.count_nonzero(self.signs == sign, axis=1) for sign in (1, -1))
        alike: _Bools = 10 * np.maximum(first, second) >= tenths * len(self.templates)
        return alike

    @cached_property
    def claims(self) -> list[_Claim]:
        """Of every pair; p of McNemar's exact test, after Holm's correction for all pairs."""
        found = [compare_pair(first, second) for first, second in combinations(self.correct[:, :, 0], 2)]
        corrected = holm([one.p for one in found])
        return [_Claim(one, p or 0.0) for one, p in zip(found, corrected, strict=True)]


class RankStability:
    """How far the templates of prompt sensitivity agree on the order of the models, and which claims all support."""

    name: ClassVar[str] = "rank_stability"
    protocol: ClassVar[int] = 1
    tasks: ClassVar[tuple[str, ...]] = ("prompt_sensitivity",)
    Settings: ClassVar[type[AnalysisSettings]] = RankStabilitySettings

    def analyse(self, evidence: Evidence, settings: AnalysisSettings) -> Sequence[Finding]:
        """Order the models of each data set, split, prompt set and subset that two models or more have."""
        together: dict[tuple[str, ...], list[JobResult]] = defaultdict(list)
        for job in evidence.jobs:
            together[job.key[1:]].append(job)
        return [finding for jobs in together.values() if len(jobs) > 1 for finding in _findings(jobs, evidence)]


def _findings(jobs: Sequence[JobResult], evidence: Evidence) -> Iterator[Finding]:
    """Yield one finding for each two jobs or more whose pedigrees agree; one without metrics if none do."""
    alike: dict[tuple[str, ...], list[JobResult]] = defaultdict(list)
    for job in jobs:
        alike[tuple(getattr(job.pedigree, part) for part in SAME)].append(job)
    several = [group for group in alike.values() if len(group) > 1]
    for group in several:
        yield _finding(group, evidence, tuple(_left_out(group, jobs)))
    if not several:
        differ = _differ(jobs[0], jobs[1:])
        verb = "differs" if len(differ) == 1 else "differ"
        yield _without(jobs, f"Not compared: {', '.join(differ)} {verb} between the jobs.")


def _differ(job: JobResult, others: Sequence[JobResult]) -> list[str]:
    found = {part for other in others for part in job.pedigree.differences(other.pedigree)}
    return [part for part in SAME if part in found]


def _left_out(group: Sequence[JobResult], jobs: Sequence[JobResult]) -> Iterator[str]:
    others = [f"{job.model} ({', '.join(_differ(group[0], [job]))})" for job in jobs if job not in group]
    if others:
        yield f"Left out, since a part of the pedigree differs: {', '.join(others)}."


def _without(jobs: Sequence[JobResult], note: str) -> Finding:
    return Finding(_about(jobs), (), jobs=tuple(job.hash for job in jobs), notes=(note,))


def _about(jobs: Sequence[JobResult]) -> Mapping[str, str]:
    job = jobs[0]
    return {
        "model": " · ".join(one.model for one in jobs),
        "dataset": job.dataset,
        "split": job.split,
        "subset": job.pedigree.subset,
        "variant": job.variant,
    }


def _finding(jobs: Sequence[JobResult], evidence: Evidence, left_out: tuple[str, ...]) -> Finding:
    try:
        answers = _read(jobs, evidence)
    except UserError as error:
        return _without(jobs, f"Not compared: {error}.")
    metrics = tuple(_metrics(answers))
    return Finding(
        _about(jobs),
        metrics,
        tables={"rank_flips": _rank_flips(answers), "orders": _orders(answers)},
        jobs=tuple(job.hash for job in jobs),
        notes=(*_in_words(answers, {metric.name: metric for metric in metrics}), *left_out),
    )


def _read(jobs: Sequence[JobResult], evidence: Evidence) -> _Answers:
    """Read the answers, images in the first job's order.

    Raises:
        UserError: a table cannot be read, or is of other images, labels or templates.
    """
    fix = "remove the job's files and run the suite again"
    templates = _counted(jobs[0])
    columns = [f"correct.{position}" for position in range(len(templates))]
    tables = [evidence.examples(job.hash).set_index("id") for job in jobs]
    for job, table in zip(jobs, tables, strict=True):
        if len(columns) < 2 or not {"label", *columns} <= set(table.columns):
            problem = f"the per-example table of {job.model} lacks templates"
            raise UserError(problem, where=job.dataset, fix=fix)
        if not same_examples(tables[0], table):
            raise UserError("the jobs have other examples or labels", where=job.dataset, fix=fix)
    correct: list[_Bools] = [table.loc[tables[0].index, columns].to_numpy(bool) for table in tables]
    best_first = sorted(range(len(jobs)), key=lambda at: -np.count_nonzero(correct[at]))
    models = tuple(jobs[at].model for at in best_first)
    return _Answers(models, templates, np.stack([correct[at] for at in best_first]))


def _counted(job: JobResult) -> tuple[str, ...]:
    """Return the templates that stand for reasonable wordings: controls are there to be worse."""
    listed = job.tables.get("templates")
    if listed is None:
        return ()
    frame = listed.frame()
    # Protocol 1 had no controls.
    counted = frame["role"] == "" if "role" in frame else slice(None)
    return tuple(map(str, frame["template"][counted]))


def _metrics(answers: _Answers) -> Iterator[Metric]:
    """Yield tau, which stands for the finding, the flips, and the claims that every template supports."""
    signs, n = answers.signs, answers.n
    tau, flips = float(mean_tau_b(signs)), float(flip_shares(signs).mean())
    of_tau, of_flips = _intervals(answers, tau, flips)
    size: dict[str, Any] = {"models": len(answers.models), "templates": len(answers.templates)}
    drawn = size | {"seed": SEED, "resamples": RESAMPLES}
    ordered = int(np.count_nonzero(signs.any(axis=0)))
    yield Metric(
        "kendall_tau",
        None if np.isnan(tau) else tau,
        n,
        of_tau,
        "tau",
        main=True,
        params=drawn | {"template_pairs": ordered * (ordered - 1) // 2},
    )
    yield Metric("order_flip_share", flips, n, of_flips, params=drawn | {"ties": float(tie_shares(signs).mean())})
    survives = answers.survives()
    significant = [kept and claim.p_holm < ALPHA for kept, claim in zip(survives.tolist(), answers.claims, strict=True)]
    params = size | {"pairs": len(signs)}
    yield Metric("surviving_claims", int(survives.sum()), n, unit="pairs", params=params)
    params = params | {"template": answers.templates[0], "alpha": ALPHA}
    yield Metric("significant_surviving_claims", sum(significant), n, unit="pairs", params=params)


def _intervals(answers: _Answers, tau: float, flips: float) -> tuple[Interval | None, Interval | None]:
    """Return the intervals over images of tau and of the share of flips; None where next to nothing varies.

    Resampling adds noise to each accuracy, so flips to the orders, which centring on the value takes off again.
    """
    models, n, templates = answers.correct.shape
    flat = answers.correct.transpose(1, 0, 2).reshape(n, models * templates).astype(np.float32)
    defined = not np.isnan(tau)

    def statistic(weights: _Ints) -> _Floats:
        # float32 holds whole numbers to 2^24, so that equal counts are equal.
        right = (weights.astype(np.float32) @ flat).reshape(-1, models, templates)
        signs = order_signs(right)
        of_flips = flip_shares(signs).mean(axis=-1)
        return np.column_stack([of_flips, mean_tau_b(signs)] if defined else [of_flips])

    elements = templates * len(answers.pairs) * 2
    centre = np.array([flips, tau] if defined else [flips])
    found = bootstrap_units(n, statistic, elements=elements, centre=centre)
    return (_within(found[1], -1.0) if defined else None), _within(found[0], 0.0)


def _within(interval: Interval, lowest: float) -> Interval | None:
    found = replace(interval, low=max(lowest, interval.low), high=min(1.0, interval.high))
    return None if np.isclose(found.low, found.high, rtol=0, atol=1e-12) else found


def _rank_flips(answers: _Answers) -> pd.DataFrame:
    """Return one row a pair of models; difference, its interval and p_holm are those with the first template."""
    names = [*("first", "second", "first_ahead", "second_ahead", "ties", "flip_share", "survives")]
    names += ["difference", "low", "high", "p_holm"]
    each = zip(
        answers.pairs, answers.signs, flip_shares(answers.signs), answers.survives(), answers.claims, strict=True
    )
    rows = []
    for pair, signs, share, survives, claim in each:
        ahead = [int(np.count_nonzero(signs == sign)) for sign in (1, -1, 0)]
        found = claim.found.numbers[:3]
        rows.append((*pair, *ahead, share, "yes" if survives else "no", *found, claim.p_holm))
    return pd.DataFrame(rows, columns=names)


def _orders(answers: _Answers) -> pd.DataFrame:
    """Return each template with its models, best first; ' = ' stands between models that are equal."""
    rows = []
    for template, right in zip(answers.templates, answers.right.T.tolist(), strict=True):
        order = sorted(range(len(right)), key=lambda at: -right[at])
        words = answers.models[order[0]]
        for ahead, at in pairwise(order):
            words += f" {'=' if right[ahead] == right[at] else '>'} {answers.models[at]}"
        rows.append((template, words))
    return pd.DataFrame(rows, columns=["template", "models"])


def _in_words(answers: _Answers, metrics: Mapping[str, Metric]) -> Iterator[str]:
    tau, flips = metrics["kendall_tau"], metrics["order_flip_share"]
    kept, significant = metrics["surviving_claims"].value, metrics["significant_surviving_claims"].value
    yield (
        f"The order of {len(answers.models)} models flips in {100 * (flips.value or 0):.1f} % of pairs between "
        f"templates; {kept:.0f} of {len(answers.pairs)} claims 'A beats B' survive every wording, "
        f"{np.count_nonzero(answers.survives(9))} nine wordings in ten."
    )
    if kept:
        yield (
            f"Of these, {significant:.0f} {'is' if significant == 1 else 'are'} significant with the first template, "
            f"{answers.templates[0]!r} (McNemar's exact test after Holm's correction for all pairs of models)."
        )
    if flips.params["ties"]:
        share = 100 * flips.params["ties"]
        yield f"In {share:.1f} % more, two models are equal with one of two templates, which is no flip."
    if tau.value is None:
        yield "Fewer than two templates tell the models apart, so Kendall's tau is undefined."
    elif tau.interval is None:
        yield "Kendall's tau is the same in nearly every resample of the images, so it has no interval."
