"""What is told of the images that a job rests on."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from clipbench.embed.examples import DataIndex
from clipbench.results.records import Duplicates, JobResult, Pedigree
from clipbench.runs.set_notes import set_notes
from clipbench.tasks.base import ImageSet

JOB = JobResult("hash", "model", "pictures", "test", "retrieval", "", "done", Pedigree())


def test_a_limited_gallery_and_duplicates_are_told():
    images = ImageSet(ids=["a", "b", "c"], features={}, captions=[("one",), ("two",), ("three",)])
    assert list(set_notes(JOB, images)) == []
    (limited,) = set_notes(replace(JOB, limit=3), images)
    assert limited.startswith("Searched are only these 3 images and their captions")
    assert list(set_notes(replace(JOB, limit=3), replace(images, captions=None))) == []
    within, seen = set_notes(replace(JOB, duplicates=Duplicates(1, 2)), images)
    assert "1 repeat another one" in within
    assert "2 are also among those that were fitted on" in seen


def test_a_table_of_an_earlier_version_is_read_without_what_it_lacks(tmp_path: Path):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"id": ["a"], "label": [0]}), path)
    assert DataIndex("", "", (), path).read(["id", "content"]).column_names == ["id"]
