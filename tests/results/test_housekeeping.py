"""Looking into a results folder, and removing jobs with all that belongs to them alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipbench.analyses.run import analyse
from clipbench.results.folder import Results
from clipbench.results.housekeeping import choose_jobs, remove_jobs, stored_jobs

from ..conftest import CommandLine, output_of, user_error
from .test_choice import failed, limited
from .test_results import job


@pytest.fixture
def results(made_up) -> Results:
    """Two models' answers to the same images, a trial, a failure and a job that was replaced."""
    results: Results = made_up.results
    for model in ("a", "b"):
        made_up.answers(model, [True, False, True], dataset="d")
    for made in (limited(2, "c", 0.1), failed("d"), job("e", value=0.2), job("e", value=0.3), job("c")):
        results.write_job(made)
    results.write_run({"suite": "s"}, [job("e", value=0.3).hash])
    return results


def test_jobs_are_listed_with_whether_they_count(results):
    standings = [(entry.job.model, entry.standing) for entry in stored_jobs(results)]
    assert sorted(standings) == [
        *[("a", "counts"), ("b", "counts"), ("c", "counts"), ("c", "trial"), ("d", "failed")],
        *[("e", "counts"), ("e", "replaced")],
    ]
    assert all(entry.bytes > 0 for entry in stored_jobs(results))


def test_a_job_goes_with_its_table_its_thumbnails_and_the_analyses_that_rest_on_it(results):
    thumbs = results.folder / "thumbs"
    for name in ("x/shared.webp", "x/own.webp"):
        (thumbs / name).parent.mkdir(parents=True, exist_ok=True)
        (thumbs / name).write_bytes(b"RIFF")
    (results.folder / "secret").write_bytes(b"")
    pictures = ({"thumb": "x/shared.webp"}, {"thumb": "x/own.webp"}, {"thumb": "../secret"}, {"thumb": ""})
    results.write_job(job("f", "e", pictures=pictures))
    results.write_job(job("g", "f", pictures=pictures[:1]))
    assert {found.analysis for found in analyse(Results(results.folder))} == {"best_of_column", "error_consistency"}
    chosen = choose_jobs(results, model="f", failed=False)
    remove_jobs(results, [entry.job for entry in chosen])
    assert [path.name for path in (thumbs / "x").iterdir()] == ["shared.webp"]
    assert (results.folder / "secret").exists()
    (of_a,) = (entry.job for entry in choose_jobs(results, model="a", failed=False))
    assert results.examples_path(of_a.hash).exists()
    assert of_a.hash in {name for found in results.analysis_results() for name in found.jobs}
    remove_jobs(results, [of_a])
    assert not results.examples_path(of_a.hash).exists()
    assert "a" not in {job.model for job in results.jobs()}
    assert list((results.folder / "analyses").iterdir()) == []
    remove_jobs(results, [entry.job for entry in choose_jobs(results, model="g", failed=False)])
    assert list(thumbs.iterdir()) == []


def test_options_are_joined_and_what_fits_none_is_named(results):
    assert [entry.job.model for entry in choose_jobs(results, failed=True)] == ["d"]
    assert choose_jobs(results, model="a", failed=True) == ()
    assert len(choose_jobs(results, model="c", dataset="d", task="zero_shot", failed=False)) == 2
    assert "give --model, --dataset, --task or --failed" in str(user_error(choose_jobs, results, failed=False))
    message = str(user_error(choose_jobs, results, dataset="dd", failed=False))
    assert message == f"{results.folder}: holds no job of dataset 'dd'; did you mean 'd'?"


def test_the_commands(results, clipbench: CommandLine, tmp_path: Path):
    listed = output_of(clipbench("results", "list", results.folder)).splitlines()
    assert listed[0].split("\t") == ["model", "data set", "task", "variant", "view", "subset", "standing", "size"]
    assert sum(line.startswith("e\t") for line in listed) == 2
    asked = clipbench("results", "remove", results.folder, "--failed")
    assert asked.returncode == 1
    assert len(stored_jobs(results)) == 7
    removed = output_of(clipbench("results", "remove", results.folder, "--failed", "--yes"))
    assert removed.startswith("1 jobs removed, ")
    assert len(stored_jobs(results)) == 6
    assert output_of(clipbench("results", "remove", results.folder, "--failed", "--yes")) == "nothing to remove\n"
    wrong = clipbench("results", "remove", tmp_path, "--failed")
    assert (wrong.returncode, wrong.stderr.strip()) == (
        2,
        f"error: {tmp_path}: holds no results; expected a folder with jobs/ in it",
    )
