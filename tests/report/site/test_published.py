"""open_clip's table in a board: its own figures, means and ranks, beside what was measured."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from clipbench.errors import UserError
from clipbench.report.site.data.assemble import make_board
from clipbench.results.folder import Results

from ..made_up import classification, proportion

SETS = 38


@pytest.fixture
def nothing(tmp_path: Path) -> Results:
    return Results(tmp_path / "nothing")


def test_the_table_is_117_models_by_38_sets_without_ranks_among_the_measured(nothing: Results) -> None:
    board = make_board(nothing, ["open-clip"])
    assert (len(board.models), len(board.columns)) == (117, SETS)
    assert sum(len(model.also or ()) for model in board.models) == 4
    assert {model.origin for model in board.models} == {"published"}
    assert all(not cell.marks and cell.job is None for column in board.columns for cell in column.cells)
    assert all(preset.rankings == () and preset.compared == 0 for preset in board.presets)
    metrics = {column.dataset: column.metric for column in board.columns}
    assert (metrics["imagenet"], metrics["pets"], metrics["coco"]) == (
        "top1",
        "mean_per_class_recall",
        "mean_recall_at_1",
    )
    assert {preset.slug: (len(preset.columns), preset.wanted) for preset in board.presets} == {
        "clip-paper": (22, 27),
        "vtab-plus": (28, 35),
        "datacomp": (SETS, SETS),
        "natural-shifts": (5, 5),
    }


def test_only_shares_of_independent_images_have_an_interval(nothing: Results) -> None:
    columns = {column.dataset: column for column in make_board(nothing, ["open-clip"]).columns}
    _, value, low, high, *_ = columns["imagenet"].cells[0]
    assert (value, low, high) == (0.8437, pytest.approx(0.8405, abs=2e-4), pytest.approx(0.8469, abs=2e-4))
    for without in ("pets", "coco", "fmow", "camelyon17"):
        assert {(cell.low, cell.high) for cell in columns[without].cells} == {(None, None)}


@pytest.mark.shared_data
def test_sums_and_ranks_are_those_of_the_source(nothing: Results, shared_data: Path) -> None:
    with (shared_data / "published" / "openclip_results.csv").open(newline="") as file:
        there = {f"{row['name']}/{row['pretrained']}": row for row in csv.DictReader(file)}
    board = make_board(nothing, ["open-clip"])
    known = {name: model for model in board.models for name in (model.name, *(model.also or ()))}
    assert known.keys() == there.keys()
    average = {name: float(row["Average perf. on 38 datasets"]) for name, row in there.items()}
    for name, model in known.items():
        assert model.published is not None
        assert (model.published.value, model.published.sets) == (pytest.approx(average[name], abs=6e-5), SETS)
    for one, other in combinations(known, 2):
        # The source rounds its averages.
        if average[one] - average[other] > 1e-4:
            assert known[one].published.rank < known[other].published.rank
    assert sorted(model.published.rank for model in board.models)[0] == 1
    (preset,) = (preset for preset in board.presets if preset.slug == "datacomp")
    assert dict(preset.published.means) == pytest.approx(
        {place: model.published.value for place, model in enumerate(board.models)}
    )
    columns = {column.dataset: column for column in board.columns}
    for dataset, heading in (("imagenet", "ImageNet 1k"), ("fmow", "FMoW"), ("flickr30k", "Flickr")):
        total = sum(float(there[model.name][heading]) for model in board.models)
        assert sum(cell.value for cell in columns[dataset].cells) == pytest.approx(total)


def test_published_figures_stand_in_the_measured_column_of_the_same_images_and_metric(
    make_results: Callable[..., Results],
) -> None:
    whole = classification("mine", "cifar10", 0.9, n=10_000, variant="own")
    limited = classification("mine", "mnist", 0.9, n=1000, variant="own")
    limited = replace(limited, pedigree=replace(limited.pedigree, subset="limit 1000"))
    board = make_board(make_results(whole, limited), ["open-clip"])
    of = {name: [column for column in board.columns if column.dataset == name] for name in ("cifar10", "mnist")}
    assert [len(column.cells) for column in of["cifar10"]] == [118]
    assert [len(column.cells) for column in of["mnist"]] == [1, 117]
    (preset,) = (preset for preset in board.presets if preset.slug == "datacomp")
    (ranking,) = preset.rankings
    assert [row.model for row in ranking.rows] == [0]
    assert board.models[0].origin == "measured"
    assert 0 not in dict(preset.published.means)


def test_a_model_measured_here_keeps_its_address(make_results: Callable[..., Results]) -> None:
    board = make_board(make_results(classification("ViT-B-32/openai", "digits", 0.5)), ["open-clip"])
    assert len({model.slug for model in board.models}) == 118
    addresses = {model.origin: model.slug for model in board.models if model.name == "ViT-B-32/openai"}
    assert addresses == {"measured": "vit-b-32-openai", "published": "vit-b-32-openai-published"}


def test_an_unknown_table_is_refused(nothing: Results) -> None:
    with pytest.raises(UserError, match=r"no published table 'open-clp' for a board.*open-clip"):
        make_board(nothing, ["open-clp"])


def test_a_column_in_another_metric_is_not_joined(make_results: Callable[..., Results]) -> None:
    job = classification("mine", "pets", 0.9, n=3669, variant="own")
    board = make_board(make_results(replace(job, records=(proportion("top1", 0.9, 3669, main=True),))), ["open-clip"])
    assert sorted(len(column.cells) for column in board.columns if column.dataset == "pets") == [1, 117]
