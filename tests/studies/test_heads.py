"""A head of one model beside a head of another."""

from __future__ import annotations

import pytest
from statsmodels.stats.contingency_tables import mcnemar

from clipbench.suite.loading import load_suite

from ..report.findings import said

WORDS = "words"

SUITE = """
datasets:
  drawn: {adapter: scenes, by: colour, n: 60, prompts: class-name}
  shapes: {adapter: scenes, by: shape, n: 60, prompts: class-name}
tasks:
  - task: heads
    datasets: [drawn, shapes]
    against: "pixels:2"
"""


@pytest.mark.slow
def test_zero_shot_of_one_model_stands_beside_the_probe_of_another(workplace, values):
    results = workplace.run(SUITE, models=(f"{WORDS}=colour_words_model:ColourWords", "pixels:2"))
    (found,) = (result for result in workplace.findings("probe_vs_zero_shot") if len(result.about.models) == 2)
    assert found.about.models == (WORDS, "pixels:2")
    assert found.about.datasets == ("drawn", "shapes")
    jobs = {(job.model, job.dataset, job.task): job for job in results.jobs()}
    rows = found.tables["heads_set_by_set"].dicts()
    counts = dict.fromkeys(("higher", "lower", "not_distinguishable"), 0)
    for row in rows:
        first, second = (
            jobs[model, row["dataset"], task] for model, task in ((WORDS, "zero_shot"), ("pixels:2", "linear_probe"))
        )
        assert (row["first"], row["second"]) == (first.main.value, second.main.value)
        assert row["difference"] == pytest.approx(first.main.value - second.main.value)
        assert row["low"] <= row["difference"] <= row["high"]
        counts[row["verdict"]] += 1
        right = [results.examples(job.hash).set_index("id")["correct"].sort_index() for job in (first, second)]
        table = [[int(((right[0] == a) & (right[1] == b)).sum()) for b in (True, False)] for a in (True, False)]
        # A direction is said at a level that holds for both sets, so it is significant on its own.
        if row["verdict"] != "not_distinguishable":
            assert mcnemar(table, exact=False, correction=False).pvalue < 0.05
    numbers = values(found)
    assert [numbers[name] for name in ("sets_won", "sets_lost", "sets_undecided")] == list(counts.values())
    sentence = said(found)[0]
    assert sentence.startswith(f"Zero-shot of {WORDS} against the linear probe of pixels:2: won on ")
    assert "(2 intervals that hold together; n = 120)" in sentence
    # An image-only model fails what it cannot do, and nothing else.
    failed = [(job.model, job.task) for job in results.jobs() if job.status == "failed"]
    assert failed == [("pixels:2", "zero_shot")] * 2


def test_the_study_asks_for_both_heads_and_the_analysis(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE + "    head: wise_ft\n    against_head: knn\n    prompts: photo\n    limit: 30\n")
    (study,) = load_suite(path).studies
    assert [(job.dataset, job.settings.task, job.settings.limit) for job in study.jobs()] == [
        (name, task, 30) for name in ("drawn", "shapes") for task in ("wise_ft", "knn")
    ]
    (asked,) = study.analyses()
    assert asked == {
        "analysis": "probe_vs_zero_shot",
        "against": "pixels:2",
        "head": "wise_ft",
        "against_head": "knn",
        "datasets": ["drawn", "shapes"],
        "split": "test",
    }
