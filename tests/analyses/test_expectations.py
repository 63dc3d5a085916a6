"""Zero-shot results beside those of published models as good on ImageNet."""

from dataclasses import replace

import pytest

from clipbench.analyses.base import Evidence
from clipbench.analyses.registry import ANALYSES, load_analysis
from clipbench.analyses.robustness.expectations import Expectations, ExpectationsSettings
from clipbench.reference.openclip import openclip_models
from clipbench.results.records import JobResult, Pedigree, Record, Table


def job(dataset, top1, n, variant="", recall=None, model="m", weights="w"):
    records = [Record("top1", top1, n=n, main=True)]
    tables = {}
    if recall is not None:
        counts = [(n // 2, round(recall * n / 2)), (n - n // 2, round(recall * n / 2))]
        tables["per_class"] = Table(("n", "correct"), tuple(counts))
        records.append(Record("mean_per_class_recall", recall, n=n))
    return JobResult(
        hash=f"{model}-{dataset}-{variant}",
        model=model,
        dataset=dataset,
        split="test",
        task="zero_shot",
        variant=variant,
        status="done",
        pedigree=Pedigree(weights=weights),
        records=tuple(records),
        tables=tables,
    )


def findings(*jobs):
    return Expectations().analyse(Evidence(jobs, None), ExpectationsSettings(analysis="expectations"))


IMAGENET = job("imagenet", 0.6332, 50_000)


def test_a_weak_side_is_said_in_points_with_its_interval():
    (found,) = findings(IMAGENET, job("mnist", 0.4839, 10_000))
    expected, against = found.metrics
    assert (found.about["dataset"], found.about["variant"]) == ("mnist", "for its ImageNet accuracy")
    assert expected.name == "expected_top1"
    assert against.name == "against_expectation"
    assert against.main
    assert against.value == pytest.approx(0.4839 - expected.value)
    assert against.interval.low < against.value < against.interval.high < 0
    assert found.jobs == ("m-imagenet-", "m-mnist-")
    low, high = 100 * against.interval.low, 100 * against.interval.high
    assert found.notes[0] == (
        f"For its ImageNet accuracy (63.3 %) this model is {-100 * against.value:.1f} points weak at mnist "
        f"(95 % interval {-high:.1f} to {-low:.1f}): 48.4 % against {100 * expected.value:.1f} % expected of the 117 "
        "published models."
    )
    row = found.tables["line"].iloc[0]
    assert (row["models"], row["source"], bool(row["outside"])) == (117, "open_clip results", False)
    assert against.params["spread"] == row["spread"] > 0.1
    assert "0.6 standard deviations" in found.notes[1]


def test_a_published_model_lies_as_far_from_the_line_as_its_residual():
    model = next(model for model in openclip_models() if model.name == "ViT-B-32/openai")
    (found,) = findings(
        job("imagenet", model.accuracies["imagenet"], 50_000),
        job("clevr-count", model.accuracies["clevr-count"], 15_000),
    )
    assert 100 * found.metrics[0].value == pytest.approx(22.1, abs=0.05)
    assert "neither clearly weak nor clearly strong at clevr-count (+1.1 points" in found.notes[0]


def test_a_strong_side_of_a_set_that_publishes_mean_per_class_recall():
    (found,) = findings(IMAGENET, job("pets", 0.5, 3669, recall=0.95))
    assert found.metrics[0].name == "expected_mean_per_class_recall"
    assert found.metrics[1].interval.low > 0
    assert "points strong at pets" in found.notes[0]
    assert findings(IMAGENET, job("pets", 0.95, 3669)) == []


def test_all_right_still_has_an_interval():
    (found,) = findings(IMAGENET, job("caltech101", 1.0, 600, recall=1.0))
    interval = found.metrics[1].interval
    assert interval.low < interval.high


def test_without_imagenet_or_a_published_column_nothing_is_said():
    assert findings(job("mnist", 0.5, 10_000)) == []
    assert findings(IMAGENET) == []
    assert findings(IMAGENET, job("scenes-shape", 0.5, 1000)) == []
    assert findings(IMAGENET, job("mnist", 0.5, 10_000, model="other")) == []
    assert findings(IMAGENET, replace(job("mnist", 0.5, 10_000), task="linear_probe")) == []


def test_another_checkpoint_under_the_same_name_is_not_compared():
    (found,) = findings(IMAGENET, job("mnist", 0.5, 10_000, weights="others"))
    assert found.metrics == ()
    assert "weights differ" in found.notes[0]


def test_several_prompts_are_each_set_beside_their_own_imagenet_or_the_best():
    jobs = [
        job("imagenet", 0.60, 50_000, "photo"),
        job("imagenet", 0.63, 50_000, "imagenet-80"),
        job("mnist", 0.45, 10_000, "photo"),
        job("mnist", 0.48, 10_000, "digits"),
    ]
    found = findings(*jobs)
    assert [one.jobs[0] for one in found] == ["m-imagenet-photo", "m-imagenet-imagenet-80"]
    assert [one.about["variant"] for one in found] == [
        "for its ImageNet accuracy, photo",
        "for its ImageNet accuracy, digits",
    ]


def test_what_the_line_cannot_know_is_said():
    outside, little = findings(
        job("imagenet", 0.95, 50_000), job("mnist", 0.9, 10_000), job("kitti-distance", 0.3, 711)
    )
    assert "lies outside that of the published models (0.8 to 84.4 %)" in outside.notes[-1]
    assert outside.tables["line"].iloc[0]["outside"]
    assert "ImageNet accuracy says little about kitti-distance" in little.notes[2]


def test_it_is_made_of_any_results():
    assert "expectations" in ANALYSES
    assert load_analysis("expectations").tasks == ("zero_shot",)
