"""What is kept of a job: pictures where they may be shown, notes, pedigree, and failures with their reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd
import PIL.Image
import pytest

from clipbench import Example, IndexedDataset
from clipbench.results.folder import Results
from clipbench.results.records import JobResult
from clipbench.runs.progress import ProgressListener
from clipbench.tasks.base import SAMPLE
from clipbench.tasks.classify.zero_shot import ZeroShot

SUITE = """
name: kept
datasets:
  few: {{adapter: scenes, by: colour, n: 40, {declared}}}
tasks:
  - task: zero_shot
    datasets: [few{more}]
    prompts: ["{template}"]
"""


@pytest.fixture
def jobs(make_runner):
    def finish(
        declared: str = "regime: benchmark", more: str = "", template: str = "a {} thing.", **options: object
    ) -> Mapping[str, JobResult]:
        suite = SUITE.format(declared=declared, more=more, template=template)
        return {job.dataset: job for job in make_runner(suite, **options).run().jobs()}

    return finish


class Crashing(IndexedDataset):
    """A data set with a bug in it."""

    classes = ("red", "blue")

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Example:
        raise ZeroDivisionError("a bug of the user's own")


def test_confident_mistakes_have_thumbnails(jobs, tmp_path: Path):
    job = jobs(template="a {} drawing of ten red birds.")["few"]
    assert job.pictures
    for picture in job.pictures:
        with PIL.Image.open(tmp_path / "results" / "thumbs" / picture["thumb"]) as thumbnail:
            assert max(thumbnail.size) <= 128


def test_samples_are_of_distinct_classes_and_the_same_whatever_the_model_makes_of_them(jobs):
    found = [jobs(template=template)["few"] for template in ("a {} thing.", "a {} drawing of ten red birds.")]
    samples = [[picture for picture in job.pictures if picture["role"] == SAMPLE] for job in found]
    assert samples[0] == samples[1] != []
    labels = [picture["true_label"] for picture in samples[0]]
    assert len(set(labels)) == len(labels) <= 8


@pytest.mark.parametrize(("declared", "thumbnails"), [("show_images: false", True), ("regime: shift", False)])
def test_no_image_is_kept_where_the_licence_or_the_user_forbids_it(jobs, tmp_path: Path, declared, thumbnails):
    job = jobs(declared=declared, template="a {} drawing of ten red birds.", thumbnails=thumbnails)["few"]
    assert job.pictures == ()
    assert not (tmp_path / "results" / "thumbs").exists()


def test_a_crash_in_a_user_s_class_is_recorded_and_the_others_finish(jobs):
    found = jobs(more=f", {__name__}:Crashing")
    crashed = found[f"{__name__}:Crashing"]
    assert crashed.status == "failed"
    assert crashed.error == "unexpected ZeroDivisionError: a bug of the user's own"
    assert "a bug of the user's own" in crashed.run_metadata["traceback"]
    assert found["few"].status == "done"


def test_examples_are_kept_and_the_pedigree_changes_with_what_it_stands_for(jobs, tmp_path: Path):
    job = jobs()["few"]
    table = pd.read_parquet(tmp_path / "results" / "examples" / f"{job.hash}.parquet")
    assert len(table) == 40
    assert {"id", "label", "prediction", "correct", "margin", "score", "group.style"} <= set(table.columns)
    first = job.pedigree
    assert all(getattr(first, part) for part in ("weights", "transform", "tokenizer", "data", "labels", "prompts"))
    assert first.protocol == f"zero_shot/{ZeroShot.protocol}"
    assert jobs()["few"].pedigree == first
    assert jobs(template="one {} shape.")["few"].pedigree.differences(first) == ("prompts",)


def test_a_page_that_cannot_be_written_does_not_stop_the_run(tmp_path: Path, jobs):
    problems: list[str] = []

    class Ear(ProgressListener):
        def page(self, path: Path, problem: str) -> None:
            problems.append(problem)

    (tmp_path / "results" / "report.html").mkdir(parents=True)
    assert jobs(progress=Ear())["few"].status == "done"
    assert all("report.html" in problem for problem in problems)
    assert problems


@pytest.mark.parametrize("harm", ["no examples", "half the examples", "a damaged file", "no file"])
def test_a_job_whose_files_are_gone_or_damaged_is_run_again_without_embedding(make_runner, tmp_path: Path, harm: str):
    suite = SUITE.format(declared="regime: field", more="", template="a {} thing.")
    told: list[tuple[str, bool]] = []
    embedded: list[str] = []

    class Ear(ProgressListener):
        def finished(self, result: JobResult, again: bool) -> None:
            told.append((result.hash, again))

        def started(self, job: object, total: int | None, unit: str) -> None:
            embedded.append(unit)

    (job,) = make_runner(suite).run().jobs()
    results = Results(tmp_path / "results")
    records, examples = results.job_path(job.hash), results.examples_path(job.hash)
    before = examples.read_bytes()
    if harm == "no examples":
        examples.unlink()
    elif harm == "half the examples":
        examples.write_bytes(before[: len(before) // 2])
    elif harm == "a damaged file":
        records.write_bytes(records.read_bytes()[:-200])
    else:
        records.unlink()
    make_runner(suite, Ear()).run()
    make_runner(suite, Ear()).run()
    assert told == [(job.hash, False), (job.hash, True)]
    assert "images" not in embedded
    assert examples.read_bytes() == before
    (again,) = results.jobs()
    assert again == replace(job, run_metadata=again.run_metadata)


def test_a_run_names_its_jobs_and_keeps_its_page_where_nothing_is_new(make_runner, tmp_path: Path):
    suite = SUITE.format(declared="regime: field", more="", template="a {} thing.")
    (job,) = make_runner(suite).run().jobs()
    results, page = Results(tmp_path / "results"), tmp_path / "results" / "report.html"
    (run,) = results.runs
    assert (run["suite"], run["jobs"], run["order"]) == ("kept", [job.hash], 1)
    first = page.stat().st_mtime_ns
    make_runner(suite).run()
    assert page.stat().st_mtime_ns == first
    make_runner(suite.replace("name: kept", "name: kept\ndescription: New.")).run()
    assert page.stat().st_mtime_ns > first
    assert [run["description"] for run in results.runs] == ["New."]
    page.unlink()
    make_runner(suite).run()
    assert page.exists()


def test_a_set_without_classes_is_shown_by_pictures_of_any(make_runner):
    suite = "name: pairs\ndatasets:\n  few: {adapter: scenes, by: caption, n: 20}\ntasks:\n"
    (job,) = make_runner(f"{suite}  - {{task: retrieval, datasets: [few]}}\n").run().jobs()
    assert job.error == ""
    samples = [picture for picture in job.pictures if picture["role"] == SAMPLE]
    assert [picture["true_label"] for picture in samples] == [""] * 8
