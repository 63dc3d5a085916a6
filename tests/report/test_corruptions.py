"""The section 'Corruptions': tables, curves and pictures of models on corrupted images."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from clipbench.report.sections.corruptions.section import CorruptionsSection
from clipbench.results.folder import Results
from clipbench.results.records import AnalysisResult, Record, Subject, Table

from .boxes import held_data
from .findings import KINDS, MEANS, SEVERITIES, corrupted, page_data, pictured, render, result, specs, view_job, words
from .made_up import HOSTILE
from .test_page import Outline


def show(*results: AnalysisResult, figures: int = 200) -> str:
    return render(CorruptionsSection(), page_data(*results), figures)


def test_the_table_says_clean_corrupted_gap_and_mce() -> None:
    text = words(show(*(corrupted(name, "cifar10", 0.9, against="alexnet") for name in "ab")))
    assert "clean top-1, % corrupted top-1, % gap, points mCE, % relative mCE, %" in text
    assert "mean over all 15 standard corruptions" in text
    assert "mCE is against alexnet" in text


def test_without_a_reference_there_is_no_mce() -> None:
    text = words(show(corrupted("a", "cifar10", 0.9, names=["fog", "snow", "spatter"])))
    assert "CE, %" not in text
    assert "Beside them, in no mean: spatter." in text


def test_absent_frost_is_said_and_in_the_metric_s_name() -> None:
    names = [name for name in KINDS if name != "frost"]
    text = words(show(corrupted("a", "cifar10", 0.9, names=names, against="alexnet", notes=("Absent: frost.",))))
    assert "mCE-14, % relative mCE-14, %" in text
    assert "14 of the 15 standard corruptions, without frost" in text
    assert "Absent: frost." in text


def test_each_corruption_is_a_panel_from_clean_to_worst() -> None:
    panels = specs(show(corrupted("a", "cifar10", 0.9), corrupted("b", "cifar10", 0.8)), r"corruption-1-")
    assert len(panels) == 15
    for spec in panels:
        first, second = spec["data"]
        assert [round(x) for x in first["x"]] == [0, 1, 2, 3, 4, 5]
        assert (first["y"][0], second["y"][0]) == (0.9, 0.8)
        assert first["y"] == sorted(first["y"], reverse=True)
        assert first["meta"] != second["meta"]
    assert len({str(spec["layout"]["yaxis"]["range"]) for spec in panels}) == 1
    assert "clean images" in panels[0]["data"][0]["customdata"][0]
    assert "gaussian noise, severity 5" in panels[0]["data"][0]["customdata"][5]


def test_one_model_s_severities_are_a_table_shaded_by_what_is_lost() -> None:
    rows = (("fog", "weather", 1, 0.8, 0.78, 0.82), ("fog", "weather", 2, 0.2, 0.18, 0.22))
    means = (("fog", "weather", 0.5, 0.48, 0.52, 0.5, 0.9, 1.1),)
    tables = {"severities": Table(SEVERITIES, rows), "corruptions": Table(MEANS, means)}
    page = show(replace(corrupted("a", "cifar10", 0.8, names=["fog"]), tables=tables))
    assert re.search(r"fog weather 80.0 \S+ \S+ 20.0 \S+ \S+ 50.0 \S+ \S+ 90.0 110.0", words(page))
    shades = [
        value[2]
        for value in held_data(page)["values"]
        if isinstance(value, list) and len(value) == 3 and value[0][:1].isdigit()
    ]
    assert shades == [0.0, 0.75, 0.375]


@pytest.mark.parametrize(("severities", "shown"), [((1, 3, 5), 3), ((1, 2), 2), ((5,), 5)])
def test_each_corruption_is_a_picture(
    make_results: Callable[..., Results], severities: Sequence[int], shown: int
) -> None:
    results, names = make_results(), ["fog", "snow"]
    jobs = [pictured(results, view_job("a", "cifar10", f"{name}/{at}", 0.5)) for name in names for at in severities]
    data = page_data(corrupted("a", "cifar10", 0.9, names=names, jobs=jobs), jobs=jobs, folder=results.folder)
    outline = Outline(render(CorruptionsSection(), data))
    images = list(outline.all("img"))
    assert len(images) == 2
    assert all(f"{name}, severity {shown}" in outline.text for name in names)
    assert all(image["src"].startswith("data:image/webp;base64,") for image in images)


def test_jobs_without_pictures_leave_the_strip_out() -> None:
    job = view_job("a", "cifar10", "fog/3", 0.5)
    data = page_data(corrupted("a", "cifar10", 0.9, names=["fog"], jobs=[job, replace(job, hash="0" * 32)]), jobs=[job])
    assert "strip" not in render(CorruptionsSection(), data)


def test_protocols_and_sets_stand_apart() -> None:
    adapted = corrupted("a", "cifar10", 0.9, names=["fog"], protocol="adapted", notes=("Comparable with nothing.",))
    text = words(show(corrupted("a", "cifar10", 0.9, names=["fog"]), adapted))
    assert text.index("cifar10 adapted") < text.index("Comparable with nothing.") < text.index("cifar10 cifar-c")


def test_more_models_than_colours_are_in_the_table_alone() -> None:
    page = show(*(corrupted(f"m{number}", "cifar10", 0.9, names=["fog"]) for number in range(10)))
    (spec,) = specs(page, "corruption-1-")
    assert len(spec["data"]) == 8
    assert "2 more models are in the table" in words(page)


def test_panels_that_do_not_all_fit_are_left_out_together() -> None:
    about = Subject(("a",), ("cifar10",), protocol="cifar-c")
    silent = result("corruption_error", about, notes=("Not computed: gone.",))
    page = show(corrupted("a", "cifar10", 0.9), silent, figures=10)
    assert "a on cifar10 , cifar-c : Not computed: gone." in words(page)
    assert specs(page, "corruption-1-") == []
    assert "15 more figures are left out" in words(page)


def test_hostile_results_stay_texts() -> None:
    texts = list(HOSTILE.values())
    rows = tuple((text, texts[0], severity, 0.5, 0.4, 0.6) for text in texts for severity in (1, 2))
    means = tuple((text, texts[0], 0.5, 0.4, 0.6, 0.5, None, None) for text in texts)
    tables = {"severities": Table(SEVERITIES, rows), "corruptions": Table(MEANS, means)}
    records = (Record("clean_top1", 0.8, low=0.7, high=0.9), Record("mce_14", 0.7))
    about = Subject((texts[0],), (texts[1],), reference=texts[1], protocol=texts[2])
    page = show(result("corruption_error", about, records, tables=tables, notes=tuple(texts)))
    outline = Outline(page)
    assert not [tag for tag, _ in outline.elements if tag in {"img", "svg", "b"}]
    assert len(specs(page, "corruption-1-")) == len(texts)
    assert all(" ".join(text.replace("_", " ").split()) in outline.text for text in texts)
