"""Tasks in whole runs: what ends up in the results folder."""

from pathlib import Path

import clipbench
from clipbench.suite.loading import load_suite

NEIGHBOURS = "name: s\ntasks:\n  - {task: knn, datasets: digits, k: [5, 1, 999], temperature: null, limit: 200}\n"


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
