"""Images that come in clusters, and images that are there twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import PIL.Image
import pytest

from clipbench.results.records import Duplicates, JobResult

from ..conftest import png

SUITE = """
name: tracks
datasets:
  shots: {{adapter: table, path: {table}, image: file, label: colour, split: part, {declared}}}
tasks:
  - {{task: {task}, datasets: [shots]}}
"""
COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220)}


@pytest.fixture
def job(make_runner, tmp_path: Path) -> Callable[..., JobResult]:
    """job(declared, task=..., frames=..., again=..., trained=...): 25 tracks of some frames, half of them red."""

    def run(declared: str = "", task: str = "zero_shot, prompts: ['a {} thing.']", **written: int) -> JobResult:
        table = _write(tmp_path, **written)
        suite = SUITE.format(table=table, declared=declared, task=task)
        (found,) = make_runner(suite).run().jobs()
        return found

    return run


def _write(folder: Path, tracks: int = 25, frames: int = 2, again: int = 0, trained: int = 0) -> Path:
    """Write images, no two alike but `again` of the test split, and `trained` of those that are trained on."""
    rows = []
    for part, offset in (("test", 0), ("train", 100 - trained)):
        for number in range(tracks * frames):
            colour = list(COLOURS)[number // frames % 2]
            shown = 0 if part == "test" and number < 2 * again * frames and number % (2 * frames) == 0 else number
            red, green, blue = COLOURS[colour]
            image = PIL.Image.new("RGB", (8, 8), (red, green + (shown + offset) % 200, blue))
            name = f"{part}{number}.png"
            (folder / name).write_bytes(png(image))
            rows.append((name, colour, part, f"track {number // frames}"))
    pd.DataFrame(rows, columns=["file", "colour", "part", "track"]).to_csv(folder / "shots.csv", index=False)
    return folder / "shots.csv"


def intervals(job: JobResult) -> Mapping[str, str]:
    return {record.metric: record.interval for record in job.records}


def test_a_declared_cluster_makes_intervals_and_is_told_but_changes_no_value(job, tmp_path: Path):
    apart, together = job(), job("cluster: track")
    assert intervals(apart) == {"top1": "wilson", "mean_per_class_recall": "effective wilson"}
    assert set(intervals(together).values()) == {"cluster wilson"}
    assert [record.value for record in apart.records] == [record.value for record in together.records]
    assert together.pedigree.differences(apart.pedigree) == ("clusters",)
    table = pd.read_parquet(tmp_path / "results" / "examples" / f"{together.hash}.parquet")
    assert table["cluster"].nunique() == 25
    assert "group.track" not in table
    assert together.about["cluster"] == "track"


def test_of_few_clusters_there_is_no_interval_and_why(job):
    found = job("cluster: track", tracks=12)
    assert set(intervals(found).values()) == {""}
    assert "Images come in 12 clusters (track): there are no intervals under 20." in found.notes


def test_a_cluster_that_is_not_there_is_an_error_that_names_the_columns(job):
    found = job("cluster: patient")
    assert found.status == "failed"
    assert "there is no column 'patient'" in found.error


def test_where_nothing_is_fitted_no_image_was_seen_before(job):
    assert job().duplicates == Duplicates(0, None)


def test_images_that_are_there_twice_are_counted_and_told(job):
    once = job(task="knn, k: 1")
    assert once.duplicates == Duplicates(0, 0)
    found = job(task="knn, k: 1", again=3, trained=100)
    assert found.duplicates is not None
    assert found.duplicates.within == 2
    assert found.duplicates.with_train is not None
    assert found.duplicates.with_train > 0
    assert any("2 repeat another one, byte by byte" in note for note in found.notes)
