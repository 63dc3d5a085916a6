"""Zero-shot results beside those of published models as good on ImageNet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from clipbench.analyses.base import AnalysisSettings, Evidence
from clipbench.analyses.robustness.expectations import REFERENCE, Expectations, published_line
from clipbench.analyses.run import _result
from clipbench.reference.published import openclip_columns, openclip_models
from clipbench.results.records import AnalysisResult, JobResult, Pedigree, Record, Subject, Table
from clipbench.stats.intervals import ends, wilson

from ..report.findings import said


def job(
    dataset: str, top1: float, n: int, prompts: str = "", recall: float | None = None, model: str = "m", **more: Any
) -> JobResult:
    low, high = ends(wilson(round(top1 * n), n))
    records, tables = [Record("top1", top1, low=low, high=high, interval="wilson", n=n, main=True)], {}
    if recall is not None:
        correct = round(recall * n / 2)
        low, high = ends(wilson(2 * correct, n))
        records.append(Record("mean_per_class_recall", recall, low=low, high=high, interval="bootstrap", n=n))
    made = JobResult(
        f"{dataset}-{prompts}", model, dataset, "test", "zero_shot", prompts, "done", Pedigree(weights="w")
    )
    return replace(made, **{"prompts": prompts, "records": tuple(records), "tables": tables, **more})


def findings(*jobs: JobResult) -> list[AnalysisResult]:
    analysis = Expectations()
    evidence = Evidence(jobs, lambda _: pytest.fail("reads no examples"))
    made = analysis.analyse(evidence, AnalysisSettings(analysis="expectations"))
    return [_result(analysis, finding) for finding in made]


IMAGENET = job("imagenet", 0.6332, 50_000)


def test_a_weak_side_is_said_in_points_with_its_interval():
    (finding,) = findings(IMAGENET, job("imagenet-sketch", 0.2, 50_889))
    expected, against = finding.records
    about = {"reference": "imagenet", "split": "test", "task": "zero_shot", "n": 50_889}
    assert (finding.about, finding.verdict) == (Subject(("m",), ("imagenet-sketch",), **about), "lower")
    assert (expected.metric, against.metric, against.main) == ("expected_top1", "against_expectation", True)
    assert against.value == pytest.approx(0.2 - expected.value)
    assert against.low < against.value < against.high < 0
    # The one lies outside the interval of the other.
    assert (against.low, against.high) == pytest.approx((0.2 - expected.high, 0.2 - expected.low))
    assert finding.jobs == ("imagenet-", "imagenet-sketch-")
    (row,) = finding.tables["line"].dicts()
    assert (row["models"], row["families"], row["outside"], row["without"]) == (117, 16, False, "")
    assert against.params["spread"] == row["spread"] > 0.04
    (sentence,) = said(finding)
    low, high = (f"{-100 * end:.1f}" for end in (against.high, against.low))
    assert f"{-100 * against.value:.1f}\u202fpoints [{low}, {high}] weak at imagenet-sketch: 20.0\u202f%" in sentence
    assert sentence.endswith("n = 50,889.")


def test_what_most_models_do_is_not_called_weak():
    (finding,) = findings(IMAGENET, job("mnist", 0.4839, 10_000))
    against = finding.records[1]
    assert (finding.verdict, against.low < 0 < against.high) == ("not_distinguishable", True)
    assert "this model is within what is expected (−" in said(finding)[0]


def test_a_published_model_is_judged_without_its_own_figures():
    model = next(model for model in openclip_models() if model.name == "ViT-B-32/openai")
    jobs = [
        job("imagenet", model.accuracies["imagenet"], 50_000),
        job("clevr-count", model.accuracies["clevr-count"], 15_000),
    ]
    (other,) = findings(*jobs)
    named = {"run_metadata": {"model": "open_clip:ViT-B-32-quickgelu/openai"}}
    (finding,) = findings(*(replace(each, **named) for each in jobs))
    assert [found.tables["line"].dicts()[0]["models"] for found in (other, finding)] == [117, 116]
    assert finding.tables["line"].dicts()[0]["without"] == "ViT-B-32/openai"
    expected, against = other.records
    assert (100 * expected.value, 100 * against.value) == pytest.approx((22.1, 1.1), abs=0.05)
    assert finding.verdict == "not_distinguishable"


def test_sets_of_one_model_are_corrected_together():
    alone, *_ = findings(IMAGENET, MNIST)
    together, other = findings(IMAGENET, MNIST, job("pets", 0.5, 3669, recall=0.95))
    assert [found.records[1].family for found in (alone, together, other)] == [1, 2, 2]
    assert together.records[1].low < alone.records[1].low


@pytest.mark.parametrize(("dataset", "n"), [("svhn", 100), ("cifar10", 100)])
def test_a_limit_is_told_and_refused_where_classes_have_shares_of_their_own(dataset: str, n: int):
    limited = job(dataset, 0.5, n, pedigree=Pedigree(weights="w", subset="limit 100"), limit=100)
    (finding,) = findings(IMAGENET, limited)
    assert (finding.about.subset, finding.about.limit, finding.about.n) == ("limit 100", 100, n)
    assert bool(finding.records) == (dataset == "cifar10")
    whole = job(
        dataset, 0.5, 1000, "other", model="b", tables={"per_class": Table(("n", "correct"), ((500, 0), (500, 0)))}
    )
    assert findings(IMAGENET, limited, whole)[0].records


@pytest.mark.slow
def test_published_models_left_out_in_turn_are_called_about_as_often_as_is_said():
    models, columns = openclip_models()[::2], openclip_columns()
    # On FMoW's worst group a third of the models are at nought, which no line holds.
    sets = [name for name in columns if name not in (REFERENCE, "fmow")]
    alone, together = np.zeros((2, len(sets), len(models)), bool)
    for row, name in enumerate(sets):
        for column, model in enumerate(models):
            x, y, n = model.accuracies[REFERENCE], model.accuracies[name], columns[name].images or 1000
            line = published_line(name, (model.name,))
            for called, family in ((alone, 1), (together, len(sets))):
                predicted = line.predict(x, 50_000, n, family)
                called[row, column] = not predicted.low <= y <= predicted.high
    assert len(sets) == 36
    assert 0.01 <= alone.mean() <= 0.06
    assert together.any(axis=0).mean() <= 0.08


MNIST = job("mnist", 0.5, 10_000)


@pytest.mark.parametrize(
    "jobs",
    [
        (MNIST,),
        (IMAGENET,),
        (IMAGENET, job("scenes-shape", 0.5, 1000)),
        (IMAGENET, replace(MNIST, model="other")),
        (IMAGENET, replace(MNIST, task="linear_probe")),
    ],
)
def test_without_imagenet_or_a_published_column_nothing_is_said(jobs: tuple[JobResult, ...]):
    assert findings(*jobs) == []


def test_another_checkpoint_under_the_same_name_is_not_compared():
    (finding,) = findings(IMAGENET, replace(MNIST, pedigree=Pedigree(weights="others")))
    assert (finding.records, finding.verdict) == ((), "undefined")
    assert said(finding) == list(finding.notes) == ["Not compared: weights differs between the jobs."]


def test_several_prompts_are_each_set_beside_their_own_imagenet_or_the_best():
    accuracies = {"photo": 0.60, "imagenet-80": 0.63}
    jobs = [job("imagenet", accuracy, 50_000, prompts) for prompts, accuracy in accuracies.items()]
    made = findings(*jobs, *(job("mnist", 0.45, 10_000, prompts) for prompts in ("photo", "digits")))
    assert [finding.jobs[0] for finding in made] == ["imagenet-photo", "imagenet-imagenet-80"]
    assert [finding.about.prompts for finding in made] == ["photo", "digits"]


def test_what_the_line_cannot_know_is_said():
    outside, little = findings(
        job("imagenet", 0.95, 50_000), job("mnist", 0.9, 10_000), job("kitti-distance", 0.3, 711)
    )
    assert "lies outside that of the published models (0.8 to 84.4\u202f%)" in said(outside)[-1]
    assert outside.tables["line"].dicts()[0]["outside"]
    assert "ImageNet accuracy says little about kitti-distance" in said(little)[1]
