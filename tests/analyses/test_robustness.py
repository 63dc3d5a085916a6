"""Gaps and effective robustness from finished jobs: known answers, baselines of the run, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from clipbench.analyses.robustness.robustness import RobustnessAnalysis
from clipbench.results.records import Subject
from clipbench.stats.intervals import ends, wilson
from clipbench.stats.prediction import KIND

from .conftest import Given

PUBLISHED = {
    # Zero-shot CLIP ViT-B/32 in the ImageNet testbed: (right, images) on ImageNet among the shift's classes and on
    # the shift, and what FACTS of the literature say: slope, R2, models, rho in points.
    "imagenet-v2": ((31650, 50000), (5621, 10000), 0.9114, 0.996, 87, 5.82),
    "imagenet-sketch": ((31650, 50000), (21563, 50889), 1.0712, 0.868, 87, 28.04),
    "imagenet-r": ((8810, 10000), (20777, 30000), 0.6372, 0.888, 82, 38.99),
    "objectnet": ((4433, 6250), (8139, 18514), 0.9803, 0.952, 87, 18.07),
    "imagenet-a": ((8742, 10000), (2354, 7500), 1.9973, 0.814, 86, 29.20),
}


def add(given: Given, model, dataset, right, n, classes="c", **more) -> None:
    given.add(model, dataset, right, n, about={"classes": classes, "n_classes": 7}, limit=50, **more)


def pair(given: Given, model, near, far, n=100, pedigree=(), **more) -> None:
    add(given, model, "near", near, n, **more)
    add(given, model, "far", far, n, pedigree=pedigree, **more)


def analyse(given: Given, shifts=("far",), reference="near", baselines=("published",), **more):
    """Return the findings by model and shift, those of all shifts by 'mean'."""
    settings = {"reference": reference, "shifts": shifts, "baselines": baselines} | more
    found = given.analyse(RobustnessAnalysis(), **settings)
    return {(f.about.model, "mean" if f.about.averaged else f.about.dataset): f for f in found}


def values(finding):
    return {metric.name: metric.value for metric in finding.metrics}


def measured(finding, name):
    return next(metric for metric in finding.metrics if metric.name == name)


def test_effective_robustness_of_clip_vit_b_32_is_the_published_one(given):
    for shift, (reference, shifted, *_) in PUBLISHED.items():
        add(given, "clip", "imagenet", *reference, matched=shift, classes=shift)
        add(given, "clip", shift, *shifted, classes=shift)
    found = analyse(given, tuple(PUBLISHED), "imagenet")
    for shift, (_, _, slope, r2, models, rho) in PUBLISHED.items():
        finding = found["clip", shift]
        (line,) = finding.tables["baseline"].to_dict("records")
        assert (round(line["slope"], 4), round(line["r2"], 3), line["models"]) == (slope, r2, models)
        # Counts are those of the rounded published accuracies.
        assert 100 * values(finding)["effective_robustness"] == pytest.approx(rho, abs=0.02)
        metric = measured(finding, "effective_robustness")
        told = (metric.main, metric.interval.kind, metric.params["baseline"], finding.verdict, line["outside"])
        assert told == (True, KIND, "ImageNet testbed", "higher", False)
        assert metric.interval.low < metric.value < metric.interval.high
        band = finding.tables["baseline_band"]
        assert (band[["low", "expected"]].to_numpy() <= band[["expected", "high"]].to_numpy()).all()
    assert "Left out of the baseline, at 0 or 100 %: resnet50." in found["clip", "imagenet-a"].notes
    assert any("selected against ResNet-50" in note for note in found["clip", "imagenet-a"].notes)
    mean = np.mean([values(found["clip", shift])["effective_robustness"] for shift in PUBLISHED])
    assert values(found["clip", "mean"])["mean_effective_robustness"] == pytest.approx(mean)


def test_the_logit_gap_has_the_interval_of_the_delta_method(given):
    pair(given, "clip", 800, 300, n=1000)
    gap = measured(analyse(given)["clip", "far"], "logit_gap")
    half = 1.96 * np.sqrt(1 / (1000 * 0.8 * 0.2) + 1 / (1000 * 0.3 * 0.7))
    assert (gap.interval.low, gap.interval.high) == pytest.approx((gap.value - half, gap.value + half), abs=0.02)


def test_a_finding_says_what_it_is_about(given):
    pair(given, "clip", 80, 50)
    found = analyse(given)
    shared = {"split": "test", "task": "zero_shot", "prompts": "own", "limit": 50, "n": 100}
    about = Subject(("clip",), ("far",), reference="near", **shared)
    assert found["clip", "far"].about == about
    assert found["clip", "mean"].about == replace(about, averaged=True)
    assert {finding.verdict for finding in found.values()} == {"higher"}


def test_a_continuity_correction_keeps_the_model_at_nought(given):
    add(given, "clip", "imagenet", 8742, 10000, matched="imagenet-a", classes="a")
    add(given, "clip", "imagenet-a", 2354, 7500, classes="a")
    finding = analyse(given, ("imagenet-a",), "imagenet", continuity=0.5)["clip", "imagenet-a"]
    (line,) = finding.tables["baseline"].to_dict("records")
    assert (line["models"], line["left_out"], round(line["r2"], 2)) == (87, "", 0.57)
    assert 100 * values(finding)["effective_robustness"] == pytest.approx(29.4, abs=0.05)


@pytest.mark.parametrize(("right", "outside"), [(10000, True), (9990, True), (0, True), (8742, False)])
def test_a_model_outside_the_range_is_judged_with_a_warning(given, right, outside):
    add(given, "clip", "imagenet", right, 10000, matched="imagenet-a", classes="a")
    add(given, "clip", "imagenet-a", 7500 if right else 0, 7500, classes="a")
    finding = analyse(given, ("imagenet-a",), "imagenet")["clip", "imagenet-a"]
    assert finding.tables["baseline"]["outside"].tolist() == [outside]
    assert any("lies outside the baseline's range" in note for note in finding.notes) == outside
    assert all(value is None or np.isfinite(value) for value in values(finding).values())
    metric = measured(finding, "effective_robustness")
    assert metric.interval.low <= metric.value <= metric.interval.high


def test_nothing_right_on_the_reference_leaves_the_relative_gap_undefined(given):
    pair(given, "clip", 0, 5)
    numbers = values(analyse(given)["clip", "far"])
    assert numbers["relative_gap"] is None
    assert numbers["gap"] == pytest.approx(-0.05)


BASES = tuple(f"base{number}" for number in range(12))


@pytest.fixture
def twelve_models(given) -> Given:
    """Models on an exact line of slope 1 in logit space, shifted by one logit, and one above it."""
    for number, name in enumerate(BASES):
        x = -1 + number * 0.25
        near, far = (round(1_000_000 / (1 + np.exp(-logit))) for logit in (x, x - 1))
        pair(given, name, near, far, 1_000_000)
    pair(given, "clip", 500_000, 400_000, 1_000_000)
    return given


def test_ten_models_of_the_run_make_a_baseline(twelve_models):
    names = BASES[:10]
    found = analyse(twelve_models, baselines=names)
    finding = found["clip", "far"]
    (line,) = finding.tables["baseline"].to_dict("records")
    assert line["slope"] == pytest.approx(1, abs=1e-4)
    assert line["intercept"] == pytest.approx(-1, abs=1e-4)
    assert (line["models"], line["source"]) == (10, "models of this run")
    expected = 1 / (1 + np.exp(1))
    assert values(finding)["expected_top1"] == pytest.approx(expected, abs=1e-4)
    assert values(finding)["effective_robustness"] == pytest.approx(0.4 - expected, abs=1e-4)
    assert any(
        note.startswith("No baseline: 9 of the models named as baselines, beside")
        for note in found["base3", "far"].notes
    )
    own = analyse(twelve_models, baselines=BASES)["base3", "far"]
    assert own.tables["baseline"]["models"].tolist() == [11]
    assert values(own)["effective_robustness"] == pytest.approx(0, abs=1e-4)
    assert {job.hash for job in twelve_models.jobs if job.model in names} <= set(finding.jobs)


@pytest.mark.parametrize(
    ("baselines", "reason"),
    [
        (BASES[:9], "9 of the models named as baselines have results, and a line needs 10"),
        (("published",), "no ten models are published for near and far"),
        ((), "none was asked for"),
    ],
)
def test_without_ten_models_there_is_no_baseline_and_the_gap_counts(twelve_models, baselines, reason):
    found = analyse(twelve_models, baselines=baselines)
    finding = found["clip", "far"]
    assert "effective_robustness" not in values(finding)
    assert "mean_effective_robustness" not in values(found["clip", "mean"])
    assert measured(finding, "gap").main
    assert f"No baseline: {reason}." in finding.notes


def test_relative_robustness_is_paired_with_the_model_s_own_baseline(given):
    for model, near, far in (("tuned", 900, 520), ("plain", 800, 500)):
        pair(given, model, near, far, 1000, examples=True)
    found = analyse(given, relative_to="plain")
    metric = measured(found["tuned", "far"], "relative_robustness")
    assert metric.value == pytest.approx(0.02)
    assert (metric.interval.kind, metric.interval.family) == ("score", 1)
    # The same images are right but for twenty, so the interval is that of a paired difference.
    assert metric.interval.high - metric.interval.low < 0.02
    assert metric.params["against"] == "plain"
    assert "relative_robustness" not in values(found["plain", "far"])


@pytest.mark.parametrize("part", ["weights", "precision", "adapter", "scale", "prompts"])
def test_jobs_that_differ_where_it_matters_are_no_pair(given, part):
    pair(given, "clip", 80, 50, pedigree={part: "other"})
    assert analyse(given) == {}


def test_jobs_among_other_classes_are_no_pair(given):
    add(given, "clip", "near", 80, 100, classes="a thousand")
    add(given, "clip", "far", 50, 100, classes="two hundred")
    assert analyse(given) == {}
    add(given, "clip", "near", 9, 10, matched="far", classes="two hundred")
    assert values(analyse(given)["clip", "far"])["reference_top1"] == pytest.approx(0.9)


def test_the_gap_s_interval_covers_at_its_nominal_rate():
    random = np.random.default_rng(0)
    hits, trials = 0, 300
    for _ in range(trials):
        made, model = Given(), f"m{random.integers(1 << 30)}"
        add(made, model, "near", int(random.binomial(300, 0.8)), 300)
        add(made, model, "far", int(random.binomial(200, 0.6)), 200)
        gap = measured(analyse(made)[model, "far"], "gap")
        hits += gap.interval.low <= 0.2 <= gap.interval.high
    assert 0.91 <= hits / trials <= 0.98


def test_means_over_shifts_know_that_the_reference_s_images_are_shared():
    """Seven shifts, each of six of the reference's seven classes; and the lowest of seven that are equally hard."""
    random = np.random.default_rng(0)
    hits, trials = np.zeros(2), 30
    for _ in range(trials):
        made, right = Given(), random.random(350) < 0.8
        for shift in range(7):
            kept = np.flatnonzero(np.arange(350) // 50 != shift)
            classes = {"classes": f"c{shift}"}
            add(made, "m", "near", int(right[kept].sum()), 300, matched=f"far{shift}", **classes)
            table = {"id": [f"i{image}" for image in kept], "correct": right[kept]}
            made.tables[made.jobs[-1].hash] = pd.DataFrame(table)
            add(made, "m", f"far{shift}", int(random.binomial(175, 0.55)), 175, matched="near", **classes)
        found = analyse(made, tuple(f"far{shift}" for shift in range(7)), baselines=())["m", "mean"]
        for place, (name, truth) in enumerate((("mean_gap", 0.25), ("worst_shift_top1", 0.55))):
            interval = measured(found, name).interval
            hits[place] += interval.low <= truth <= interval.high
    # Taken apart, the accuracies on the reference would have an interval that covers 0.6 of the time.
    assert (hits / trials >= 0.85).all()


def test_gaps_of_a_study_hold_together(given):
    for model in ("a", "b", "c"):
        pair(given, model, 800, 500, n=1000)
    found = analyse(given)
    alone = Given()
    pair(alone, "a", 800, 500, n=1000)
    for name in ("far", "mean"):
        gap = "gap" if name == "far" else "mean_gap"
        together, single = measured(found["a", name], gap).interval, measured(analyse(alone)["a", name], gap).interval
        assert (together.family, single.family) == (3, 1)
        assert together.low < single.low < single.high < together.high


def test_a_limit_beside_published_figures_is_refused_where_classes_have_shares_of_their_own(given):
    for shift in ("imagenet-r", "imagenet-v2"):
        for dataset, other in (("imagenet", shift), (shift, "imagenet")):
            add(given, "clip", dataset, 700, 1000, matched=other, classes=shift, pedigree={"subset": "limit 1000"})
    found = analyse(given, ("imagenet-r", "imagenet-v2"), "imagenet")
    assert "effective_robustness" not in values(found["clip", "imagenet-r"])
    (note,) = found["clip", "imagenet-r"].notes
    assert "with limit 1000 every class of imagenet-r has as many images" in note
    assert found["clip", "imagenet-v2"].about.subset == "limit 1000"
    assert "effective_robustness" in values(found["clip", "imagenet-v2"])


def test_clustered_images_count_as_fewer(given):
    pair(given, "clip", 800, 500, n=1000)
    plain = measured(analyse(given)["clip", "far"], "gap").interval
    job = given.jobs[1]
    # As sure as a quarter of the images.
    low, high = ends(wilson(125, 250))
    record = replace(job.records[0], low=low, high=high, interval="cluster wilson")
    given.jobs[1] = replace(job, records=(record,))
    clustered = measured(analyse(given)["clip", "far"], "gap").interval
    assert clustered.high - clustered.low > 1.4 * (plain.high - plain.low)
    given.jobs[1] = replace(job, records=(replace(record, low=None, high=None),))
    finding = analyse(given)["clip", "far"]
    assert (measured(finding, "gap").interval, finding.verdict) == (None, "undefined")
