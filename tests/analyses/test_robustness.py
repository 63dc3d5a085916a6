"""Gaps and effective robustness from finished jobs: known answers, baselines of the run, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from clipbench.analyses.base import Evidence
from clipbench.analyses.robustness.robustness import RobustnessAnalysis, RobustnessAnalysisSettings
from clipbench.results.records import JobResult, Pedigree, Record, Subject
from clipbench.stats.line_draws import KIND

PUBLISHED = {
    # Zero-shot CLIP ViT-B/32 in the ImageNet testbed: (right, images) on ImageNet among the shift's classes and on
    # the shift, and what FACTS of the literature say: slope, R2, models, rho in points.
    "imagenet-v2": ((31650, 50000), (5621, 10000), 0.9114, 0.996, 87, 5.82),
    "imagenet-sketch": ((31650, 50000), (21563, 50889), 1.0712, 0.868, 87, 28.04),
    "imagenet-r": ((8810, 10000), (20777, 30000), 0.6372, 0.888, 82, 38.99),
    "objectnet": ((4433, 6250), (8139, 18514), 0.9803, 0.952, 87, 18.07),
    "imagenet-a": ((8742, 10000), (2354, 7500), 1.9973, 0.814, 86, 29.20),
}


class MadeUp:
    """Zero-shot jobs with given counts."""

    def __init__(self) -> None:
        self.jobs: list[JobResult] = []
        self.tables: dict[str, pd.DataFrame] = {}

    def add(self, model, dataset, right, n, *, matched="", classes="c", prompts="own", examples=False, **pedigree):
        name = f"{model}|{dataset}|{matched}|{prompts}"
        parts = {"weights": model, "data": f"{dataset}|{matched}", "labels": dataset, "prompts": prompts} | pedigree
        about = {"classes": classes, "n_classes": 7}
        record = Record("top1", right / n, n=n, main=True)
        self.jobs.append(
            JobResult(
                name, model, dataset, "test", "zero_shot", prompts, "done", Pedigree(**parts), (record,),
                matched=matched, about=about, prompts=prompts, limit=50,
            )
        )  # fmt: skip
        if examples:
            ids = [f"i{number}" for number in range(n)]
            self.tables[name] = pd.DataFrame({"id": ids, "correct": np.arange(n) < right})

    def pair(self, model, near, far, n=100, **more):
        self.add(model, "near", near, n)
        self.add(model, "far", far, n, **more)

    def analyse(self, shifts=("far",), reference="near", **settings):
        """Return the findings by model and shift, those of all shifts by 'mean'."""
        chosen = {"analysis": "robustness", "reference": reference, "shifts": shifts, "baselines": ("published",)}
        evidence = Evidence(self.jobs, self.tables.__getitem__)
        found = RobustnessAnalysis().analyse(evidence, RobustnessAnalysisSettings(**{**chosen, **settings}))
        return {(f.about.model, "mean" if f.about.averaged else f.about.dataset): f for f in found}


@pytest.fixture
def made_up() -> MadeUp:
    return MadeUp()


def values(finding):
    return {metric.name: metric.value for metric in finding.metrics}


def measured(finding, name):
    return next(metric for metric in finding.metrics if metric.name == name)


def test_effective_robustness_of_clip_vit_b_32_is_the_published_one(made_up):
    for shift, (reference, shifted, *_) in PUBLISHED.items():
        made_up.add("clip", "imagenet", *reference, matched=shift, classes=shift)
        made_up.add("clip", shift, *shifted, classes=shift)
    found = made_up.analyse(tuple(PUBLISHED), "imagenet")
    for shift, (_, _, slope, r2, models, rho) in PUBLISHED.items():
        finding = found["clip", shift]
        (line,) = finding.tables["baseline"].to_dict("records")
        assert (round(line["slope"], 4), round(line["r2"], 3), line["models"]) == (slope, r2, models)
        # Counts are those of the rounded published accuracies.
        assert 100 * values(finding)["effective_robustness"] == pytest.approx(rho, abs=0.02)
        metric = measured(finding, "effective_robustness")
        assert metric.main
        assert metric.interval.kind == KIND
        assert metric.interval.low < metric.value < metric.interval.high
        assert metric.params["baseline"] == "ImageNet testbed"
        assert finding.verdict == "higher"
        assert not line["outside"]
        band = finding.tables["baseline_band"]
        assert (band["low"] <= band["expected"]).all()
        assert (band["expected"] <= band["high"]).all()
    assert "Left out of the baseline, at 0 or 100 %: resnet50." in found["clip", "imagenet-a"].notes
    assert any("selected against ResNet-50" in note for note in found["clip", "imagenet-a"].notes)
    mean = np.mean([values(found["clip", shift])["effective_robustness"] for shift in PUBLISHED])
    assert values(found["clip", "mean"])["mean_effective_robustness"] == pytest.approx(mean)


def test_a_finding_says_what_it_is_about(made_up):
    made_up.pair("clip", 80, 50)
    found = made_up.analyse()
    about = Subject(
        ("clip",), ("far",), reference="near", split="test", task="zero_shot", prompts="own", limit=50, n=100
    )
    assert found["clip", "far"].about == about
    assert found["clip", "mean"].about == replace(about, averaged=True)
    assert {finding.verdict for finding in found.values()} == {"higher"}


def test_a_continuity_correction_keeps_the_model_at_nought(made_up):
    made_up.add("clip", "imagenet", 8742, 10000, matched="imagenet-a", classes="a")
    made_up.add("clip", "imagenet-a", 2354, 7500, classes="a")
    finding = made_up.analyse(("imagenet-a",), "imagenet", continuity=0.5)["clip", "imagenet-a"]
    (line,) = finding.tables["baseline"].to_dict("records")
    assert (line["models"], line["left_out"], round(line["r2"], 2)) == (87, "", 0.57)
    assert 100 * values(finding)["effective_robustness"] == pytest.approx(29.4, abs=0.05)


@pytest.mark.parametrize(("right", "outside"), [(10000, True), (9990, True), (0, True), (8742, False)])
def test_a_model_outside_the_range_is_judged_with_a_warning(made_up, right, outside):
    made_up.add("clip", "imagenet", right, 10000, matched="imagenet-a", classes="a")
    made_up.add("clip", "imagenet-a", 7500 if right else 0, 7500, classes="a")
    finding = made_up.analyse(("imagenet-a",), "imagenet")["clip", "imagenet-a"]
    assert finding.tables["baseline"]["outside"].tolist() == [outside]
    assert any("lies outside the baseline's range" in note for note in finding.notes) == outside
    assert all(value is None or np.isfinite(value) for value in values(finding).values())
    metric = measured(finding, "effective_robustness")
    assert metric.interval.low <= metric.value <= metric.interval.high


def test_nothing_right_on_the_reference_leaves_the_relative_gap_undefined(made_up):
    made_up.pair("clip", 0, 5)
    numbers = values(made_up.analyse()["clip", "far"])
    assert numbers["relative_gap"] is None
    assert numbers["gap"] == pytest.approx(-0.05)


@pytest.fixture
def twelve_models(made_up) -> MadeUp:
    """Models on an exact line of slope 1 in logit space, shifted by one logit, and one above it."""
    for number in range(12):
        x = -1 + number * 0.25
        near, far = (round(1_000_000 / (1 + np.exp(-logit))) for logit in (x, x - 1))
        made_up.pair(f"base{number}", near, far, 1_000_000)
    made_up.pair("clip", 500_000, 400_000, 1_000_000)
    return made_up


def test_ten_models_of_the_run_make_a_baseline(twelve_models):
    names = tuple(f"base{number}" for number in range(10))
    found = twelve_models.analyse(baselines=names)
    finding = found["clip", "far"]
    (line,) = finding.tables["baseline"].to_dict("records")
    assert line["slope"] == pytest.approx(1, abs=1e-4)
    assert line["intercept"] == pytest.approx(-1, abs=1e-4)
    assert (line["models"], line["source"]) == (10, "models of this run")
    expected = 1 / (1 + np.exp(1))
    assert values(finding)["expected_top1"] == pytest.approx(expected, abs=1e-4)
    assert values(finding)["effective_robustness"] == pytest.approx(0.4 - expected, abs=1e-4)
    assert values(found["base3", "far"])["effective_robustness"] == pytest.approx(0, abs=1e-4)
    assert {job.hash for job in twelve_models.jobs if job.model in names} <= set(finding.jobs)


@pytest.mark.parametrize(
    ("baselines", "reason"),
    [
        (
            tuple(f"base{number}" for number in range(9)),
            "9 of the models named as baselines have results, and a line needs 10",
        ),
        (("published",), "no ten models are published for near and far"),
        ((), "none was asked for"),
    ],
)
def test_without_ten_models_there_is_no_baseline_and_the_gap_counts(twelve_models, baselines, reason):
    found = twelve_models.analyse(baselines=baselines)
    finding = found["clip", "far"]
    assert "effective_robustness" not in values(finding)
    assert "mean_effective_robustness" not in values(found["clip", "mean"])
    assert measured(finding, "gap").main
    assert f"No baseline: {reason}." in finding.notes


def test_relative_robustness_is_paired_with_the_model_s_own_baseline(made_up):
    for model, near, far in (("tuned", 900, 520), ("plain", 800, 500)):
        made_up.pair(model, near, far, 1000, examples=True)
    found = made_up.analyse(relative_to="plain")
    metric = measured(found["tuned", "far"], "relative_robustness")
    assert metric.value == pytest.approx(0.02)
    assert metric.interval.kind == "paired bootstrap"
    # The same images are right but for twenty, so the interval is that of a paired difference.
    assert metric.interval.high - metric.interval.low < 0.02
    assert metric.params["against"] == "plain"
    assert "relative_robustness" not in values(found["plain", "far"])


@pytest.mark.parametrize("part", ["weights", "precision", "adapter", "scale", "prompts"])
def test_jobs_that_differ_where_it_matters_are_no_pair(made_up, part):
    made_up.pair("clip", 80, 50, **{part: "other"})
    assert made_up.analyse() == {}


def test_jobs_among_other_classes_are_no_pair(made_up):
    made_up.add("clip", "near", 80, 100, classes="a thousand")
    made_up.add("clip", "far", 50, 100, classes="two hundred")
    assert made_up.analyse() == {}
    made_up.add("clip", "near", 9, 10, matched="far", classes="two hundred")
    assert values(made_up.analyse()["clip", "far"])["reference_top1"] == pytest.approx(0.9)


def test_the_gap_s_interval_covers_at_its_nominal_rate():
    random = np.random.default_rng(0)
    hits, trials = 0, 300
    for _ in range(trials):
        made, model = MadeUp(), f"m{random.integers(1 << 30)}"
        made.add(model, "near", int(random.binomial(300, 0.8)), 300)
        made.add(model, "far", int(random.binomial(200, 0.6)), 200)
        gap = measured(made.analyse()[model, "far"], "gap")
        hits += gap.interval.low <= 0.2 <= gap.interval.high
    assert 0.91 <= hits / trials <= 0.98
