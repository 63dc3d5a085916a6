"""The packaged robustness and corruption suites on small local copies of the sets' layout, without network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from clipbench.datasets.classes.imagenet import imagenet_class_names
from clipbench.datasets.classes.matching import load_class_table
from clipbench.results.folder import Results
from clipbench.runs.runner import run
from clipbench.suite.loading import Suite, load_suite

from .conftest import REPOSITORY, png, write_shard

MODEL = "colour_words_model:ColourWords"
NAMES = imagenet_class_names()
OF_IMAGENET_A = tuple(sorted(set(NAMES[::5]) - {"missile", "sunglasses"}))


def write_set(folder: Path, classes: Sequence[str], labels: Sequence[int]) -> None:
    """Write a set as it lies on the hub, with one random picture for each label."""
    random = np.random.default_rng(len(labels))
    pictures = (PIL.Image.fromarray(random.integers(0, 256, (40, 48, 3), np.uint8)) for _ in labels)
    samples = zip(map(png, pictures), labels, strict=True)
    write_shard(folder / "test", ({"png": picture, "cls": str(label).encode()} for picture, label in samples))
    (folder / "classnames.txt").write_text("\n".join(classes) + "\n")
    (folder / "zeroshot_classification_templates.txt").write_text("a photo of a {c}.\n")


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(REPOSITORY / "examples"))
    folder = tmp_path / "mirror"
    objectnet = tuple(load_class_table("objectnet"))
    write_set(folder / "wds_imagenet1k", NAMES, range(1000))
    write_set(folder / "wds_imagenetv2", NAMES, range(0, 1000, 20))
    write_set(folder / "wds_imagenet-a", OF_IMAGENET_A, range(len(OF_IMAGENET_A)))
    write_set(folder / "wds_objectnet", objectnet, range(113))
    return folder


def finish(mirror: Path, suite: Suite) -> Results:
    cache, output = mirror.parent / "cache", mirror.parent / "results"
    return run(suite, MODEL, output=output, cache=cache, data_root=mirror, device="cpu", workers=0)


@pytest.mark.slow
def test_imagenet_beside_its_shifts_on_the_classes_that_each_has(mirror: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    results = finish(mirror, load_suite("robustness"))
    done = {(job.dataset, job.matched): job for job in results.jobs() if job.status == "done"}
    assert set(done) == {
        ("imagenet", ""),
        ("imagenet-v2", ""),
        ("imagenet", "imagenet-a"),
        ("imagenet-a", ""),
        ("imagenet", "objectnet"),
        ("objectnet", ""),
    }
    assert done["imagenet", ""].main.n == 1000
    assert done["imagenet", "imagenet-a"].main.n == len(OF_IMAGENET_A)
    # 113 of ObjectNet's classes stand for 125 of ImageNet's, and "sunglasses" is the name of two of its classes.
    assert done["imagenet", "objectnet"].main.n == 126
    assert done["imagenet", "objectnet"].about["n_classes"] == 113
    failed = {job.dataset for job in results.jobs() if job.status == "failed"}
    assert failed == {"imagenet", "imagenet-sketch", "imagenet-r"}

    found = {(result.analysis, result.about.datasets): result for result in results.analysis_results()}
    for shift in ("imagenet-v2", "imagenet-a", "objectnet"):
        finding = found["robustness", (shift,)]
        assert {record.metric for record in finding.records} >= {"effective_robustness", "expected_top1", "gap"}
        assert any("lies outside the baseline's range" in note for note in finding.notes)
    assert "published_pair" in {analysis for analysis, _ in found}
    page = (results.folder / "report.html").read_text(encoding="utf-8")
    assert "ImageNet testbed" in page
    assert "up to 75 %" in page


@pytest.mark.slow
def test_corruptions_of_imagenet_are_divided_by_alexnet(mirror: Path, tmp_path: Path):
    packaged = load_suite("corruptions")
    (study,) = packaged.tasks
    assert len(study.jobs()) - 1 in (70, 75)
    path = tmp_path / "two.yaml"
    path.write_text(packaged.text.replace("corruptions: standard", "corruptions: [fog, brightness]"))
    results = finish(mirror, load_suite(path).with_limit(4))
    assert {job.status for job in results.jobs()} == {"done"}
    views = {job.view for job in results.jobs()} - {""}
    assert views == {f"{name}/{severity}/jpeg85" for name in ("fog", "brightness") for severity in range(1, 6)}
    (finding,) = (result for result in results.analysis_results() if result.analysis == "corruption_error")
    (mce,) = (record for record in finding.records if record.metric == "mce_2")
    assert mce.params["reference"] == "AlexNet (published)"
    table = finding.tables["corruptions"].frame().set_index("corruption")
    assert mce.value == pytest.approx((table["error"]["fog"] / 0.819324 + table["error"]["brightness"] / 0.564592) / 2)
