"""A run from Python: what it takes, and its results as a script or a notebook has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import clipbench
from clipbench.models.catalog import find_model

from ..conftest import user_error

SUITE = {
    "name": "plain",
    "datasets": {"few": {"adapter": "scenes", "by": "colour", "n": 24}},
    "tasks": [{"task": "zero_shot", "datasets": ["few", "digits"], "prompts": "a {} thing."}],
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples"))
    here: dict[str, Any] = {"output": str(tmp_path / "results"), "cache": tmp_path / "cache", "device": "cpu"}
    return lambda *arguments, **options: clipbench.run(*arguments, workers=0, **{**here, **options})


def test_a_mapping_names_and_objects_and_the_page_and_comparison_of_them(run, tmp_path: Path):
    from colour_words_model import ColourWords

    results = run(SUITE, ["clip-tiny", ColourWords("cpu")], only="few", limit=12)
    assert {(job.model, job.dataset, job.main.n) for job in results.jobs()} == {
        ("clip-tiny", "few", 12),
        ("colour-words", "few", 12),
    }
    assert "colour-words" in repr(results)
    assert "<table" in results._repr_html_()
    assert results.report(tmp_path / "a.html").read_text().startswith("<!doctype html>")
    assert results.compare("colour-words", "clip-tiny")["n"].tolist() == [12]
    assert clipbench.load_results(tmp_path / "results").wide().shape == results.wide().shape == (2, 1)


def test_the_results_of_a_run_are_apart_from_older_ones_in_its_folder(run):
    first = run(SUITE, "clip-tiny", only=["few"])
    second = run(SUITE, "words=colour_words_model:ColourWords", only=["few"], limit=12)
    assert [(job.model, job.main.n) for job in first.jobs()] == [("clip-tiny", 24)]
    assert [(job.model, job.main.n) for job in second.jobs()] == [("words", 12)]
    assert {job.model for job in second.all().jobs()} == {"clip-tiny", "words"}
    again = run(SUITE, "words=colour_words_model:ColourWords", only=["few"])
    assert [job.main.n for job in again.jobs()] == [24]


def test_what_failed_is_told_where_results_are_shown(run):
    results = run({**SUITE, "datasets": {"few": {"adapter": "folder", "path": "nowhere"}}}, "clip-tiny", only="few")
    for shown in (repr(results), results._repr_html_()):
        assert "failed: clip-tiny · few · zero_shot: " in shown
        assert "is not a folder" in shown


def test_problems_are_told_as_by_the_command_line(run, tmp_path: Path):
    assert "there is no suite 'nosuch'" in str(user_error(run, "nosuch", "clip-tiny"))
    assert "suite.tasks[0].datasets: unknown data set 'fw'" in str(
        user_error(run, {"tasks": [{"task": "zero_shot", "datasets": "fw"}]}, "clip-tiny")
    )
    assert "no such model; did you mean 'vit-b-32'?" in str(user_error(run, SUITE, ["vit-b-23"]))
    assert "two models are called 'clip-tiny'" in str(user_error(run, SUITE, ["clip-tiny", "clip-tiny"]))
    assert "there is no model to run" in str(user_error(run, SUITE, []))
    assert not (tmp_path / "results").exists()


def test_a_user_s_model_computes_without_gradients_whoever_wrote_it(run):
    from colour_words_model import ColourWords

    modes = []

    class Learning(ColourWords):
        version = "1"

        def encode_images(self, pixels):
            modes.append(torch.is_inference_mode_enabled())
            return super().encode_images(pixels)

        def encode_tokens(self, ids):
            modes.append(torch.is_inference_mode_enabled())
            return super().encode_tokens(ids)

    run(SUITE, [Learning("cpu")], only="few")
    assert modes
    assert all(modes)


def test_a_display_name_names_the_model_in_records_and_shares_its_embeddings(run, tmp_path: Path):
    run(SUITE, ["clip-tiny"], only="few")
    stored = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "embeddings").rglob("*.safetensors")}
    (job,) = run(SUITE, ["mine=clip-tiny"], only="few").jobs()
    assert job.model == "mine"
    assert stored == {
        path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "embeddings").rglob("*.safetensors")
    }
    assert find_model("local:/a=b").name == "local:/a=b"


def test_several_suites_share_a_results_folder(run, tmp_path: Path):
    run(SUITE, "clip-tiny", only="few")
    other = {
        **SUITE,
        "name": "other",
        "tasks": [{"task": "robustness", "reference": "few", "shifts": ["scenes-colour"]}],
    }
    run(other, "clip-tiny", limit=20)
    results = run(SUITE, "clip-tiny", only="few").all()
    assert sorted(path.stem for path in (tmp_path / "results" / "runs").glob("*.json")) == ["other", "plain"]
    assert {job.dataset for job in results.jobs()} == {"few", "scenes-colour"}
    assert {result.analysis for result in results.analysis_results()} >= {"robustness"}
    assert np.isfinite(results.wide().to_numpy(float)).any()
