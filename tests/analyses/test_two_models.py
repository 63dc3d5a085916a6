"""Heads of two models, on sets whose answers are made up."""

from __future__ import annotations

import numpy as np
import pytest

from clipbench.analyses.base import Evidence
from clipbench.analyses.labels.probe_vs_zero_shot import ProbeVsZeroShot

PARAMS = {"features": "pre_projection", "normalised": False, "n_train": 3000, "n_classes": 3}


@pytest.fixture
def sets(made_up):
    """Write zero-shot of model a beside the probe of b: ahead on won, behind on lost, nearly equal on even."""
    for name, of_a, of_b in (("won", 0.8, 0.6), ("lost", 0.4, 0.7), ("even", 0.6, 0.603)):
        more = {"dataset": name, "pedigree": {"data": name}}
        made_up.zero_shot(of_a, model="a", **more)
        made_up.head("linear_probe", of_b, PARAMS, model="b", **more)
    return made_up


def analysed(world, **settings):
    analysis, results = ProbeVsZeroShot(), world.results
    chosen = analysis.Settings(analysis=analysis.name, **settings)
    return analysis.analyse(Evidence(results.jobs(), results.examples), chosen)


def counts(finding):
    return {metric.name: metric.value for metric in finding.metrics}


def test_sets_are_counted_by_what_their_intervals_say(sets):
    (finding,) = analysed(sets, against="b")
    assert counts(finding) == {"sets_won": 1, "sets_lost": 1, "sets_undecided": 1}
    rows = finding.tables["heads_set_by_set"].set_index("dataset")
    assert rows["verdict"].to_dict() == {"won": "higher", "lost": "lower", "even": "not_distinguishable"}
    assert finding.about.models == ("a", "b")
    # Three intervals that hold together are wider than one.
    (alone,) = analysed(sets, against="b", datasets=("even",))
    single = alone.tables["heads_set_by_set"].iloc[0]
    assert single["high"] - single["low"] < rows.loc["even", "high"] - rows.loc["even", "low"]


def test_a_set_whose_images_differ_is_left_out_and_named(sets):
    sets.zero_shot(0.5, model="a", dataset="other", pedigree={"data": "here"})
    sets.head("linear_probe", 0.5, PARAMS, model="b", dataset="other", pedigree={"data": "there"})
    (finding,) = analysed(sets, against="b")
    assert finding.about.datasets == ("even", "lost", "won")
    assert finding.notes == ("Left out: other (Not compared: data differs between the jobs).",)


def test_a_model_that_nobody_measured_is_said(sets):
    (finding,) = analysed(sets, against="c")
    assert finding.metrics == ()
    assert finding.notes == ("No set was measured with zero_shot of a model and linear_probe of c.",)


def test_where_recall_is_the_main_metric_it_decides(made_up):
    from dataclasses import replace

    columns = {"label": np.r_[np.zeros(270, int), np.ones(30, int)]}
    right = {"a": np.r_[np.ones(200), np.zeros(70), np.ones(30)], "b": np.r_[np.ones(250), np.zeros(50)]}
    for model, task in (("a", "zero_shot"), ("b", "linear_probe")):
        made_up.answers(model, right[model].astype(bool), columns=columns | {"correct": right[model] > 0})
        if task == "linear_probe":
            job = next(job for job in made_up.results.jobs() if job.model == "b")
            made_up.results.write_job(replace(job, task=task))
    for job in made_up.results.jobs():
        recall = replace(job.main, metric="mean_per_class_recall", value=0.5)
        made_up.results.write_job(replace(job, records=(recall,)))
    (finding,) = analysed(made_up, against="b")
    (row,) = finding.tables["heads_set_by_set"].to_dict("records")
    assert row["metric"] == "mean_per_class_recall"
    assert row["difference"] == pytest.approx((200 / 270 + 1) / 2 - (250 / 270 + 0) / 2)
    assert counts(finding)["sets_won"] == 1
