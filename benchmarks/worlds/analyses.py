"""Made-up results of several sets and models, with a known truth, for `coverage.py`."""

from __future__ import annotations

from itertools import starmap

import numpy as np
import pandas as pd
from numpy.random import Generator
from scipy.special import expit
from worlds.cases import Draw, IntervalCase, StatementCase, answers

from clipbench.analyses.base import Evidence
from clipbench.analyses.rankings.error_consistency import ErrorConsistency
from clipbench.analyses.robustness.robustness import RobustnessAnalysis, RobustnessAnalysisSettings
from clipbench.arrays import BoolArray, Float64Array, IntArray
from clipbench.results.records import JobResult, Pedigree, Record
from clipbench.stats.intervals import ends, wilson
from clipbench.stats.prediction import ModelLine, model_line

# A reference and its shifts


def _job(
    model: str, dataset: str, correct: BoolArray, ids: IntArray, matched: str = ""
) -> tuple[JobResult, pd.DataFrame]:
    name = f"{model} {dataset} {matched}"
    low, high = ends(wilson(int(correct.sum()), len(correct)))
    record = Record("top1", float(correct.mean()), low=low, high=high, interval="wilson", n=len(correct), main=True)
    pedigree = Pedigree(data=dataset, labels=f"{dataset} {matched}")
    about = {"classes": f"{dataset if matched == '' else matched}", "n_classes": 6}
    job = JobResult(
        name, model, dataset, "test", "zero_shot", "", "done", pedigree, (record,), matched=matched, about=about
    )
    return job, pd.DataFrame({"id": ids, "label": 0, "correct": correct})


def _shifted(
    random: Generator, classes: int, each: int, loss: float
) -> tuple[Evidence, list[str], Float64Array, Float64Array]:
    """Make one model's jobs: a reference, and a shift for each class that leaves that class out.

    Returns the evidence, the names of the shifts, and the true accuracies on the reference's classes and on the shifts.
    """
    of_class = expit(np.linspace(-0.5, 2.5, classes))
    label = np.repeat(np.arange(classes), each)
    right = random.random(len(label)) < of_class[label]
    jobs, tables, names = [], {}, []
    true_reference, true_shift = [], []
    for left_out in range(classes):
        name = f"shift-{left_out}"
        keep = label != left_out
        of_shift = np.delete(of_class, left_out) - loss - 0.01 * left_out
        there = random.random(int(keep.sum())) < np.repeat(of_shift, each)
        for job, table in (
            _job("model", "reference", right[keep], np.flatnonzero(keep), name),
            _job("model", name, there, np.arange(len(there))),
        ):
            jobs.append(job)
            tables[job.hash] = table
        names.append(name)
        true_reference.append(float(np.delete(of_class, left_out).mean()))
        true_shift.append(float(of_shift.mean()))
    return (
        Evidence(jobs, lambda job_hash, columns=None: tables[job_hash]),
        names,
        np.array(true_reference),
        np.array(true_shift),
    )


def over_shifts(metric: str, classes: int, each: int) -> IntervalCase:
    """Seven shifts, say, each of six of the reference's seven classes, whose images they share."""

    def draw(random: Generator) -> Draw:
        evidence, names, reference, shift = _shifted(random, classes, each, 0.1)
        settings = RobustnessAnalysisSettings(analysis="robustness", reference="reference", shifts=tuple(names))
        finding = RobustnessAnalysis().analyse(evidence, settings)[-1]
        found = next(one for one in finding.metrics if one.name == metric)
        truth = {"mean_gap": float(np.mean(reference - shift)), "worst_shift_top1": float(shift.min())}
        return found.interval, truth[metric]

    label = "mean gap over shifts" if metric == "mean_gap" else "worst shift"
    return IntervalCase(label, f"{classes} shifts of all classes but one, {each} images a class", draw)


# Lines through models


def _line(random: Generator, families: int, of_family: float, of_model: float) -> ModelLine:
    sizes = random.integers(2, 8, families)
    family = np.repeat(np.arange(families), sizes)
    x = random.normal(0.5, 0.8, len(family))
    apart = of_family * random.standard_normal(families)[family] + of_model * random.standard_normal(len(family))
    y = 0.9 * x - 0.7 + apart
    counts = [random.binomial(10_000, expit(logits)) for logits in (x, y)]
    names = [str(place) for place in range(len(family))]
    return model_line(names, counts[0] / 10_000, counts[1] / 10_000, 10_000, 10_000, families=[str(f) for f in family])


def _another(
    random: Generator, line: ModelLine, of_family: float, of_model: float, n: int, family: int
) -> tuple[object, float]:
    x = random.normal(0.5, 0.8)
    y = 0.9 * x - 0.7 + of_family * random.standard_normal() + of_model * random.standard_normal()
    on_reference, here = random.binomial(n, expit(x)) / n, random.binomial(n, expit(y)) / n
    return line.predict(on_reference, n, n, family), here


def prediction(families: int, of_family: float, of_model: float, n: int) -> IntervalCase:
    def draw(random: Generator) -> Draw:
        line = _line(random, families, of_family, of_model)
        interval, here = _another(random, line, of_family, of_model, n, 1)
        return interval, here

    return IntervalCase(
        "prediction of another model", f"{families} families, {of_family} and {of_model} logits apart, n = {n}", draw
    )


def called(sets: int, families: int) -> StatementCase:
    """A model like the others on all sets; each set has its own line and its own deviations."""

    def draw(random: Generator) -> bool:
        found = []
        for _ in range(sets):
            interval, here = _another(random, _line(random, families, 0.2, 0.15), 0.2, 0.15, 2000, sets)
            found.append(not interval.low <= here <= interval.high)
        return any(found)

    return StatementCase(
        "more or less than expected on one of several sets", f"a model like {families} families, {sets} sets", draw
    )


# Error consistency


def consistency(n: int, shared: float, accuracy: float) -> IntervalCase:
    """The truth is the mean of kappa over large samples."""
    truth: list[float] = []

    def kappa(right: BoolArray) -> Draw:
        rows = [_job(f"model-{place}", "set", correct, np.arange(len(correct))) for place, correct in enumerate(right)]
        tables = {job.hash: table for job, table in rows}
        evidence = Evidence([job for job, _ in rows], lambda job_hash, columns=None: tables[job_hash])
        metric = (
            ErrorConsistency().analyse(evidence, ErrorConsistency.Settings(analysis="error_consistency"))[0].metrics[0]
        )
        return metric.interval, float(metric.value or 0)

    def draw(random: Generator) -> Draw:
        if not truth:
            large = np.random.default_rng(0)
            truth.append(
                float(
                    np.mean(
                        [kappa(answers(large, np.full(100_000, accuracy), [0.0, 0.0], shared))[1] for _ in range(10)]
                    )
                )
            )
        return kappa(answers(random, np.full(n, accuracy), [0.0, 0.0], shared))[0], truth[0]

    return IntervalCase("error consistency (kappa)", f"n = {n}, accuracies {accuracy}, shared {shared}", draw)


INTERVALS = [
    *(over_shifts(metric, *size) for metric in ("mean_gap", "worst_shift_top1") for size in ((7, 50), (3, 400))),
    *starmap(prediction, [(6, 0.2, 0.15, 1000), (30, 0.1, 0.2, 300), (12, 0.4, 0.1, 10_000)]),
    *starmap(consistency, [(200, 0.5, 0.7), (1000, 0.8, 0.9)]),
]
STATEMENTS = [called(12, 12)]
