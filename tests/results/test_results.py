"""The results folder: what is written comes back, the later of two equal jobs counts, damage is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from clipbench.errors import UserError
from clipbench.results.folder import FORMAT, Results, load_results
from clipbench.results.records import AnalysisResult, JobResult, Pedigree, Record, Subject, Table
from clipbench.tasks.base import Condition


def job(model: str = "a", dataset: str = "d", value: float = 0.5, **changes: object) -> JobResult:
    made = JobResult(
        hash=f"{model}-{dataset}-{value}",
        model=model,
        dataset=dataset,
        split="test",
        task="zero_shot",
        variant="photo",
        status="done",
        pedigree=Pedigree(data="images", protocol="zero_shot/1"),
        records=(
            Record("top1", value, low=value - 0.1, high=value + 0.1, level=0.95, interval="wilson", n=10, main=True),
            Record("top5", None, n=10),
        ),
        tables={"per_class": Table(("class", "accuracy"), (("cat", 0.5), ("dog", None)))},
        notes=("a note",),
        run_metadata={"finished": "2026-01-01T00:00:00", "seconds": 1.5},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path)


def test_what_is_written_comes_back(results: Results):
    results.write_job(job())
    assert results.read_job(job().hash) == job()
    assert results.read_job("other") is None
    pd.testing.assert_frame_equal(
        job().tables["per_class"].frame(), pd.DataFrame({"class": ["cat", "dog"], "accuracy": [0.5, None]})
    )


def test_the_tidy_frame_has_a_row_a_record_with_its_pedigree(results: Results):
    results.write_job(job())
    results.write_job(job("b", status="failed", records=(), error="no such file"))
    frame = results.frame
    assert frame[["model", "metric", "status"]].values.tolist() == [
        ["a", "top1", "done"],
        ["a", "top5", "done"],
        ["b", "", "failed"],
    ]
    assert frame.loc[0, "pedigree.protocol"] == "zero_shot/1"
    assert pd.isna(frame.loc[1, "value"])
    assert frame.loc[2, "error"] == "no such file"


def test_the_tidy_frame_has_a_row_a_record_of_an_analysis(results: Results):
    about = Subject(("a", "b"), ("d",), split="test", prompts="photo", condition=Condition(shots=4))
    found = AnalysisResult("x", "compare", 1, "done", about, records=(Record("difference", 0.1, n=10),))
    results.write_job(job())
    results.write_analysis("compare", "key", (found, AnalysisResult("y", "broken", 0, "failed", error="no luck")))
    assert results.analysis_results()[0] == found
    columns = ["model", "dataset", "split", "task", "variant", "metric", "n", "status", "analysis"]
    assert results.frame[columns].values.tolist()[2:] == [
        ["a", "d", "test", "compare", "against b, photo, 4 shots", "difference", 10, "done", True],
        ["", "", "", "broken", "", "", 0, "failed", True],
    ]
    assert list(results.wide().columns) == ["d"]


def test_an_empty_folder_has_an_empty_frame_with_its_columns(results: Results):
    assert results.jobs() == ()
    assert {"model", "dataset", "value", "pedigree.data"} <= set(results.frame.columns)


def test_of_two_jobs_that_measure_the_same_the_later_counts(results: Results):
    later = {"finished": "2026-02-01T00:00:00"}
    results.write_job(job(value=0.6, pedigree=Pedigree(data="newer images"), run_metadata=later))
    results.write_job(job(value=0.5))
    assert [found.main.value for found in results.jobs() if found.main] == [0.6]


def test_a_failure_hides_no_success(results: Results):
    results.write_job(job())
    later = {"finished": "2026-02-01T00:00:00"}
    results.write_job(
        job(hash="failed", status="failed", records=(), variant="", pedigree=Pedigree(), run_metadata=later)
    )
    assert [found.status for found in results.jobs()] == ["done"]


def test_the_wide_table_has_models_by_data_sets(results: Results):
    for made in (job(), job("b", value=0.7), job("a", "e", 0.2), job("b", "e", status="failed", records=())):
        results.write_job(made)
    wide = results.wide()
    assert wide.loc["a"].to_dict() == {"d": 0.5, "e": 0.2}
    assert wide.loc["b", "d"] == 0.7
    assert pd.isna(wide.loc["b", "e"])
    # Columns that would share a name are told apart.
    results.write_job(job(value=0.6, variant="sketch"))
    assert list(Results(results.folder).wide().columns) == ["d (photo)", "d (sketch)", "e"]


def test_several_folders_are_seen_as_one(tmp_path: Path):
    Results(tmp_path / "one").write_job(job())
    Results(tmp_path / "two").write_job(job("b"))
    merged = load_results(tmp_path / "one", tmp_path / "two")
    assert [part.folder for part in merged.parts] == [tmp_path / "one", tmp_path / "two"]
    assert [found.model for found in merged.jobs()] == ["a", "b"]
    assert merged.part_of(job("b").hash).folder == tmp_path / "two"


def test_a_folder_without_results_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="holds no results; expected a folder with jobs/ in it"):
        load_results(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"[]", f'{{"format": {FORMAT}, "hash": "x"}}'.encode(), b'{"format": 99}'])
def test_a_damaged_or_newer_file_is_named(results: Results, content: bytes):
    path = results.job_path("x")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"x\.json: .*(delete|upgrade)"):
        results.jobs()


def test_pedigrees_name_the_parts_in_which_they_differ():
    assert Pedigree(data="x", prompts="p").differences(Pedigree(data="y", prompts="p", subset="limit 5")) == (
        "data",
        "subset",
    )
