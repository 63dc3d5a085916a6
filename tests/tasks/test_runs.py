"""Tasks in whole runs: what ends up in the results folder."""

from pathlib import Path

import clipbench

NEIGHBOURS = "name: s\ntasks:\n  - {task: knn, datasets: digits, k: [5, 1, 999], temperature: null, limit: 200}\n"


def run(tmp_path, suite, model):
    (tmp_path / "suite.yaml").write_text(suite)
    folders = {"output": tmp_path / "results", "cache": tmp_path / "cache"}
    return clipbench.run(tmp_path / "suite.yaml", [model], device="cpu", workers=0, **folders)


def test_neighbours_keep_the_records_the_curve_and_the_seconds(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples"))
    results = run(tmp_path, NEIGHBOURS, "colour_words_model:ColourWords")
    (job,) = results.jobs()
    assert (job.status, job.variant, job.pedigree.prompts) == ("done", "k = 5, unweighted", "")
    assert job.main is not None
    assert job.main.params.items() >= {"k": 5, "temperature": None, "n_train": 200}.items()
    assert job.tables["k_curve"].frame()["k"].tolist() == [1, 5]
    assert job.run_metadata["seconds_of"].keys() == {"neighbours"}
    assert "k = 999." in job.notes[-1]
    assert results.examples(job.hash)["correct"].mean() == job.main.value


PROMPTS = """
name: s
tasks:
  - task: zero_shot
    datasets: scenes-colour
    limit: 40
    prompts:
      - "a photo of something {}."
      - {name: two, templates: ["{}.", "very {}."], synonyms: {red: [crimson]}}
"""


def test_a_job_says_the_prompts_that_it_used(tmp_path):
    jobs = {job.variant: job.tables["prompts"] for job in run(tmp_path, PROMPTS, "clip-tiny").jobs()}
    template = "a photo of something {}."
    assert jobs[template].columns == ("template", "first_prompt")
    assert jobs[template].rows == ((template, "a photo of something red."),)
    assert jobs["two"].columns == ("class", "prompt")
    of_red = [text for name, text in jobs["two"].rows if name == "red"]
    assert of_red == ["red.", "very red.", "crimson.", "very crimson."]
    assert ("blue", "very blue.") in jobs["two"].rows
