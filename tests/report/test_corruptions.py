"""The section 'Corruptions': tables, curves and pictures of models on corrupted images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from clipbench.report.page import render
from clipbench.results.folder import Results
from clipbench.results.records import JobResult, Record, Table

from .made_up import HOSTILE, classification
from .shifted import KINDS, corrupted, finding, pictured, view_job
from .test_page import Outline
from .test_robustness import section, specs, words

Make = Callable[..., Results]
Found = Callable[..., None]


def said(page: str) -> str:
    return words(page, "corruptions")


def clean_jobs(*models: str) -> list[JobResult]:
    return [classification(model, "cifar10", 0.9) for model in models]


def test_the_table_says_clean_corrupted_gap_and_mce(make_results: Make, found: Found) -> None:
    found(corrupted("a", "cifar10", 0.9, against="alexnet"), corrupted("b", "cifar10", 0.8, against="alexnet"))
    page = render(make_results(*clean_jobs("a", "b")))
    text = said(page)
    assert "clean top-1, % corrupted top-1, % gap, points mCE, % relative mCE, %" in text
    assert "mean over all 15 standard corruptions" in text
    assert "mCE is against alexnet" in text
    assert "lower is better (Hendrycks" in Outline(page).text
    assert '<a href="#corruptions">Corruptions</a>' in page
    assert 'id="comparisons"' not in page


def test_without_a_reference_there_is_no_mce(make_results: Make, found: Found) -> None:
    found(corrupted("a", "cifar10", 0.9))
    text = said(render(make_results(*clean_jobs("a"))))
    assert "mCE" not in text
    assert "CE, %" not in text


def test_absent_frost_is_said_and_in_the_metric_s_name(make_results: Make, found: Found) -> None:
    names = [name for name in KINDS if name != "frost"]
    found(corrupted("a", "cifar10", 0.9, names=names, against="alexnet", notes=("Absent: frost.",)))
    text = said(render(make_results(*clean_jobs("a"))))
    assert "mCE-14, % relative mCE-14, %" in text
    assert "14 of the 15 standard corruptions, without frost" in text
    assert "Absent: frost." in text


def test_further_corruptions_are_said_to_be_in_no_mean(make_results: Make, found: Found) -> None:
    found(corrupted("a", "cifar10", 0.9, names=["fog", "snow", "spatter"]))
    text = said(render(make_results(*clean_jobs("a"))))
    assert "Beside them, in no mean: spatter." in text


def test_each_corruption_is_a_panel_from_clean_to_worst(make_results: Make, found: Found) -> None:
    found(corrupted("a", "cifar10", 0.9), corrupted("b", "cifar10", 0.8))
    page = render(make_results(*clean_jobs("a", "b")))
    panels = specs(page, r"corruption-1-")
    assert len(panels) == 15
    for spec in panels:
        one, two = spec["data"]
        assert [round(x) for x in one["x"]] == [0, 1, 2, 3, 4, 5]
        assert (one["y"][0], two["y"][0]) == (0.9, 0.8)
        assert one["y"] == sorted(one["y"], reverse=True)
        assert one["meta"] != two["meta"]
    assert len({str(spec["layout"]["yaxis"]["range"]) for spec in panels}) == 1
    assert "clean images" in panels[0]["data"][0]["customdata"][0]
    assert "gaussian noise, severity 5" in panels[0]["data"][0]["customdata"][5]


def test_one_model_s_severities_are_a_table_shaded_by_what_is_lost(make_results: Make, found: Found) -> None:
    columns = ("corruption", "kind", "severity", "top1", "low", "high")
    rows = (("fog", "weather", 1, 0.8, 0.78, 0.82), ("fog", "weather", 2, 0.2, 0.18, 0.22))
    means = (("fog", "weather", 0.5, 0.48, 0.52, 0.5, 0.9, 1.1),)
    table = Table(("corruption", "kind", "top1", "low", "high", "error", "ce", "relative_ce"), means)
    base = corrupted("a", "cifar10", 0.8, names=["fog"])
    found(replace(base, tables={"severities": Table(columns, rows), "corruptions": table}))
    page = render(make_results(*clean_jobs("a")))
    text = said(page)
    assert "fog weather 80.0 20.0 50.0 90.0 110.0" in text
    shades = [item["style"] for item in Outline(section(page, "corruptions")).all("i")]
    assert shades == ["--v:0.000", "--v:0.750", "--v:0.375"]


def views(results: Results, severities: Sequence[int], names: Sequence[str] = ("fog", "snow")) -> list[JobResult]:
    made = []
    for name in names:
        for severity in severities:
            job = pictured(results, view_job("a", "cifar10", f"{name}/{severity}", 0.5), severity)
            results.write_job(job)
            made.append(job)
    return made


@pytest.mark.parametrize(("severities", "shown"), [((1, 3, 5), 3), ((1, 2), 2), ((5,), 5)])
def test_each_corruption_is_a_picture(
    make_results: Make, found: Found, severities: tuple[int, ...], shown: int
) -> None:
    results = make_results(*clean_jobs("a"))
    found(corrupted("a", "cifar10", 0.9, names=["fog", "snow"], jobs=views(results, severities)))
    outline = Outline(section(render(results), "corruptions"))
    images = list(outline.all("img"))
    assert [image["alt"] for image in images] == [f"fog, severity {shown}", f"snow, severity {shown}"]
    assert all(image["src"].startswith("data:image/webp;base64,") for image in images)


def test_jobs_without_pictures_leave_the_strip_out(make_results: Make, found: Found) -> None:
    job = view_job("a", "cifar10", "fog/3", 0.5)
    found(corrupted("a", "cifar10", 0.9, names=["fog"], jobs=[job, replace(job, hash="0" * 32)]))
    page = render(make_results(*clean_jobs("a"), job))
    assert "strip" not in section(page, "corruptions")


def test_protocols_and_sets_stand_apart(make_results: Make, found: Found) -> None:
    found(
        corrupted("a", "cifar10", 0.9, names=["fog"]),
        corrupted("a", "cifar10", 0.9, names=["fog"], protocol="adapted", notes=("Comparable with nothing.",)),
    )
    text = said(render(make_results(*clean_jobs("a"))))
    assert text.index("cifar10 adapted") < text.index("Comparable with nothing.") < text.index("cifar10 cifar-c")


def test_more_models_than_colours_are_in_the_table_alone(make_results: Make, found: Found) -> None:
    names = [f"m{at}" for at in range(10)]
    found(*(corrupted(name, "cifar10", 0.9, names=["fog"]) for name in names))
    page = render(make_results(*clean_jobs(*names)))
    (spec,) = specs(page, "corruption-1-")
    assert len(spec["data"]) == 8
    assert "2 more models are in the table" in said(page)


def test_panels_that_do_not_all_fit_are_left_out_together(
    make_results: Make, found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipbench.report.page.MAX_FIGURES", 10)
    found(corrupted("a", "cifar10", 0.9))
    page = render(make_results(*clean_jobs("a")))
    assert specs(page, "corruption-1-") == []
    assert "15 more figures are left out" in said(page)


def test_what_was_not_computed_or_broke_is_said(make_results: Make, found: Found) -> None:
    silent = finding("corruption_error", "a", "cifar10", "cifar-c", (), notes=("Not computed: gone.",))
    found(silent, replace(silent, status="failed", error="KeyError: 'y'", model="", notes=()))
    text = said(render(make_results(*clean_jobs("a"))))
    assert "a on cifar10 ( cifar-c ): Not computed: gone." in text
    assert "Not made: KeyError: 'y'" in text


def test_hostile_findings_stay_texts(make_results: Make, found: Found) -> None:
    texts = list(HOSTILE.values())
    rows = tuple((text, texts[0], severity, 0.5, None, None) for text in texts for severity in (1, 2))
    tables = {
        "severities": Table(("corruption", "kind", "severity", "top1", "low", "high"), rows),
        "corruptions": Table(("corruption", "top1"), ((None, 0.5), (3, 0.2))),
    }
    records = (Record("clean_top1", 0.8), Record("mce_14", 0.7, params={"reference": texts[1]}))
    found(finding("corruption_error", texts[0], texts[1], texts[2], records, tables=tables, notes=tuple(texts)))
    page = render(make_results(classification(texts[0], texts[1], 0.5)))
    outline = Outline(section(page, "corruptions"))
    assert not [tag for tag, _ in outline.elements if tag in {"img", "svg", "b"}]
    assert len(specs(page, "corruption-1-")) == len(texts)
    assert all(" ".join(text.replace("_", " ").split()) in outline.text for text in texts)
