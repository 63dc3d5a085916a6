"""Five uses that the interfaces are shaped for."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
import PIL.Image

from clipbench.models.base import ModelInfo, ModelPedigree
from clipbench.tasks.base import ArrayFeatures, DatasetFacts, ImageSet, Inputs
from clipbench.tasks.prompts import PromptedClasses

CLASSES = ("cat", "dog", "fox")
MODEL = ModelInfo(
    "toy", ModelPedigree("w", "t", "k"), has_text=True, logit_scale=100.0, features=("projected", "backbone")
)


def image_set(count: int, seed: int, **known: object) -> ImageSet:
    """Images whose features point towards their class, with noise."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    features = np.eye(len(CLASSES), 8, dtype=np.float32)[labels]
    features += generator.normal(0, 0.3, features.shape).astype(np.float32)
    stored = {"projected": ArrayFeatures(features), "backbone": ArrayFeatures(2 * features)}
    ids = [f"{seed}/{row}" for row in range(count)]
    return ImageSet(ids, stored, labels=labels if not known else None, **known)


def inputs(splits: dict[str, ImageSet], vectors: dict[str, np.ndarray] = MappingProxyType({})) -> Inputs:
    facts = DatasetFacts("toy", CLASSES, multilabel=False, splits=tuple(splits))
    return Inputs(facts, MODEL, splits, lambda strings: np.stack([vectors[string] for string in strings]))


def test_a_linear_probe_is_fitted_on_train_chosen_on_val_and_tested_once():
    from clipbench.tasks.probe.linear_probe import LinearProbe, LinearProbeSettings

    splits = {"train": image_set(300, 0), "val": image_set(90, 1), "test": image_set(90, 2)}
    settings = LinearProbeSettings(task="linear_probe", datasets=("toy",), features="pre_projection")
    task = LinearProbe()
    needs = task.needs(settings, inputs(splits).dataset, MODEL, None)
    assert needs.splits == ("train", "val", "test")
    assert needs.features == ("backbone",)
    assert needs.strings == ()

    outcome = task.evaluate(inputs(splits), settings, None)
    main = next(metric for metric in outcome.metrics if metric.main)
    assert main.value > 0.9
    assert main.n == 90
    assert main.params["C"] > 0
    assert set(outcome.examples["split"]) == {"test"}
    assert "validation_curve" in outcome.tables


def test_a_corrupted_view_changes_pixels_by_image_id_alone():
    from clipbench.datasets.corruptions.corruption import Corruption

    image = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8))
    view = Corruption("gaussian_noise", severity=3)
    assert view.name == "gaussian_noise/3"
    assert view.fingerprint() != Corruption("gaussian_noise", severity=4).fingerprint()
    assert np.array_equal(view(image, "a"), view(image, "a"))
    assert not np.array_equal(view(image, "a"), view(image, "b"))


def test_prompt_sensitivity_scores_every_template_on_the_same_images():
    from clipbench.tasks.prompt_sensitivity.prompt_sensitivity import PromptSensitivity, PromptSensitivitySettings

    templates = ("a photo of a {}.", "{}", "a sketch of a {}.")
    strings = tuple(tuple(template.replace("{}", name) for template in templates) for name in CLASSES)
    prompts = PromptedClasses("wording", "test", CLASSES, strings, templates)
    generator = np.random.default_rng(3)
    vectors = {
        text: np.eye(8, dtype=np.float32)[at] + generator.normal(0, 0.2, 8).astype(np.float32)
        for at, texts in enumerate(strings)
        for text in texts
    }
    settings = PromptSensitivitySettings(task="prompt_sensitivity", datasets=("toy",), prompts=("wording",))
    outcome = PromptSensitivity().evaluate(inputs({"test": image_set(90, 4)}, vectors), settings, prompts)
    assert len(outcome.tables["templates"]) == len(templates)
    assert {"mean", "range", "standard_deviation"} <= {metric.name for metric in outcome.metrics}


def test_retrieval_counts_any_caption_of_the_image():
    from clipbench.tasks.retrieval.retrieval import Retrieval, RetrievalSettings

    captions = [(f"caption {row}a", f"caption {row}b") for row in range(6)]
    images = np.eye(6, 8, dtype=np.float32)
    vectors = {}
    for row, (right, wrong) in enumerate(captions):
        vectors[right] = images[row]
        vectors[wrong] = images[(row + 1) % 6] * 0.5 + images[row] * 0.4
    whole = ImageSet([str(row) for row in range(6)], {"projected": ArrayFeatures(images)}, captions=captions)
    settings = RetrievalSettings(task="retrieval", datasets=("toy",))
    outcome = Retrieval().evaluate(inputs({"test": whole}, vectors), settings, None)
    found = {metric.name: metric.value for metric in outcome.metrics}
    assert found["image_to_text_recall_at_1"] == 1.0
    assert found["text_to_image_recall_at_1"] == 0.5


def test_an_analysis_compares_two_models_on_the_same_examples():
    import pandas as pd

    from clipbench.analyses.base import AnalysisSettings, Evidence, Finding, verdict_of
    from clipbench.analyses.comparable import read_correct, side_by_side, subject_of
    from clipbench.results.records import JobResult, Pedigree
    from clipbench.stats.paired import paired_difference
    from clipbench.tasks.base import Metric

    class Better:
        def analyse(self, evidence: Evidence, settings: AnalysisSettings) -> list[Finding]:
            return side_by_side(evidence.jobs, lambda jobs: self.compare(jobs, evidence))

        def compare(self, jobs: Sequence[JobResult], evidence: Evidence) -> Finding:
            difference, interval = paired_difference(*read_correct(jobs, evidence.examples)[:, :, 0])
            metric = Metric("difference", difference, 400, interval)
            return Finding(subject_of(jobs), (metric,), verdict=verdict_of(interval.low, interval.high))

    def job(model: str) -> JobResult:
        return JobResult(model, model, "toy", "test", "zero_shot", "photo", "done", Pedigree(data="d", labels="l"))

    generator = np.random.default_rng(5)
    tables = {
        name: pd.DataFrame({"id": [str(row) for row in range(400)], "correct": generator.random(400) < share})
        for name, share in (("good", 0.8), ("poor", 0.6))
    }
    evidence = Evidence([job("good"), job("poor")], tables.__getitem__)
    (finding,) = Better().analyse(evidence, AnalysisSettings(analysis="better"))
    assert 0.1 < finding.metrics[0].value < 0.3
    assert (finding.about.models, finding.verdict) == (("good", "poor"), "higher")
