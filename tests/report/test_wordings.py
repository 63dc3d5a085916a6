"""Figures of prompt sensitivity."""

from __future__ import annotations

from clipbench.records import JobResult, Pedigree, Record, Table
from clipbench.report.curves import of_job

TEMPLATES = Table(
    ("position", "template", "family", "first_prompt", "top1", "low", "high"),
    (
        (0, "a photo of a {}.", "noise", "a photo of a cat.", 0.6, 0.55, 0.65),
        (1, "a <b>phto</b> of a {}.", "noise", "a phto of a cat.", 0.7, 0.65, 0.75),
        (2, "{}", "", "cat", 0.5, None, None),
    ),
)
FAMILIES = Table(
    ("family", "plain", "template", "difference", "low", "high", "p", "p_holm"),
    (
        ("noise", "a photo of a {}.", "a phto of a {}.", 0.1, 0.05, 0.15, 0.001, 0.002),
        ("noise", "a photo of a {}.", "a pohto of a {}.", -0.01, -0.05, 0.03, 0.6, 0.6),
    ),
)
ENSEMBLES = Table(
    ("size", "subsets", "top1", "low", "high"),
    ((1, 3, 0.6, 0.5, 0.7), (2, 3, 0.65, 0.6, 0.7), (3, 1, 0.66, None, None)),
)


def job(**tables: Table) -> JobResult:
    records = (Record("mean", 0.6, n=100, main=True), Record("ensemble_top1", 0.66, n=100))
    name = "prompt_sensitivity"
    return JobResult("h", "m", "toys", "test", name, "wording", "done", Pedigree(), records, tables=tables)


def test_templates_are_drawn_best_first_beside_the_ensemble_of_all():
    curve = of_job(job(templates=TEMPLATES))["templates"]
    points, ensemble = curve.figure.spec["data"]
    assert points["x"] == [0.7, 0.6, 0.5]
    assert curve.figure.spec["layout"]["yaxis"]["ticktext"] == [
        "a &lt;b&gt;phto&lt;/b&gt; of a {}.",
        "a photo of a {}.",
        "{}",
    ]
    assert points["error_x"]["array"][2] is None
    assert ensemble["x"] == [0.66, 0.66]
    assert curve.figure.summary == "top-1 of 3 templates, from 70.0\u202f% to 50.0\u202f%"


def test_what_a_wording_does_is_filled_where_it_is_clear_after_correction():
    curve = of_job(job(families=FAMILIES))["families"]
    (points,) = curve.figure.spec["data"]
    assert points["x"] == [0.1, -0.01]
    assert points["meta"]["hollow"] == [False, True]
    assert "p < 0.05 after Holm's correction for all 2" in curve.legend


def test_ensembles_are_drawn_by_their_size():
    curve = of_job(job(ensemble_curve=ENSEMBLES))["ensemble_curve"]
    (line,) = curve.figure.spec["data"]
    assert line["x"] == [1, 2, 3]
    assert line["y"] == [0.6, 0.65, 0.66]


def test_tables_that_lack_their_numbers_are_not_drawn():
    broken = Table(TEMPLATES.columns, tuple((*row[:4], None, None, None) for row in TEMPLATES.rows))
    assert "templates" not in of_job(job(templates=broken))
