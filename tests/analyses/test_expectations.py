"""Zero-shot results beside those of published models as good on ImageNet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clipbench.analyses.base import AnalysisSettings, Evidence
from clipbench.analyses.robustness.expectations import Expectations
from clipbench.analyses.run import _result
from clipbench.reference.published import openclip_models
from clipbench.results.records import AnalysisResult, JobResult, Pedigree, Record, Subject, Table

from ..report.findings import said


def job(dataset: str, top1: float, n: int, prompts: str = "", recall: float | None = None, **more: Any) -> JobResult:
    records, tables = [Record("top1", top1, n=n, main=True)], {}
    if recall is not None:
        correct = round(recall * n / 2)
        tables["per_class"] = Table(("n", "correct"), ((n // 2, correct), (n - n // 2, correct)))
        records.append(Record("mean_per_class_recall", recall, n=n))
    made = JobResult(f"{dataset}-{prompts}", "m", dataset, "test", "zero_shot", prompts, "done", Pedigree(weights="w"))
    return replace(made, prompts=prompts, records=tuple(records), tables=tables, **more)


def findings(*jobs: JobResult) -> list[AnalysisResult]:
    analysis = Expectations()
    evidence = Evidence(jobs, lambda _: pytest.fail("reads no examples"))
    made = analysis.analyse(evidence, AnalysisSettings(analysis="expectations"))
    return [_result(analysis, finding) for finding in made]


IMAGENET = job("imagenet", 0.6332, 50_000)


def test_a_weak_side_is_said_in_points_with_its_interval():
    (finding,) = findings(IMAGENET, job("mnist", 0.4839, 10_000))
    expected, against = finding.records
    about = {"reference": "imagenet", "split": "test", "task": "zero_shot", "n": 10_000}
    assert (finding.about, finding.verdict) == (Subject(("m",), ("mnist",), **about), "lower")
    assert (expected.metric, against.metric, against.main) == ("expected_top1", "against_expectation", True)
    assert against.value == pytest.approx(0.4839 - expected.value)
    assert against.low < against.value < against.high < 0
    assert finding.jobs == ("imagenet-", "mnist-")
    (row,) = finding.tables["line"].dicts()
    assert (row["models"], row["source"], row["outside"]) == (117, "open_clip results", False)
    assert against.params["spread"] == row["spread"] > 0.1
    assert said(finding) == [
        f"For its ImageNet accuracy this model is {-100 * against.value:.1f} points weak at mnist: 48.4\u202f% against "
        f"{100 * expected.value:.1f}\u202f% expected of the 117 published models, which lie "
        f"{100 * row['spread']:.1f} points (standard deviation) about the line there.",
    ]


def test_a_published_model_lies_as_far_from_the_line_as_its_residual():
    model = next(model for model in openclip_models() if model.name == "ViT-B-32/openai")
    (finding,) = findings(
        job("imagenet", model.accuracies["imagenet"], 50_000),
        job("clevr-count", model.accuracies["clevr-count"], 15_000),
    )
    expected, against = finding.records
    assert (100 * expected.value, 100 * against.value) == pytest.approx((22.1, 1.1), abs=0.05)
    assert finding.verdict == "not_distinguishable"
    assert "neither clearly weak nor clearly strong at clevr-count" in said(finding)[0]


def test_a_strong_side_of_a_set_that_publishes_mean_per_class_recall():
    (finding,) = findings(IMAGENET, job("pets", 0.5, 3669, recall=0.95))
    assert finding.records[0].metric == "expected_mean_per_class_recall"
    assert (finding.verdict, "points strong at pets" in said(finding)[0]) == ("higher", True)
    assert findings(IMAGENET, job("pets", 0.95, 3669)) == []
    (perfect,) = findings(IMAGENET, job("caltech101", 1.0, 600, recall=1.0))
    assert perfect.records[1].low < perfect.records[1].high


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
