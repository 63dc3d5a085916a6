"""Which jobs count: those that a run named last, on the most examples, each model under a name of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from clipbench.analyses.run import analyse
from clipbench.results.folder import Results, load_results
from clipbench.results.records import AnalysisResult, JobResult, Pedigree, Record, Subject

from .test_results import job

FUTURE = {"finished": "2099-01-01T00:00:00"}


def of(weights: str, model: str = "a", value: float = 0.5, **changes: object) -> JobResult:
    return job(model, value=value, pedigree=Pedigree(weights=weights, data="images"), **changes)


def failed(model: str = "a", location: str = "") -> JobResult:
    run_metadata = {"finished": "2026-03-01T00:00:00", "model": location}
    return job(model, hash=f"failed-{model}", status="failed", records=(), run_metadata=run_metadata)


def limited(limit: int, model: str = "a", value: float = 0.5, **changes: object) -> JobResult:
    return job(model, value=value, pedigree=Pedigree(subset=f"limit {limit}"), limit=limit, **changes)


def values(results: Results) -> dict[str, float | None]:
    return {found.model: found.main.value if found.main else None for found in results.jobs()}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "one")


@pytest.fixture
def other(tmp_path: Path) -> Results:
    return Results(tmp_path / "two")


def write(results: Results, *jobs: JobResult) -> None:
    for made in jobs:
        results.write_job(made)


def test_the_job_that_the_last_run_named_counts_whatever_the_clocks_said(results):
    write(results, job(value=0.9, run_metadata=FUTURE), job(value=0.6), job(value=0.3))
    results.write_run({"suite": "first"}, [job(value=0.9).hash])
    assert values(results) == {"a": 0.9}
    results.write_run({"suite": "second"}, [job(value=0.6).hash])
    assert values(results) == {"a": 0.6}
    results.write_run({"suite": "first"}, [job(value=0.9).hash])
    assert values(results) == {"a": 0.9}
    results.write_run({"suite": "first"}, [job(value=0.3).hash])
    assert values(results) == {"a": 0.3}


def test_of_jobs_that_no_run_names_a_time_that_cannot_be_true_is_none(results):
    write(results, job(value=0.9, run_metadata=FUTURE), job(value=0.6))
    assert values(results) == {"a": 0.6}


def test_several_suites_share_a_folder_and_none_loses_what_another_found(results):
    asked = [{"analysis": "published_pair"}, {"analysis": "robustness", "reference": "d", "shifts": ["e"]}]
    write(results, job())
    for name, settings in zip(("one", "two"), asked, strict=True):
        results.write_run({"suite": name, "analyses": [settings]})
        analyse(Results(results.folder))
    assert [run["suite"] for run in results.runs] == ["one", "two"]
    assert results.analyses == tuple(asked)
    assert [path.stem.partition("-")[0] for path in (results.folder / "analyses").iterdir()] == ["published_pair"]
    results.write_run({"suite": "one", "analyses": []})
    assert [run["suite"] for run in results.runs] == ["two", "one"]
    analyse(Results(results.folder))
    assert list((results.folder / "analyses").iterdir()) == []


@pytest.mark.parametrize("name", ["../out", "a/b", "", ".", "x" * 300, "a b", "ä"])
def test_a_suite_of_any_name_has_its_record_in_the_folder(results, name):
    results.write_run({"suite": name})
    results.write_run({"suite": "other"})
    assert sorted(run["suite"] for run in results.runs) == sorted([name, "other"])
    assert all(path.parent == results.folder / "runs" for path in results.folder.rglob("*.json"))


def test_a_trial_beside_a_full_run_counts_nowhere(results):
    write(results, limited(10, value=0.9), limited(20, value=0.8), limited(10, "b", 0.7))
    assert values(results) == {"a": 0.8, "b": 0.7}
    write(results, job(value=0.5))
    assert values(results) == {"a": 0.5, "b": 0.7}
    assert len(results.jobs(trials=True)) == 4
    frame = results.frame.query("metric == 'top1'")
    assert frame.loc[~frame["trial"], ["model", "value"]].values.tolist() == [["a", 0.5], ["b", 0.7]]
    wide = results.wide()
    assert pd.Series(wide.loc["a"]).dropna().tolist() == [0.5]


def test_a_full_run_that_failed_hides_no_trial(results):
    write(results, limited(10, value=0.9), failed())
    assert values(results) == {"a": 0.9}


def test_an_analysis_of_a_trial_goes_when_there_is_one_of_all_examples(another):
    world = another("trials", n=600)
    right = [True, False, True, True]
    for model in ("a", "b"):
        world.answers(model, right, pedigree={"subset": "limit 4"}, limit=4)
    trials = analyse(world.results)
    assert {(trial.analysis, trial.about.subset) for trial in trials} == {
        ("best_of_column", "limit 4"),
        ("error_consistency", "limit 4"),
    }
    for model in ("a", "b"):
        world.answers(model, right * 2)
    full = analyse(world.results)
    assert {(found.about.subset, found.about.n) for found in full} == {("", 8)}
    assert world.results.analysis_results() == full


def test_models_of_one_name_in_merged_folders_are_told_apart_by_their_weights(results, other):
    write(results, of("a1b2c3d4", value=0.5), of("shared", "b", 0.1))
    write(other, of("ffffff00", value=0.7), of("shared", "b", 0.2, dataset="e"))
    merged = load_results(results.folder, other.folder)
    assert values(merged) == {"a (a1b2c3)": 0.5, "a (ffffff)": 0.7, "b": 0.2}
    assert values(results) == {"a": 0.5, "b": 0.1}
    assert set(merged.wide().index) == {"a (a1b2c3)", "a (ffffff)", "b"}


def test_analyses_of_merged_folders_call_models_as_their_jobs_do(results, other):
    write(results, of("a1b2c3d4"))
    write(other, of("ffffff00", value=0.7))
    found = AnalysisResult("x", "odd", 1, "done", Subject(("a",), reference="a"), jobs=(of("a1b2c3d4").hash,))
    results.write_analysis("odd", "key", [found])
    (told,) = load_results(results.folder, other.folder).analysis_results()
    assert told == replace(found, about=Subject(("a (a1b2c3)",), reference="a (a1b2c3)"))
    assert results.analysis_results() == (found,)


def test_a_failed_model_never_shows_another_s_number(results, other):
    write(results, of("a1b2c3d4", run_metadata={"finished": "2026-01-01", "model": "open_clip RN50/openai"}))
    write(other, failed(location="open_clip ViT-B-32/openai"))
    merged = load_results(results.folder, other.folder)
    assert values(merged) == {"a (a1b2c3)": 0.5, "a (open_clip ViT-B-32/openai)": None}
    # In one folder, where the name came to stand for another model, likewise.
    write(results, failed(location="open_clip ViT-B-32/openai"))
    assert values(results) == {"a (a1b2c3)": 0.5, "a (open_clip ViT-B-32/openai)": None}


def test_a_failure_of_the_same_model_still_hides_no_success(results, other):
    write(results, of("a1b2c3d4", run_metadata={"finished": "2026-01-01", "model": "open_clip RN50/openai"}))
    write(other, failed(location="open_clip RN50/openai"))
    assert values(load_results(results.folder, other.folder)) == {"a": 0.5}


def test_new_weights_of_one_model_replace_the_old_ones_in_its_folder(results):
    write(results, of("old", value=0.5), of("new", value=0.7))
    results.write_run({"suite": "s"}, [of("new", value=0.7).hash])
    assert values(results) == {"a": 0.7}


def test_fields_that_are_added_later_are_passed_over(results):
    write(results, job())
    path = results.job_path(job().hash)
    document = json.loads(path.read_text())
    document |= {"cluster": "id", "size": 3, "scores": {"a": [1]}}
    document["records"][0]["cluster"] = "images"
    path.write_text(json.dumps(document))
    assert results.jobs() == (job(),)


def test_a_job_without_its_examples_is_not_done(results):
    write(results, job())
    assert results.read_done(job().hash) is None
    path = results.examples_path(job().hash)
    path.parent.mkdir()
    pd.DataFrame({"id": ["x"]}).to_parquet(path)
    assert results.read_done(job().hash) == job()
    path.write_bytes(path.read_bytes()[:-1])
    assert results.read_done(job().hash) is None
    assert results.read_done("another") is None


def test_an_undefined_value_is_kept_and_no_number_is_not(results):
    write(results, job(records=(Record("top1", None, main=True),)))
    assert values(results) == {"a": None}
    with pytest.raises(ValueError, match="JSON"):
        results.write_job(job(records=(Record("top1", float("nan")),)))
