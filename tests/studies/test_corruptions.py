"""Runs of the corruption study, and its errors against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import PIL.Image
import pytest

from clipbench.analyses.base import Finding
from clipbench.analyses.corruptions.corruption_error import CorruptionError
from clipbench.analyses.corruptions.layout import Layout, corruption_errors
from clipbench.metrics.specs import Declared
from clipbench.reference.imagenet_c import ALEXNET
from clipbench.report.leaderboard import make_leaderboard
from clipbench.results.records import Subject
from clipbench.suite.loading import load_suite

from ..analyses.conftest import Given
from ..conftest import user_error

SUITE = """
datasets:
  drawn: {{adapter: scenes, by: colour, n: 30, prompts: class-name}}
tasks:
  - task: corruptions
    datasets: [drawn]
    corruptions: [{corruptions}]
    severities: [1, 5]
    protocol: adapted
"""


def test_a_run_embeds_each_view_once_shows_it_and_keeps_it_out_of_the_leaderboard(workplace, values):
    suite = SUITE.format(corruptions="brightness, gaussian_noise")
    results = workplace.run(suite)
    jobs = {job.view: job for job in results.jobs()}
    assert len(jobs) == 5
    assert list(results.wide().columns) == ["drawn"]
    views = [job for view, job in jobs.items() if view]
    assert all(job.pedigree.view for job in views)
    pictures = [picture for job in views for picture in job.pictures]
    assert [picture["role"] for picture in pictures] == ["corrupted", "as it is"] * 4
    for name in {picture["thumb"] for picture in pictures}:
        assert PIL.Image.open(workplace.folder / "results" / "thumbs" / name).size
    assert [len({picture[name] for picture in pictures}) for name in ("thumb", "id")] == [5, 1]

    (found,) = workplace.findings("corruption_error")
    numbers = values(found)
    clean = values(jobs[""])["top1"]
    corrupted = np.mean([values(job)["top1"] for view, job in jobs.items() if view])
    assert numbers["clean_top1"] == clean
    assert numbers["corrupted_top1"] == pytest.approx(corrupted)
    assert numbers["corruption_gap"] == pytest.approx(clean - corrupted)
    assert "mce" not in numbers
    assert any(note.startswith("Adapted: ") for note in found.notes)
    assert found.jobs[0] == jobs[""].hash

    assert [column.dataset for column in make_leaderboard(results.jobs()).columns] == ["drawn"]
    workplace.run(suite)
    assert workplace.told.embedded == []
    assert all(again for _, again in workplace.told.results)


@pytest.mark.parametrize(("prompts", "columns", "study"), [("'a {}'", 1, "corruptions"), ("class-name", 1, "")])
def test_clean_images_are_no_second_column_beside_the_set_s_own_result(workplace, prompts, columns, study):
    suite = SUITE.format(corruptions="brightness")
    assert {job.study for job in workplace.run(suite).jobs()} == {"corruptions"}
    results = workplace.run(suite + f"  - {{task: zero_shot, datasets: drawn, prompts: {prompts}}}\n")
    assert len(make_leaderboard(results.jobs()).columns) == columns
    assert next(job for job in results.jobs() if job.prompts == "class-name" and not job.view).study == study


def test_two_protocols_of_one_corruption_are_two_views(workplace):
    suite = SUITE.format(corruptions="brightness")
    both = suite + suite[suite.index("  - task") :].replace("adapted", "imagenet-c")
    results = workplace.run(both)
    assert len({job.view for job in results.jobs()}) == 5
    assert len(workplace.findings("corruption_error")) == 2


def test_a_view_that_cannot_be_made_fails_alone_and_is_named(workplace):
    results = workplace.run(SUITE.format(corruptions="brightness").replace("adapted", "cifar-c"))
    failed = [job for job in results.jobs() if job.status == "failed"]
    assert {job.view for job in failed} == {"brightness/1/cifar-c", "brightness/5/cifar-c"}
    assert all("CIFAR-C is for images of 32 x 32" in job.error for job in failed)


@pytest.mark.parametrize(
    ("corruptions", "message"),
    [("fogg", "unknown corruption 'fogg'; did you mean 'fog'?"), ("standrd", "did you mean 'standard'?")],
)
def test_unknown_corruptions_are_refused(tmp_path, corruptions, message):
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE.format(corruptions=corruptions))
    assert message in str(user_error(load_suite, path))


def test_groups_spell_out_their_corruptions(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE.format(corruptions="all"))
    (study,) = load_suite(path).tasks
    assert {"gaussian_noise", "jpeg_compression", "spatter"} <= set(study.chosen)
    assert len(study.chosen) in (18, 19)
    assert len(study.jobs()) == 1 + 2 * len(study.chosen)


def add(given: Given, model: str, share: float, view: str = "", dataset: str = "toys", n: int = 20, **more) -> None:
    corruption, _, severity = view.partition("/")
    seen = {"corruption": corruption, "severity": int(severity or 0), "protocol": "imagenet-c", "kind": "noise"}
    about = {"view": seen} if view else {}
    given.add(model, dataset, round(share * n), n, prompts="photo", examples=True, view=view, about=about, **more)


def analyse(given: Given, names: tuple[str, ...] = ("fog", "snow"), dataset: str = "toys", severities=(1, 2), **more):
    settings = {"dataset": dataset, "corruptions": names, "standard": names, "severities": severities}
    return given.analyse(CorruptionError(), protocol="imagenet-c", **settings, **more)


@pytest.fixture
def two_models(given: Given) -> Given:
    for model, clean, fog, snow in (("new", 0.9, (0.8, 0.6), (0.7, 0.5)), ("old", 0.8, (0.6, 0.4), (0.7, 0.5))):
        add(given, model, clean)
        for name, accuracies in (("fog", fog), ("snow", snow)):
            for severity, accuracy in enumerate(accuracies, start=1):
                add(given, model, accuracy, f"{name}/{severity}")
    return given


def values_of(finding: Finding) -> dict[str, float | None]:
    return {metric.name: metric.value for metric in finding.metrics}


def test_corruption_errors_are_those_worked_out_by_hand(two_models):
    new, old = analyse(two_models, relative_to="old")
    numbers = values_of(new)
    shared = {"split": "test", "task": "zero_shot", "prompts": "photo", "protocol": "imagenet-c"}
    about = Subject(("new",), ("toys",), reference="old", n=20, **shared)
    assert (new.about, new.verdict, old.verdict) == (about, "higher", "higher")
    assert numbers["corrupted_top1"] == pytest.approx(0.65)
    assert numbers["corruption_gap"] == pytest.approx(0.25)
    # CE: fog (0.2 + 0.4) / (0.4 + 0.6), snow (0.3 + 0.5) / (0.3 + 0.5); of two corruptions, so it is no mCE of 15.
    assert numbers["mce_2"] == pytest.approx((0.6 + 1.0) / 2)
    # relative: fog (0.3 - 0.1) / (0.5 - 0.2), snow (0.4 - 0.1) / (0.4 - 0.2)
    assert numbers["relative_mce_2"] == pytest.approx((2 / 3 + 1.5) / 2)
    table = new.tables["corruptions"].set_index("corruption")
    assert table["ce"].tolist() == pytest.approx([0.6, 1.0])
    assert table["relative_ce"].tolist() == pytest.approx([2 / 3, 1.5])
    assert values_of(old)["mce_2"] == pytest.approx(1)
    severities = new.tables["severities"]
    assert severities["top1"].tolist() == pytest.approx([0.8, 0.6, 0.7, 0.5])
    mce = next(metric for metric in new.metrics if metric.name == "mce_2")
    assert mce.params["reference"] == "old"
    assert mce.interval.low < mce.value < mce.interval.high
    assert new.jobs[0] == "new|toys"
    assert set(new.jobs) == {job.hash for job in two_models.jobs}


def test_a_reference_that_loses_nothing_leaves_relative_errors_undefined(given):
    for model, corrupted in (("new", 0.5), ("old", 0.8)):
        add(given, model, 0.8)
        for view in ("fog/1", "fog/2"):
            add(given, model, corrupted, view)
    finding = analyse(given, ("fog",), relative_to="old")[0]
    (relative,) = (metric for metric in finding.metrics if metric.name == "relative_mce_1")
    assert (relative.value, relative.interval) == (None, None)


def test_a_corruption_that_lacks_a_severity_is_left_out_and_named(two_models):
    two_models.jobs = [job for job in two_models.jobs if job.hash != "new|toys|snow/2"]
    finding = analyse(two_models)[0]
    assert finding.tables["corruptions"]["corruption"].tolist() == ["fog"]
    assert "Left out, not measured at every severity: snow." in finding.notes
    # Views of other images than the clean ones are not set beside them.
    two_models.jobs = [job for job in two_models.jobs if job.hash != "new|toys|fog/1"]
    add(two_models, "new", 0.8, "fog/1", pedigree={"data": "other"})
    assert analyse(two_models)[0].notes[0] == "No corruption was measured at every severity."


def test_an_image_that_one_view_cannot_read_is_left_out_of_all(two_models):
    table = two_models.tables["new|toys|fog/2"]
    two_models.tables["new|toys|fog/2"] = table[table["id"] != "i0"]
    finding = analyse(two_models)[0]
    clean = next(metric for metric in finding.metrics if metric.name == "clean_top1")
    assert (clean.n, clean.value) == (19, pytest.approx(17 / 19))
    assert any(note.startswith("1 images that could not be read") for note in finding.notes)


def test_a_model_named_as_reference_that_did_not_run_is_said(two_models):
    finding = analyse(two_models, relative_to="older")[0]
    assert "No mCE: older has no finished jobs on the same images." in finding.notes
    assert not any(metric.name.startswith("mce") for metric in finding.metrics)


@pytest.mark.parametrize("part", ["data", "labels", "prompts", "protocol"])
def test_a_reference_of_this_name_that_rests_on_something_else_is_none(two_models, part: str):
    for at, job in enumerate(two_models.jobs):
        if job.model == "old":
            two_models.jobs[at] = replace(job, pedigree=replace(job.pedigree, **{part: "other"}))
    new, old = analyse(two_models, relative_to="old")
    assert f"No mCE: {part} differs from that of old." in new.notes
    assert not any(metric.name.startswith("mce") for metric in new.metrics)
    assert values_of(old)["mce_2"] == pytest.approx(1)


def test_on_imagenet_errors_are_divided_by_the_published_ones_of_alexnet(given):
    severities = (1, 2, 3, 4, 5)
    add(given, "new", 0.76, dataset="imagenet", n=100)
    for name in ALEXNET:
        for severity in severities:
            add(given, "new", 0.4, f"{name}/{severity}", dataset="imagenet", n=100)
    (finding,) = analyse(given, tuple(ALEXNET), "imagenet", severities)
    numbers = values_of(finding)
    # The published errors are of images saved as JPEG, these are not: the name says so.
    assert numbers["mce_not_recompressed"] == pytest.approx(np.mean([0.6 / error for error in ALEXNET.values()]))
    spec = Declared.by(CorruptionError()).metric("relative_mce_14_not_recompressed")
    assert spec.label == "relative mCE-14, images not recompressed"
    relative = np.mean([0.36 / (error - 0.435) for error in ALEXNET.values()])
    assert numbers["relative_mce_not_recompressed"] == pytest.approx(relative)


def test_published_errors_of_resnet_50_give_its_published_mce():
    # Rounded CEs of ResNet-50 in table 1 of Hendrycks & Dietterich 2019, whose mCE is 76.7.
    ce = [80, 82, 83, 75, 89, 78, 80, 78, 75, 66, 57, 71, 85, 77, 77]
    errors = np.array([share * error / 100 for share, error in zip(ce, ALEXNET.values(), strict=True)])
    layout = Layout(tuple(ALEXNET), (1,), tuple(ALEXNET))
    accuracies = np.concatenate([[0.761], 1 - errors])[None]
    found = corruption_errors(layout, accuracies, (np.array([0.435]), np.array([[*ALEXNET.values()]])))
    assert layout.mean(found["ce"])[0] == pytest.approx(0.767, abs=0.003)
