"""All pairs of models, what is stored of them, and the page without scripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipbench.analyses.rankings.all_pairs import compare_all
from clipbench.report.site.data.assemble import Measurements
from clipbench.report.site.data.files import script
from clipbench.report.site.data.pairs import comparisons, document
from clipbench.report.site.site import write_site
from clipbench.results.folder import Results

from ..findings import words
from ..made_up import HOSTILE, classification
from .compared import FAIR, GOOD, POOR, RIGHT, TEMPLATES, N, answers, make_compared, zero_shot

Make = Callable[..., Results]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return make_compared(tmp_path_factory.mktemp("compared"))


@pytest.fixture(scope="module")
def site(compared: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(compared, tmp_path_factory.mktemp("site")).parent


def stored(site: Path, name: str) -> Any:
    """What a script of a site's data sets."""
    source = (site / "data" / f"{name}.js").read_text("utf-8")
    return json.loads(source.partition("=")[2].rstrip(";\n"))


def test_differences_are_those_of_compare_all_whichever_model_comes_first(compared: Results) -> None:
    here = Measurements.of(compared)
    places = {model: place for place, model in enumerate(here.leaderboard.models)}
    found = {(each.column.dataset, each.column.task, len(each.datasets)): each for each in comparisons(here)}
    rows = compare_all(compared)
    assert sum(each.family for each in found.values()) == len(rows)
    for row in rows.to_dict("records"):
        comparison = found[row["datasets"][0], row["task"], len(row["datasets"])]
        one, other = places[row["first"]], places[row["second"]]
        ahead, behind = comparison.between(one, other), comparison.between(other, one)
        assert ahead is not None
        assert behind is not None
        expected = (row["first_value"], row["second_value"], row["difference"], row["low"], row["high"])
        assert (ahead.first, ahead.second, ahead.value, ahead.low, ahead.high) == pytest.approx(expected, abs=1e-5)
        assert (behind.low, behind.high) == pytest.approx((-row["high"], -row["low"]), abs=1e-5)
        assert (ahead.outcome, behind.outcome) == {
            "higher": ("higher", "lower"),
            "not_distinguishable": ("chance",) * 2 if row["dataset"] == "shifted" else ("not_distinguishable",) * 2,
        }[row["verdict"]]
    assert found["toys", "zero_shot", 1].between(places[GOOD], places[GOOD]) is None
    assert found["shifted", "zero_shot", 1].between(places[GOOD], places[POOR]) is None


def test_models_on_other_images_of_a_column_are_compared_apart(make_results: Make) -> None:
    results = make_results()
    for place, model in enumerate("abcde"):
        pedigree = replace(classification(model, "toys", 0.5).pedigree, data="these" if model in "abc" else "others")
        zero_shot(results, model, "toys", np.arange(N) < 120 + 9 * place, pedigree=pedigree)
    found = comparisons(Measurements.of(results))
    assert [(len(each.models), each.slug) for each in found] == [
        (3, "toys-zero-shot-test-photo"),
        (2, "toys-zero-shot-test-photo-2"),
    ]


def test_pictures_say_who_is_right_about_the_images_that_have_one(site: Path) -> None:
    (toys,) = stored(site, "pictures")
    names = [model["name"] for model in stored(site, "pairs")["models"]]
    shown = [names[place] for place in toys["models"]]
    assert (toys["dataset"], toys["n"]) == ("toys", N)
    assert dict(zip(shown, toys["right"], strict=True)) == RIGHT
    pairs = [(shown[one], shown[other]) for one, other in zip(*np.triu_indices(3, 1), strict=True)]
    assert toys["both"] == [int((answers(one) & answers(other)).sum()) for one, other in pairs]
    # The first two images that each model gets wrong have a picture: 150, 151; 0, 1; 60, 61.
    right = {model: answers(model)[[0, 1, 60, 61, 150, 151]].tolist() for model in shown}
    assert sorted(zip(*toys["correct"], strict=True)) == sorted(
        tuple(str(int(right[model][image])) for model in shown) for image in range(6)
    )
    assert all((site / path).is_file() for path, _ in toys["images"])


def test_wordings_agree_with_the_analysis(site: Path) -> None:
    (toys,) = stored(site, "wordings")
    names = [model["name"] for model in stored(site, "pairs")["models"]]
    assert {names[place]: tuple(right) for place, right in zip(toys["models"], toys["right"], strict=True)} == TEMPLATES
    sure = dict(zip([(0, 1), (0, 2), (1, 2)], toys["sure"], strict=True))
    order = [names[place] for place in toys["models"]]
    # 30 and 40 images that only one is right about are beyond chance, 2 are not.
    assert sure[order.index(GOOD), order.index(FAIR)] == [1, 1]


def test_without_scripts_the_page_has_two_models_and_a_matrix(site: Path) -> None:
    page = (site / "compare.html").read_text("utf-8")
    said = words(page)
    assert "Of the measurements that both have ( 2 ), A is ahead beyond chance on 0 , B on 0 and neither on 2" in said
    assert "2 benchmark sets" in said
    assert "mean over 2 benchmark sets, zero-shot classification, prompts photo, top-1; n = 400" in said
    assert "+45.0" in said
    assert HOSTILE["script"] not in page
    assert HOSTILE["closing"] not in page


def test_there_is_no_page_without_two_models_on_the_same_images(make_results: Make, tmp_path: Path) -> None:
    results = make_results()
    zero_shot(results, GOOD, "toys", answers(GOOD))
    results.write_job(classification("without answers", "toys", 0.5))
    write_site(results, tmp_path / "site")
    assert not (tmp_path / "site" / "compare.html").exists()
    assert not (tmp_path / "site" / "data" / "pairs.js").exists()


def test_forty_models_on_twelve_sets_take_less_than_300_kilobytes(compared: Results) -> None:
    here, drawn, pairs = Measurements.of(compared), np.random.default_rng(0), 40 * 39 // 2
    (known, *_) = comparisons(here)
    ends = [(min(pair), max(pair)) for pair in drawn.normal(0, 0.1, (pairs, 2)).round(5).tolist()]
    values = tuple(drawn.random(40).round(5).tolist())
    column = replace(known.column, cells=tuple(known.column.cells[0]._replace(model=place) for place in range(40)))
    many = replace(known, column=column, models=tuple(range(40)), values=values, ends=tuple(ends), letters="h" * pairs)
    assert len(script("clipbenchPairs", document(here, [many] * 14))) < 300_000
