"""Runs of the corruption study, and its errors against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from clipbench.analyses.base import Evidence
from clipbench.analyses.corruptions.corruption_error import CorruptionError, CorruptionErrorSettings
from clipbench.analyses.corruptions.layout import Layout, corruption_errors
from clipbench.errors import UserError
from clipbench.reference.imagenet_c import ALEXNET
from clipbench.results.records import JobResult, Pedigree, Record, Subject
from clipbench.suite.loading import load_suite

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
    for view, job in jobs.items():
        if not view:
            continue
        assert job.pedigree.view
        (picture,) = job.pictures
        assert picture["role"] == "corrupted"
        assert PIL.Image.open(workplace.folder / "results" / "thumbs" / picture["thumb"]).size
    assert len({job.pictures[0]["thumb"] for view, job in jobs.items() if view}) == 4
    assert len({job.pictures[0]["id"] for view, job in jobs.items() if view}) == 1

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

    workplace.run(suite)
    assert workplace.told.embedded == []
    assert all(again for _, again in workplace.told.results)


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
    with pytest.raises(UserError) as caught:
        load_suite(path)
    assert message in str(caught.value)


def test_groups_spell_out_their_corruptions(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE.format(corruptions="all"))
    (study,) = load_suite(path).tasks
    assert {"gaussian_noise", "jpeg_compression", "spatter"} <= set(study.chosen)
    assert len(study.chosen) in (18, 19)
    assert len(study.jobs()) == 1 + 2 * len(study.chosen)


class MadeUp:
    """Jobs of models whose every answer is given."""

    def __init__(self) -> None:
        self.jobs: list[JobResult] = []
        self.tables: dict[str, pd.DataFrame] = {}

    def add(self, model, right, view="", dataset="toys", data="d"):
        name = f"{model}|{view}"
        about = {}
        if view:
            corruption, severity = view.split("/")
            about = {"corruption": corruption, "severity": int(severity), "protocol": "imagenet-c", "kind": "noise"}
        record = Record("top1", float(np.mean(right)), n=len(right), main=True)
        parts = Pedigree(weights=model, data=data, labels="l", view=view)
        self.jobs.append(
            JobResult(
                name, model, dataset, "test", "zero_shot", "photo", "done", parts, (record,), view=view,
                about={"view": about} if view else {},
            )
        )  # fmt: skip
        ids = [f"i{number}" for number in range(len(right))]
        self.tables[name] = pd.DataFrame({"id": ids, "correct": right}).sample(frac=1, random_state=len(name))

    def analyse(self, **settings):
        given = {"corruptions": ("fog", "snow"), "standard": ("fog", "snow"), "severities": (1, 2), **settings}
        chosen = {"analysis": "corruption_error", "dataset": "toys", "protocol": "imagenet-c", **given}
        evidence = Evidence(self.jobs, self.tables.__getitem__)
        return CorruptionError().analyse(evidence, CorruptionErrorSettings(**chosen))


def right(share, n=20):
    return np.arange(n) < round(share * n)


@pytest.fixture
def two_models() -> MadeUp:
    made = MadeUp()
    for model, clean, fog, snow in (("new", 0.9, (0.8, 0.6), (0.7, 0.5)), ("old", 0.8, (0.6, 0.4), (0.7, 0.5))):
        made.add(model, right(clean))
        for name, accuracies in (("fog", fog), ("snow", snow)):
            for severity, accuracy in enumerate(accuracies, start=1):
                made.add(model, right(accuracy), f"{name}/{severity}")
    return made


def test_corruption_errors_are_those_worked_out_by_hand(two_models):
    new, old = two_models.analyse(relative_to="old")
    numbers = {metric.name: metric.value for metric in new.metrics}
    about = Subject(("new",), ("toys",), reference="old", split="test", task="zero_shot", protocol="imagenet-c", n=20)
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
    assert {metric.name: metric.value for metric in old.metrics}["mce_2"] == pytest.approx(1)
    severities = new.tables["severities"]
    assert severities["top1"].tolist() == pytest.approx([0.8, 0.6, 0.7, 0.5])
    mce = next(metric for metric in new.metrics if metric.name == "mce_2")
    assert mce.params["reference"] == "old"
    assert mce.interval.low < mce.value < mce.interval.high
    assert new.jobs[0] == "new|"
    assert set(new.jobs) == {job.hash for job in two_models.jobs}


def test_a_reference_that_loses_nothing_leaves_relative_errors_undefined():
    made = MadeUp()
    for model, corrupted in (("new", 0.5), ("old", 0.8)):
        made.add(model, right(0.8))
        for view in ("fog/1", "fog/2"):
            made.add(model, right(corrupted), view)
    finding = made.analyse(corruptions=("fog",), standard=("fog",), relative_to="old")[0]
    (relative,) = (metric for metric in finding.metrics if metric.name == "relative_mce_1")
    assert relative.value is None
    assert relative.interval is None


def test_a_corruption_that_lacks_a_severity_is_left_out_and_named(two_models):
    two_models.jobs = [job for job in two_models.jobs if job.hash != "new|snow/2"]
    finding = two_models.analyse()[0]
    assert finding.tables["corruptions"]["corruption"].tolist() == ["fog"]
    assert "Left out, not measured at every severity: snow." in finding.notes


def test_an_image_that_one_view_cannot_read_is_left_out_of_all(two_models):
    table = two_models.tables["new|fog/2"]
    two_models.tables["new|fog/2"] = table[table["id"] != "i0"]
    finding = two_models.analyse()[0]
    clean = next(metric for metric in finding.metrics if metric.name == "clean_top1")
    assert (clean.n, clean.value) == (19, pytest.approx(17 / 19))
    assert any(note.startswith("1 images that could not be read") for note in finding.notes)


def test_a_model_named_as_reference_that_did_not_run_is_said(two_models):
    finding = two_models.analyse(relative_to="older")[0]
    assert "No mCE: older has no finished jobs on the same images." in finding.notes
    assert not any(metric.name.startswith("mce") for metric in finding.metrics)


def test_views_of_other_images_than_the_clean_ones_are_not_set_beside_them(two_models):
    two_models.jobs = [job for job in two_models.jobs if job.hash != "new|fog/1"]
    two_models.add("new", right(0.8), "fog/1", data="other")
    assert two_models.analyse()[0].tables["corruptions"]["corruption"].tolist() == ["snow"]


def test_on_imagenet_errors_are_divided_by_the_published_ones_of_alexnet():
    made = MadeUp()
    made.add("new", right(0.76, 100), dataset="imagenet")
    for name in ALEXNET:
        for severity in range(1, 6):
            made.add("new", right(0.4, 100), f"{name}/{severity}", dataset="imagenet")
    names = tuple(ALEXNET)
    (finding,) = made.analyse(
        dataset="imagenet", corruptions=names, standard=names, severities=(1, 2, 3, 4, 5), jpeg=None
    )
    numbers = {metric.name: metric.value for metric in finding.metrics}
    assert numbers["mce"] == pytest.approx(np.mean([0.6 / error for error in ALEXNET.values()]))
    assert numbers["relative_mce"] == pytest.approx(np.mean([0.36 / (error - 0.435) for error in ALEXNET.values()]))
    assert any("saved as JPEG of quality 85" in note for note in finding.notes)


def test_published_errors_of_resnet_50_give_its_published_mce():
    # Rounded CEs of ResNet-50 in table 1 of Hendrycks & Dietterich 2019, whose mCE is 76.7.
    ce = [80, 82, 83, 75, 89, 78, 80, 78, 75, 66, 57, 71, 85, 77, 77]
    errors = np.array([share * error / 100 for share, error in zip(ce, ALEXNET.values(), strict=True)])
    layout = Layout(tuple(ALEXNET), (1,), tuple(ALEXNET))
    accuracies = np.concatenate([[0.761], 1 - errors])[None]
    found = corruption_errors(layout, accuracies, (np.array([0.435]), np.array([[*ALEXNET.values()]])))
    assert layout.mean(found["ce"])[0] == pytest.approx(0.767, abs=0.003)
