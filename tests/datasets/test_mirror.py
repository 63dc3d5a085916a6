"""Sets of the hub, in either layout: a mirror comes first, and what is said of a set that cannot be had."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipbench.datasets.adapters.hub import HuggingFace
from clipbench.datasets.adapters.webdataset import WebDataset
from clipbench.errors import Unavailable, UserError

from .conftest import examples

Open = Callable[..., Any]


@pytest.fixture(params=["webdataset", "hf"])
def open_set(request) -> Open:
    """Opens a set of the hub by its name."""
    if request.param == "hf":
        return lambda name, **arguments: HuggingFace(path=name, **arguments)
    return lambda name, **arguments: WebDataset(hub=name, **arguments)


@pytest.mark.parametrize("place", ["org/wds_pets", "wds_pets", "pets"])
def test_a_hub_name_resolves_to_a_local_mirror_first(open_set: Open, layout, png, tmp_path, no_hub, place):
    (layout / "data").mkdir()
    pq.write_table(pa.table({"image": [png()] * 4, "label": ["a"] * 4}), layout / "data/test-00000-of-00001.parquet")
    shutil.copytree(layout, tmp_path / "mirror" / place)
    dataset = open_set("org/wds_pets", data_root=tmp_path / "mirror", catalog_name="pets")
    assert len(examples(dataset)) == 4
    with pytest.raises(UserError, match="nowhere: --data-root is not a folder"):
        open_set("org/wds_pets", data_root=tmp_path / "nowhere")


def test_without_network_the_message_says_what_where_and_how(open_set: Open, tmp_path, no_hub):
    started = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        open_set("org/wds_mnist", data_root=tmp_path, catalog_name="mnist")
    assert time.monotonic() - started < 5
    folders = [tmp_path / place for place in ("org/wds_mnist", "wds_mnist", "mnist")]
    command = "hf download org/wds_mnist --repo-type dataset --local-dir DIR/wds_mnist"
    for part in ("data set org/wds_mnist: every file is missing", *folders, no_hub, command, "--data-root DIR"):
        assert str(part) in str(caught.value)


def test_a_gated_or_unknown_set_says_how_to_get_access(open_set: Open, datasets_hub, layout):
    with pytest.raises(Unavailable, match="data set org/pest: is not on the hub, or is private; check the name at"):
        open_set("org/pest")
    datasets_hub.gated = True
    page = r"https://huggingface\.co/datasets/org/pets"
    with pytest.raises(Unavailable, match=rf"data set org/pets: is gated: .*{page}, then run `hf auth login`"):
        open_set("org/pets")


def test_a_set_that_becomes_gated_says_so_when_it_is_read(hub_layout):
    shards = WebDataset(hub="org/wds_pets").split("test").shards()
    hub_layout.gated = True
    with pytest.raises(Unavailable, match="data set org/wds_pets: is gated"):
        list(shards[0])
    with pytest.raises(UserError, match="is not a name that a hub data set can have"):
        WebDataset(hub="org/a/b")
