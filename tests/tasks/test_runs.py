"""Tasks in whole runs: what ends up in the results folder."""

from pathlib import Path

import pytest

import clipbench
from clipbench.suite.loading import load_suite

NEIGHBOURS = "name: s\ntasks:\n  - {task: knn, datasets: digits, k: [5, 1, 999], temperature: null, limit: 200}\n"
HEADS = """
name: both
datasets:
  cifar: {{adapter: hf, path: {cifar}, splits: {{train: train, test: test}}, image: image, label: label}}
tasks:
  - {{task: zero_shot, datasets: cifar, prompts: "a photo of a {{}}.", limit: 200}}
  - {{task: wise_ft, datasets: cifar, prompts: "a photo of a {{}}.", limit: 200}}
  - {{task: few_shot, datasets: cifar, shots: 4, limit: 200}}
"""


def run(tmp_path, suite, model):
    (tmp_path / "suite.yaml").write_text(suite)
    options = clipbench.RunOptions(output=tmp_path / "results", cache=tmp_path / "cache", device="cpu", workers=0)
    return clipbench.run(load_suite(tmp_path / "suite.yaml"), [model], options)


def test_neighbours_keep_the_records_the_curve_and_the_seconds(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples"))
    results = run(tmp_path, NEIGHBOURS, "colour_words_model:ColourWords")
    (job,) = results.jobs()
    assert (job.status, job.variant, job.pedigree.prompts) == ("done", "k = 5, unweighted", "")
    assert job.main is not None
    assert job.main.params.items() >= {"k": 5, "temperature": None, "n_train": 200}.items()
    assert job.tables["k_curve"].frame()["k"].tolist() == [1, 5]
    assert job.provenance["seconds_of"].keys() == {"neighbours"}
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


@pytest.mark.shared_data
def test_on_real_photographs_alpha_0_is_the_zero_shot_job(shared_data, tmp_path):
    model = f"open_clip:local-dir:{shared_data / 'models' / 'cifar-clip'}"
    results = run(tmp_path, HEADS.format(cifar=shared_data / "cifar10"), model)
    jobs = {job.task: job for job in results.jobs()}
    reference, few = (jobs[task].main for task in ("zero_shot", "few_shot"))
    found = {record.metric: record for record in jobs["wise_ft"].records}
    assert (found["zero_shot_top1"].value, found["zero_shot_top1"].n) == (reference.value, 200)
    assert (found["zero_shot_top1"].low, found["zero_shot_top1"].high) == (reference.low, reference.high)
    assert {jobs[task].pedigree.data for task in jobs} == {jobs["zero_shot"].pedigree.data}
    assert found["fitted_top1"].value > 0.5
    assert 0.2 < few.value < found["fitted_top1"].value
