"""Pictures with captions or classes in every layout that is read, and recipes that train on them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipbench.training.recipe import LoadedRecipe, load_recipe

from ..conftest import png, write_shard

RECIPE = """
name: small
datasets: {{photographs: {definition}}}
data: [{{dataset: {dataset}, split: {split}}}]
towers:
  config:
    embed_dim: 16
    vision_cfg: {{image_size: 16, patch_size: 8, width: 64, layers: 1}}
    text_cfg: {{context_length: 16, vocab_size: 49408, width: 64, heads: 1, layers: 1}}
schedule: {{batch: 12, steps: 2}}
seed: 3
"""
NUMBER = 48
"""Of pictures."""


def picture(number: int) -> bytes:
    """A picture unlike all others."""
    return png(PIL.Image.fromarray(np.random.default_rng(number).integers(0, 255, (9, 12, 3), dtype=np.uint8)))


def write_data(layout: str, folder: Path) -> str:
    """Write pictures with captions, or classes, and return the definition of their data set."""
    told = [f"picture {number}" for number in range(NUMBER)]
    if layout in ("tar", "tars"):
        for shard in range(6 if layout == "tars" else 1):
            mine = range(shard, NUMBER, 6) if layout == "tars" else range(NUMBER)
            write_shard(folder / f"{shard}", [{"png": picture(n), "txt": told[n].encode()} for n in mine])
            (folder / "test").mkdir(exist_ok=True)
            (folder / f"{shard}" / "0.tar").rename(folder / "test" / f"{shard}.tar")
        (folder / "dataset_type.txt").write_text("retrieval")
        return f"{{adapter: webdataset, path: {folder}}}"
    if layout == "hub":
        rows = {"image": [{"bytes": picture(n), "path": None} for n in range(NUMBER)], "text": told}
        pq.write_table(pa.table(rows), folder / "test-00000-of-00001.parquet", row_group_size=10)
        return f"{{adapter: hf, path: {folder}}}"
    for number in range(NUMBER):
        file = folder / ("class_a", "class_b")[number % 2] / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(picture(number))
    if layout == "folder":
        return f'{{adapter: folder, path: {folder}, prompts: "a photo of {{}}."}}'
    files = [f"{('class_a', 'class_b')[number % 2]}/{number}.png" for number in range(NUMBER)]
    if layout == "table":
        pq.write_table(pa.table({"file": files, "text": told}), folder / "table.parquet")
        return f"{{adapter: table, path: {folder / 'table.parquet'}}}"
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "text"), *zip(files, told, strict=True)])
    return f"{{adapter: table, path: {folder / 'table.csv'}}}"


@pytest.fixture(name="recipe")
def recipe_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., LoadedRecipe]:
    """Writes data in a layout, and reads the recipe that trains on them; blocks are of 8 rows."""
    monkeypatch.setattr("clipbench.training.data.sources.BLOCK", 8)

    def make(layout: str, *settings: str) -> LoadedRecipe:
        (tmp_path / "data").mkdir(exist_ok=True)
        definition = "{adapter: digits}" if layout == "digits" else write_data(layout, tmp_path / "data")
        names = (
            {"dataset": "digits", "split": "train"}
            if layout == "digits"
            else {"dataset": "photographs", "split": "test"}
        )
        (tmp_path / "small.yaml").write_text(RECIPE.format(definition=definition, **names))
        return load_recipe(tmp_path / "small.yaml", settings)

    return make
