"""The catalog, and definitions in a suite."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from clipbench import plugins
from clipbench.datasets.base import Dataset, DatasetDefinition, DatasetInfo, IndexedDataset
from clipbench.datasets.catalog import (
    ADAPTERS,
    adapter_class,
    adapter_names,
    argument_schema,
    catalog_definitions,
    define,
    open_dataset,
)
from clipbench.datasets.io.repository import HubDataset
from clipbench.errors import UserError

from ..conftest import printed_by

CATALOG = catalog_definitions()
HUB = sorted(name for name, entry in CATALOG.items() if entry.adapter == "webdataset")
OFFLINE = sorted(set(CATALOG) - set(HUB))


class Photos(IndexedDataset):
    """A user's adapter."""

    def __init__(self, *, year: int, folder: Path | None = None, tags: tuple[str, ...] = (), base=None, data_root=None):
        self.given = (year, folder, tags, base, data_root)

    def __len__(self):
        return 0

    def __getitem__(self, index):
        raise IndexError(index)


class TakesAnything(Photos):
    def __init__(self, **anything):
        pass


class Clashing(Photos):
    def __init__(self, *, licence: str):
        pass


class Half(Dataset):
    pass


PHOTOS = f"{__name__}:Photos"


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_every_entry_is_a_valid_definition_with_a_source(name):
    entry = CATALOG[name]
    again = define(name, {"adapter": entry.adapter, **entry.arguments}, base=None)
    assert again.arguments == entry.arguments
    assert entry.info.name == name
    # What shows none of the classes that it is labelled with has no accuracy to set beside others.
    assert entry.info.regime in (("",) if name == "imagenet-o" else ("benchmark", "shift", "field"))
    assert entry.info.description
    assert entry.info.source
    assert entry.counts["test"] > 0
    assert entry.info.main_metric in ("", "mean_per_class_recall", "map_voc2007_11point")


@pytest.mark.parametrize("name", HUB)
def test_hub_entries_name_their_set_and_where_it_is_described(name):
    entry = CATALOG[name]
    assert entry.arguments["hub"].startswith("clip-benchmark/wds_")
    assert "http" in entry.info.source


def test_no_two_entries_are_the_same_data():
    places = [str(sorted(entry.arguments.items())) + entry.adapter for entry in CATALOG.values()]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("name", OFFLINE)
def test_offline_entries_open_and_hold_what_the_catalog_says(name):
    dataset = open_dataset(CATALOG[name])
    assert dataset.info == CATALOG[name].info
    assert {split: dataset.split(split).count for split in CATALOG[name].counts} == dict(CATALOG[name].counts)
    assert bool(dataset.classes) == (name != "scenes-captions")
    example = next(iter(dataset.split("test").shards()[0]))
    assert dataset.split("test").image(example.id).mode == "RGB"
    assert (example.label is None) == (name == "scenes-captions") == bool(example.captions)


def test_a_catalog_entry_opens_from_a_mirror_by_its_catalog_name(layout, tmp_path, no_hub):
    (tmp_path / "mirror").mkdir()
    layout.rename(tmp_path / "mirror/pets")
    dataset = open_dataset(CATALOG["pets"], data_root=tmp_path / "mirror")
    assert dataset.classes == ("cat", "dog")
    assert dataset.info.main_metric == "mean_per_class_recall"


def test_the_catalog_imports_nothing_heavy(tmp_path):
    program = (
        "import sys; from clipbench.datasets.catalog import catalog_definitions, argument_schema;"
        "catalog_definitions(); [argument_schema(n) for n in ('webdataset', 'hf', 'folder', 'table')];"
        "heavy = {'torch', 'open_clip', 'datasets', 'pandas', 'pyarrow', 'sklearn', 'huggingface_hub', 'PIL', 'numpy'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert printed_by(program, tmp_path) == "[]"


def test_definitions_join_paths_to_the_suites_folder(tmp_path):
    definition = define("leaves", {"adapter": "folder", "path": "data/leaves"}, base=tmp_path, where="s.yaml:3")
    arguments = {"path": tmp_path / "data/leaves"}
    assert definition == DatasetDefinition("leaves", "folder", arguments, definition.info, tmp_path, "s.yaml:3")
    absolute = define("leaves", {"adapter": "folder", "path": "/data/leaves"}, base=tmp_path)
    assert absolute.arguments == {"path": Path("/data/leaves")}
    assert define("birds", {"adapter": "hf", "path": "org/birds"}, base=tmp_path).arguments == {"path": "org/birds"}


def test_declarations_are_kept_apart_from_arguments(tmp_path):
    declared = {"regime": "field", "prompts": "photo", "description": "Leaves.", "licence": "own", "source": "us"}
    declared |= {"main_metric": "mean_per_class_recall", "show_images": False}
    definition = define("leaves", {"adapter": "folder", "path": "x", **declared}, base=tmp_path)
    assert definition.info == DatasetInfo("leaves", **declared)
    assert definition.arguments == {"path": tmp_path / "x"}


@pytest.mark.parametrize(
    ("mapping", "key", "says"),
    [
        ({"adapter": "foldr", "path": "x"}, ".adapter", "unknown adapter 'foldr'; did you mean 'folder'? (or"),
        ({"path": "x"}, ".adapter", "give one of: digits, folder, hf, scenes, table, webdataset"),
        ({"adapter": 3}, ".adapter", "expected text, got 3; one of: digits"),
        ({"adapter": "folder", "path": "x", "pth": 1}, ".pth", "unknown key; did you mean 'path'?"),
        ({"adapter": "folder", "path": "x", "data_root": "y"}, ".data_root", "unknown key; "),
        ({"adapter": "hf", "path": "x", "base": "y"}, ".base", "unknown key; "),
        ({"adapter": "folder"}, "", "the key 'path' is missing"),
        ({"adapter": "folder", "path": 3}, ".path", "expected a path, got 3"),
        ({"adapter": "hf", "path": "x", "splits": ["test"]}, ".splits", "expected a mapping of keys to values"),
        ({"adapter": "hf", "path": "x", "groups": "age"}, ".groups", "expected a list, got 'age'; write [age]"),
        ({"adapter": "folder", "path": "x", "classes": 3}, ".classes", "a list or a mapping of keys to values or text"),
        ({"adapter": "folder", "path": "x", "classes": ["a", 3]}, ".classes[1]", "expected text, got 3"),
        ({"adapter": "scenes", "n": "many"}, ".n", "expected a whole number, got 'many'"),
        ({"adapter": "scenes", "n": 1.5}, ".n", "expected a whole number, got 1.5"),
        ({"adapter": "folder", "path": "x", "regime": "benchmrk"}, ".regime", "did you mean 'benchmark'?"),
        ({"adapter": "folder", "path": "x", "show_images": "never"}, ".show_images", "expected true or false"),
        ({"adapter": "nowhere.at.all:Thing"}, ".adapter", "cannot import 'nowhere.at.all'"),
        ({"adapter": "pathlib:Path"}, ".adapter", "not a class derived from clipbench.Dataset"),
    ],
)
def test_what_is_wrong_in_a_definition_is_said_with_its_key(tmp_path, mapping, key, says):
    with pytest.raises(UserError) as caught:
        define("d", mapping, base=tmp_path, where="s.yaml:2: d")
    assert caught.value.where == f"s.yaml:2: d{key}"
    assert says in str(caught.value)


def test_a_users_adapter_gets_its_keys_and_what_is_injected(tmp_path):
    mapping = {"adapter": PHOTOS, "year": 2026, "folder": "in", "tags": ["a", "b"]}
    definition = define("shop", mapping, base=tmp_path)
    dataset = open_dataset(definition, data_root=tmp_path / "mirror")
    assert dataset.given == (2026, tmp_path / "in", ("a", "b"), tmp_path, tmp_path / "mirror")
    assert dataset.info.name == "shop"


@pytest.mark.parametrize(
    ("adapter", "says"),
    [
        ("TakesAnything", r"TakesAnything takes \*\*anything"),
        ("Clashing", "Clashing has an argument 'licence'"),
        ("Half", "lacks splits"),
        ("Nothing", "has no 'Nothing'"),
    ],
)
def test_a_users_adapter_that_cannot_work_is_explained(tmp_path, adapter, says):
    with pytest.raises(UserError, match=says):
        define("d", {"adapter": f"{__name__}:{adapter}"}, base=tmp_path)


def test_installed_packages_add_adapters_and_cannot_replace_ours(monkeypatch):
    points = [EntryPoint(name, PHOTOS, "clipbench.datasets") for name in ("photos", "folder")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points if group == "clipbench.datasets" else [])
    assert adapter_names() == tuple(sorted([*ADAPTERS, "photos"]))
    assert adapter_class("photos").__name__ == "Photos"
    assert adapter_class("folder").__name__ == "ImageFolder"
    assert define("d", {"adapter": "photos", "year": 1}, base=None).arguments == {"year": 1}


@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
def test_the_schema_lists_the_keys_that_are_accepted(adapter):
    schema = argument_schema(adapter)
    assert schema["properties"]["adapter"]["const"] == adapter
    assert schema["additionalProperties"] is False
    assert {"regime", "prompts", "show_images"} <= set(schema["properties"])
    assert not {"data_root", "base", "catalog_name"} & set(schema["properties"])
    assert "adapter" in schema["required"]
    assert ("path" in schema["required"]) == (adapter in ("folder", "hf", "table"))


def test_the_first_mirror_that_is_there_is_taken(tmp_path):
    assert HubDataset("org/birds").find_mirror() is None
    dataset = HubDataset("org/birds", tmp_path, "my-birds")
    assert dataset.find_mirror() is None
    for place in ("my-birds", "birds", "org/birds"):
        (tmp_path / place).mkdir(parents=True)
        assert dataset.find_mirror() == tmp_path / place
