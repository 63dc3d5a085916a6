"""The packaged tables are the published ones, with their sources."""

import csv
from importlib.resources import files

import pytest

from clipbench.datasets.catalog import catalog_definitions
from clipbench.reference.published import openclip_columns, openclip_models
from clipbench.reference.sources import number, rows, sources


@pytest.mark.parametrize("key", ["imagenet-testbed", "open-clip", "clip-paper"])
def test_each_table_says_where_it_comes_from_and_has_the_columns_it_declares(key):
    source = sources()[key]
    assert source.url.startswith("https://")
    assert source.paper.startswith("https://arxiv.org/")
    assert source.licence
    assert source.left_out
    assert source.changed
    assert set(source.columns) <= set(rows(key)[0])
    assert "et al. 20" in source.citation


def test_every_accuracy_is_a_fraction_and_every_table_is_small():
    for key, source in sources().items():
        values = [number(source, row, column) for row in rows(key) for column in source.columns]
        assert all(value is None or 0 <= value <= 1 for value in values)
        assert len(files("clipbench.reference").joinpath(source.file).read_bytes()) < 200_000


def published(folder, name):
    with (folder / "published" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.shared_data
def test_the_testbed_is_the_published_one_to_the_last_image(shared_data):
    source = sources()["imagenet-testbed"]
    there = {row["model"]: row for row in published(shared_data, "imagenet_testbed_top1.csv")}
    trained = {row["model"]: row["type"] for row in published(shared_data, "imagenet_testbed_model_types.csv")}
    here = {row["model"]: row for row in rows("imagenet-testbed")}
    missing = set(there) - set(here)
    assert len(there) == 338
    assert len(missing) == 3
    assert not any(there[model][column.there] for model in missing for column in source.columns.values())
    for model, row in here.items():
        assert row["training"] == trained.get(model, "")
        for name, column in source.columns.items():
            if not there[model][column.there]:
                assert row[name] == ""
                continue
            right, again = (
                float(there[model][column.there]) / 100 * column.images,
                float(row[name]) / 100 * column.images,
            )
            assert round(right) == round(again)
            assert abs(right - round(right)) < 0.01


@pytest.mark.shared_data
def test_open_clips_table_is_the_published_one_without_repeated_rows(shared_data):
    there = {f"{row['name']}/{row['pretrained']}": row for row in published(shared_data, "openclip_results.csv")}
    names = set()
    for model, row in zip(openclip_models(), rows("open-clip"), strict=True):
        same = {model.name, *row["same_figures"].split()}
        names |= same
        for name in same:
            figures = {column: float(there[name][entry.there]) for column, entry in openclip_columns().items()}
            assert model.accuracies == figures
        assert float(row["parameters_m"]) == pytest.approx(float(there[model.name]["params (M)"]))
        assert float(row["gflops"]) == float(there[model.name]["FLOPs (B)"])
    assert names == set(there)
    assert (len(there), len(openclip_models())) == (121, 117)
    assert len(openclip_columns()) == 38


def test_open_clips_columns_are_the_catalogs_sets_with_their_images_and_main_metric():
    catalog = catalog_definitions()
    known = [name for name in openclip_columns() if name in catalog]
    assert len(known) == 32
    for name in known:
        column, definition = openclip_columns()[name], catalog[name]
        if column.metric != "mean_recall_at_1":
            assert column.images == definition.counts["test"]
            assert column.metric == (definition.info.main_metric or "top1")


def test_the_papers_pair_is_of_equal_imagenet_accuracy():
    supervised, zero_shot = rows("clip-paper")
    assert supervised["imagenet"] == zero_shot["imagenet"] == "76.2"
