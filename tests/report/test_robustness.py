"""The section 'Benchmark and reality': what is said of shifts, and that nothing is hidden or compared silently."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go
import pytest

from clipbench.report.page import render
from clipbench.report.tables import leaderboard
from clipbench.report.text import definitions, labels, numbers
from clipbench.results.folder import Results
from clipbench.results.records import JobResult, Record, Table

from .made_up import HOSTILE, classification, failure
from .shifted import (
    OWN,
    PUBLISHED,
    FakeModel,
    FakePair,
    Published,
    finding,
    logit,
    on_shift,
    over_shifts,
    pair,
    view_job,
)
from .test_page import Outline

Make = Callable[..., Results]
Found = Callable[..., None]

SHIFTS = {"sketch": 0.42, "photos": 0.61, "films": 0.55}
MODELS = tuple(
    FakeModel(f"published-{at}", 0.55 + at * 0.03, 0.15 + at * 0.03, kind, kind != "zero_shot", kind == "standard")
    for at, kind in enumerate(("standard", "standard", "standard", "more_data", "zero_shot", "something new"))
)


def jobs(*models: str) -> list[JobResult]:
    return [classification(model, "imagenet", 0.6) for model in models]


def three_shifts(model: str, here: float = 0.63, worse: float = 0.0, baseline: str = "") -> list[JobResult]:
    of = [on_shift(model, name, here, there - worse, baseline=baseline) for name, there in SHIFTS.items()]
    return [*of, over_shifts(of)]


def section(page: str, name: str = "robustness") -> str:
    return re.search(f'<section id="{name}">.*?</section>', page, re.DOTALL)[0]  # type: ignore[index]


def words(page: str, name: str = "robustness") -> str:
    """Return a section's text, with a space wherever there is a tag."""
    bare = re.sub(r"<script.*?</script>", " ", section(page, name), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", bare)).split())


def specs(page: str, prefix: str) -> list[dict[str, Any]]:
    found = re.findall(rf'<script type="application/json" id="{prefix}\d+-data">(.*?)</script>', page, re.DOTALL)
    figures = [json.loads(text) for text in found]
    for spec in figures:
        go.Figure(spec)
    return figures


def roles(spec: dict[str, Any]) -> list[str]:
    return [trace["meta"].get("role", "") for trace in spec["data"]]


def points(spec: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [trace for trace in spec["data"] if kind in trace["meta"]]


def test_the_section_begins_with_a_sentence_a_model(make_results: Make, found: Found) -> None:
    found(*three_shifts("b", 0.63), *three_shifts("a", 0.7))
    page = render(make_results(*jobs("a", "b")))
    text = words(page)
    first = "63.0 % on imagenet, 52.7 % on the same classes elsewhere (mean of 3 shifts): 10.3 points lost."
    assert text.index("70.0 % on imagenet") < text.index(first) < text.index("mean shift")
    assert f"b: {first}" not in text
    assert page.index('id="leaderboard"') < page.index('id="robustness"') < page.index('id="sets"')
    assert '<a href="#robustness">Benchmark and reality</a>' in page
    assert 'id="comparisons"' not in page


def test_without_findings_there_is_no_section(plausible: Results) -> None:
    page = render(plausible)
    for name in ("robustness", "corruptions"):
        assert f'id="{name}"' not in page
        assert f'href="#{name}"' not in page


def test_each_shift_has_its_numbers_with_intervals_in_points_and_percent(make_results: Make, found: Found) -> None:
    found(on_shift("a", "sketch", 0.633, 0.4229, baseline=PUBLISHED, relative=-0.02))
    text = words(render(make_results(*jobs("a"))))
    heads = ("imagenet, %", "sketch, %", "gap, points", "expected top-1, %")
    assert " ".join((*heads, "effective robustness, points", "relative robustness, points")) in text
    assert "21.0 [19.6, 22.4]" in text
    assert "+21.2 [+19.2, +23.2]" in text
    assert "−2.0 [−3.0, −1.0]" in text
    assert "10,000 and 2,000 images of the same 200 classes" in text
    assert "logit gap" in text
    assert "R² 0.87" in text


def test_without_baseline_there_are_only_the_models_and_y_equals_x(make_results: Make, found: Found) -> None:
    found(on_shift("a", "sketch", 0.6, 0.4), on_shift("b", "sketch", 0.7, 0.5))
    page = render(make_results(*jobs("a", "b")))
    (spec,) = specs(page, "shift-")
    assert roles(spec) == ["second", "", ""]
    assert [trace["text"] for trace in points(spec, "outlined")] == [["a"], ["b"]]
    assert "There is no baseline for this shift" in words(page)
    found(on_shift("a", "sketch", 0.6, 0.4, notes=("No baseline: nothing is published.",)))
    text = words(render(make_results(*jobs("a"), name="with a reason")))
    assert "No baseline: nothing is published." in text
    assert "There is no baseline" not in text


def test_a_point_stands_at_its_logits_with_errors_both_ways(make_results: Make, found: Found) -> None:
    found(on_shift("a", "sketch", 0.6, 0.4))
    (spec,) = specs(render(make_results(*jobs("a"))), "shift-")
    (point,) = points(spec, "outlined")
    assert point["x"] == pytest.approx([logit(0.6)])
    assert point["y"] == pytest.approx([logit(0.4)])
    low = 0.4 - 0.0215
    assert point["error_y"]["arrayminus"] == pytest.approx([logit(0.4) - logit(low)], abs=0.01)
    assert point["error_x"]["array"][0] > 0
    for line in ("imagenet: 60.0", "sketch: 40.0", "gap: 20.0", "n = 10,000 and 2,000"):
        assert line in point["customdata"][0]


def test_the_axes_count_in_percent_and_y_equals_x_crosses_the_figure(make_results: Make, found: Found) -> None:
    found(on_shift("a", "sketch", 0.8, 0.02))
    (spec,) = specs(render(make_results(*jobs("a"))), "shift-")
    (identity,) = (trace for trace in spec["data"] if trace["meta"].get("role") == "second")
    assert identity["x"] == identity["y"]
    assert identity["x"] == pytest.approx(spec["layout"]["xaxis"]["range"], abs=1e-4)
    low, high = spec["layout"]["yaxis"]["range"]
    assert low < logit(0.02) < logit(0.8) < high
    axis = spec["layout"]["yaxis"]
    assert [text.removesuffix("\u202f%") for text in axis["ticktext"]] == sorted(
        (text.removesuffix("\u202f%") for text in axis["ticktext"]), key=float
    )
    for at, text in zip(axis["tickvals"], axis["ticktext"], strict=True):
        assert at == pytest.approx(logit(float(text.removesuffix("\u202f%")) / 100))


def test_published_models_are_told_by_training_and_hollow_where_not_class_matched(
    make_results: Make, found: Found
) -> None:
    published = Published({("imagenet", "sketch"): FakePair("imagenet", "sketch", MODELS, "Chosen against them.")})
    found(on_shift("a", "sketch", 0.63, 0.42, baseline=PUBLISHED), published=published)
    page = render(make_results(*jobs("a")))
    (spec,) = specs(page, "shift-")
    by_training = {trace["meta"]["training"]: trace for trace in points(spec, "training")}
    assert {number: len(trace["x"]) for number, trace in by_training.items()} == {0: 3, 1: 1, 4: 1, 5: 1}
    assert by_training[4]["meta"]["hollow"] == [True]
    assert "(all classes)" in by_training[4]["customdata"][0]
    assert by_training[0]["meta"]["hollow"] == [False] * 3
    assert "in the baseline" in by_training[0]["customdata"][0]
    assert roles(spec)[:3] == ["band", "second", "baseline"]
    text = words(page)
    for said in ("standard (3)", "more data (1)", "zero-shot (1)", "other or undeclared (1)", "not class-matched"):
        assert said in text
    assert "Chosen against them." in text
    assert "fitted to 87 models of the ImageNet testbed" in text
    assert "Taori et al. 2020; licence: MIT" in text


def test_the_packaged_models_stand_behind_the_run_s(make_results: Make, found: Found) -> None:
    found(on_shift("m", "imagenet-r", 0.86, 0.69, baseline=PUBLISHED))
    page = render(make_results(*jobs("m")))
    (spec,) = specs(page, "shift-")
    hollow = [open_mark for trace in points(spec, "training") for open_mark in trace["meta"]["hollow"]]
    assert len(hollow) > 200
    assert True in hollow
    text = words(page)
    assert "standard (82)" in text
    assert "ImageNet testbed; Taori et al. 2020" in text
    assert "And: open_clip results;" in text


def test_the_run_s_own_line_has_no_published_models(make_results: Make, found: Found) -> None:
    def never(reference: str, shift: str) -> None:
        raise AssertionError

    found(on_shift("a", "sketch", 0.63, 0.42, baseline=OWN), published=never)  # type: ignore[arg-type]
    page = render(make_results(*jobs("a")))
    assert "fitted to 87 models of this run" in words(page)
    assert "training" not in specs(page, "shift-")[0]["data"][-1]["meta"]


def test_points_without_a_logit_stand_at_the_edge_and_are_named(make_results: Make, found: Found) -> None:
    none_right = FakeModel("resnet50", 0.6, 0.0)
    published = Published({("imagenet", "a"): FakePair("imagenet", "a", (*MODELS, none_right))})
    found(on_shift("m", "a", 1.0, 0.5, baseline=PUBLISHED), published=published)
    page = render(make_results(*jobs("m")))
    (spec,) = specs(page, "shift-")
    standard = next(trace for trace in spec["data"] if trace["meta"].get("training") == 0)
    assert standard["y"][-1] == pytest.approx(spec["layout"]["yaxis"]["range"][0], abs=1e-4)
    (model,) = points(spec, "outlined")
    assert model["x"] == pytest.approx([spec["layout"]["xaxis"]["range"][1]])
    assert "have no place on such an axis: m, resnet50." in words(page)


def test_weak_published_models_do_not_take_the_room(make_results: Make, found: Found) -> None:
    linear = FakeModel("linear", 0.01, 0.001, "", True, False)
    published = Published({("imagenet", "sketch"): FakePair("imagenet", "sketch", (*MODELS, linear))})
    found(on_shift("m", "sketch", 0.63, 0.4, baseline=PUBLISHED), published=published)
    page = render(make_results(*jobs("m")))
    (spec,) = specs(page, "shift-")
    assert spec["layout"]["xaxis"]["range"][0] > logit(0.4)
    assert "linear, published" not in page
    assert "1 published models with less on imagenet lie outside the figure" in words(page)


def test_lines_of_several_models_that_differ_are_said(make_results: Make, found: Found) -> None:
    found(
        on_shift("a", "sketch", 0.63, 0.42, baseline=OWN),
        on_shift("b", "sketch", 0.66, 0.42, baseline=OWN, intercept=-1.7),
    )
    text = words(render(make_results(*jobs("a", "b"))))
    assert "The line is that of a; those of other models differ." in text


def test_gaps_are_sorted_with_the_mean_and_the_worst_shift_marked(make_results: Make, found: Found) -> None:
    found(*three_shifts("a"), *three_shifts("b", worse=0.3))
    page = render(make_results(*jobs("a", "b")))
    first, second = specs(page, "gaps-")
    bars, mean = first["data"]
    assert bars["x"] == pytest.approx([0.21, 0.08, 0.02])
    assert first["layout"]["yaxis"]["ticktext"] == ["<b>sketch</b>", "films", "photos"]
    assert mean["x"] == pytest.approx([0.63 - (0.42 + 0.61 + 0.55) / 3] * 2)
    assert first["layout"]["xaxis"]["range"] == second["layout"]["xaxis"]["range"]
    assert "dashed: mean 10.3 points [9.3, 11.3]" in words(page)


def test_prompt_sets_and_subsets_are_figures_of_their_own(make_results: Make, found: Found) -> None:
    plain = on_shift("a", "sketch", 0.6, 0.4, prompts="photo")
    cut = replace(plain, pedigree=replace(plain.pedigree, subset="limit 100"))
    found(plain, on_shift("a", "sketch", 0.6, 0.45, prompts="name"), cut)
    page = render(make_results(*jobs("a")))
    assert len(specs(page, "shift-")) == 3
    text = words(page)
    for said in ("sketch photo ", "sketch name ", "sketch photo, limit 100"):
        assert said in text


def test_a_note_of_all_models_is_said_once_and_that_of_one_with_its_name(make_results: Make, found: Found) -> None:
    found(
        on_shift("a", "sketch", 0.6, 0.4, notes=("Labels differ.", "Below the line's range.")),
        on_shift("b", "sketch", 0.6, 0.4, notes=("Labels differ.",)),
    )
    text = words(render(make_results(*jobs("a", "b"))))
    assert text.count("Labels differ.") == 1
    assert "a : Below the line's range." in text
    assert "a, b : Labels differ." not in text


def test_what_cannot_be_compared_or_broke_is_said(make_results: Make, found: Found) -> None:
    silent = finding("robustness", "a", "sketch", "against imagenet", (), notes=("Not compared: prompts differ.",))
    broken = replace(finding("robustness", "", "", "", ()), status="failed", error="KeyError: 'x'")
    found(silent, broken)
    text = words(render(make_results(*jobs("a"))))
    assert "a on sketch ( against imagenet ): Not compared: prompts differ." in text
    assert "Not made: KeyError: 'x'" in text


def test_classes_that_only_one_set_has_are_listed(make_results: Make, found: Found) -> None:
    found(on_shift("a", "sketch", 0.6, 0.4, unmatched=45))
    text = words(render(make_results(*jobs("a"))))
    assert "class 0 imagenet class 1 imagenet" in text
    assert "and 5 more" in text


def test_with_many_models_there_are_no_names_in_the_figure(make_results: Make, found: Found) -> None:
    names = [f"m{at}" for at in range(9)]
    found(*(on_shift(name, "sketch", 0.5 + at / 30, 0.4) for at, name in enumerate(names)))
    (spec,) = specs(render(make_results(*jobs(*names))), "shift-")
    assert not [trace for trace in spec["data"] if "text" in trace]
    assert len(points(spec, "outlined")) == 9


def test_names_stand_clear_of_each_other(make_results: Make, found: Found) -> None:
    names = ("one", "two", "three", "four")
    found(*(on_shift(name, "sketch", 0.6 + at / 100, 0.4 + at / 200) for at, name in enumerate(names)))
    (spec,) = specs(render(make_results(*jobs(*names))), "shift-")
    assert len({trace["textposition"] for trace in points(spec, "outlined")}) > 1


def test_jobs_on_views_and_matched_classes_stay_out_of_the_board_but_not_out_of_the_page(make_results: Make) -> None:
    whole = classification("a", "imagenet", 0.6)
    matched = replace(whole, hash="m" * 32, matched="sketch")
    failed = replace(failure("a", "imagenet", "out of disk"), hash="f" * 32, view="fog/3")
    results = make_results(whole, matched, view_job("a", "imagenet", "fog/2", 0.3), failed)
    assert leaderboard(results).shape == (1, 1)
    text = Outline(render(results)).text
    assert "2 on changed images and 1 among the classes of another set" in text
    assert "a on imagenet, fog/3: out of disk" in text


def test_every_new_metric_has_a_name_a_unit_and_a_meaning() -> None:
    gaps = {"gap", "mean_gap", "corruption_gap"}
    rho = {"effective_robustness", "mean_effective_robustness", "relative_robustness", "against_expectation"}
    assert {labels.shown_unit(name, "fraction") for name in gaps} == {"gap"}
    assert {labels.shown_unit(name, "fraction") for name in rho} == {"difference"}
    assert labels.shown_unit("relative_gap", "fraction") == labels.shown_unit("mce", "fraction") == "fraction"
    lower = gaps | {"mce", "mce_14", "relative_mce", "relative_mce_14", "logit_gap"}
    assert all(labels.lower_is_better(name, "fraction") for name in lower)
    assert not any(labels.lower_is_better(name, "fraction") for name in rho)
    assert [labels.metric(name) for name in ("mce", "mce_14", "relative_mce_14")] == [
        "mCE",
        "mCE-14",
        "relative mCE-14",
    ]
    others = {"relative_gap", "logit_gap", "expected_top1", "worst_shift_top1", "clean_top1", "reference_gain"}
    for name in gaps | rho | lower | others:
        assert definitions.definitions({name}), name


@pytest.mark.parametrize(("value", "shown"), [(0.123, "12.3"), (-0.02, "−2.0"), (0.0001, "0.0"), (None, "–")])
def test_a_gap_has_a_sign_only_where_it_is_a_gain(value: float | None, shown: str) -> None:
    assert numbers.number(value, "gap") == shown


def test_a_pair_is_shown_with_the_share_closed_and_the_way_between(make_results: Make, found: Found) -> None:
    rows = [("sketch", 0.42, 0.31, 0.21, 0.44, 1 - 0.21 / 0.44), ("photos", 0.7, 0.36, -0.06, 0.4, 1.15)]
    found(pair("a", rows))
    page = render(make_results(*jobs("a")))
    (spec,) = specs(page, "pair-")
    assert [trace.get("name", "") for trace in spec["data"]] == ["", "zero-shot", "fitted head"]
    assert spec["data"][1]["x"] == [0.42, 0.7]
    (way,) = specs(page, "way-")
    assert len(way["data"][0]["x"]) == 11
    text = words(page)
    assert "52.3 %" in text
    assert "115.0 % beyond" in text
    assert "Fitting a linear head gains 15.0 points there" in text


def test_a_pair_without_interpolation_or_share_is_shown_too(make_results: Make, found: Found) -> None:
    found(pair("a", [("sketch", 0.42, 0.31, 0.0, -0.1, None)], way=False))
    page = render(make_results(*jobs("a")))
    assert specs(page, "way-") == []
    assert "–" in words(page)


def test_figures_beyond_the_limit_leave_their_numbers(
    make_results: Make, found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipbench.report.page.MAX_FIGURES", 2)
    found(*three_shifts("a"))
    page = render(make_results(*jobs("a")))
    assert len(specs(page, "shift-")) == 2
    text = words(page)
    assert "2 more figures are left out" in text
    assert text.count("imagenet →") == 3


def test_hostile_findings_stay_texts(make_results: Make, found: Found) -> None:
    texts = list(HOSTILE.values())
    odd = on_shift(texts[0], texts[1], 0.6, 0.4, reference=texts[2], baseline=texts[3], notes=tuple(texts))
    odd = replace(odd, tables={**odd.tables, "unmatched_classes": Table((texts[4], texts[5]), ((texts[6], texts[7]),))})
    more = on_shift(texts[0], texts[3], 0.6, 0.3, reference=texts[2])
    summary = replace(over_shifts([odd, more], reference=texts[2]), notes=tuple(texts))
    evil = FakePair(texts[2], texts[1], (FakeModel(texts[1], 0.5, 0.4, texts[0]),), *texts[:4])
    found(odd, more, summary, pair(texts[0], [(texts[1], 0.4, 0.3, 0.1, 0.2, 0.5)]), published=lambda *_: evil)
    page = render(make_results(*jobs(texts[0])))
    outline = Outline(section(page))
    assert not [tag for tag, _ in outline.elements if tag in {"img", "b"}]
    assert {attributes.get("class", "")[:5] for attributes in outline.all("svg")} == {"glyph"}
    for spec in specs(page, "(?:shift|gaps|pair)-"):
        assert "<script" not in json.dumps(spec)
        assert "onerror=alert(1)>" not in json.dumps(spec)
    assert all(" ".join(text.split()) in outline.text for text in texts)


def test_odd_tables_break_nothing(make_results: Make, found: Found) -> None:
    odd = on_shift("a", "sketch", 0.6, 0.4, baseline=PUBLISHED)
    tables = {
        "baseline": Table(("source", "slope"), ()),
        "baseline_band": Table(("reference_top1", "low"), ((0.5, None), ("x", 0.2))),
        "unmatched_classes": Table(("class",), ()),
    }
    none = [replace(record, value=None, low=None, high=None) for record in odd.records[:1]]
    found(
        replace(odd, tables=tables),
        replace(odd, model="b", records=(*none, Record("gap", 0.1, "fraction"))),
        published=Published(),
    )
    page = render(make_results(*jobs("a", "b")))
    (spec,) = specs(page, "shift-")
    assert len(points(spec, "outlined")) == 1
