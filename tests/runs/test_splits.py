"""Which splits a job rests on where its sets have different ones, and which of them a view changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from clipbench.datasets.corruptions.corruption import Corruption
from clipbench.results.folder import Results
from clipbench.results.records import JobResult
from clipbench.runs.execute import Executor
from clipbench.runs.jobs import OpenedDatasets, prepare

SUITE = """
datasets:
  near: {{adapter: folder, path: near}}
  far: {{adapter: folder, path: far}}
tasks:
  - {{task: robustness, reference: near, shifts: far, prompts: "a {{}} thing.", fitted_head: true{more}}}
"""


def write_splits(root: Path, name: str, splits: dict[str, int]) -> None:
    for split, count in splits.items():
        for colour, pixel in (("red", (220, 30, 30)), ("blue", (40, 80, 220))):
            folder = root / name / split / colour
            folder.mkdir(parents=True)
            for row in range(count):
                pixels = np.full((24, 24, 3), pixel, np.uint8)
                pixels[: row + 1] //= 2
                PIL.Image.fromarray(pixels).save(folder / f"{split}-{row}.png")


@pytest.mark.parametrize(
    ("near", "far", "more"),
    [
        ({"train": 9, "test": 4}, {"test": 3}, ""),
        ({"train": 9, "test": 4}, {"train": 5, "val": 5, "test": 3}, ""),
        ({"train": 9, "test": 4}, {"train": 5, "val": 3}, ", shift_split: val"),
        ({"train": 9, "val": 4}, {"test": 3}, ", split: val, shift_split: test"),
    ],
    ids=["shift has test alone", "shift has a val of its own", "shift is tested on val", "both are called otherwise"],
)
def test_a_head_is_fitted_on_the_reference_and_tested_on_the_shift_whatever_splits_both_have(
    make_runner, tmp_path: Path, near, far, more
):
    write_splits(tmp_path, "near", near)
    write_splits(tmp_path, "far", far)
    results = make_runner(SUITE.format(more=more)).run()
    assert [(job.dataset, job.error) for job in results.jobs() if job.status == "failed"] == []
    fitted = {job.dataset: job for job in results.jobs() if job.task == "wise_ft"}
    assert fitted["far"].main.n == 6
    assert fitted["far"].trained_on == "near"
    assert fitted["far"].pedigree.training == fitted["near"].pedigree.training
    (gap,) = (result for result in results.analysis_results() if result.analysis == "robustness_pair")
    assert (gap.status, gap.about.datasets) == ("done", ("far",))


def test_a_view_changes_what_is_tested_and_never_what_is_fitted_on(make_runner, tmp_path: Path):
    runner = make_runner(
        "datasets: {few: {adapter: scenes, by: colour, n: 60}}\ntasks: [{task: wise_ft, datasets: [few], C: 1}]"
    )
    (asked,) = runner.suite.tasks[0].jobs()
    together, apart = (Executor(Results(tmp_path / name), 0.0, False, runner.progress) for name in ("one", "two"))

    def executed(executor: Executor, corruption: str) -> JobResult:
        view = Corruption(corruption, 5, protocol="adapted") if corruption else None
        job = replace(asked, view=view)
        _, prepared = prepare(job, runner.models[0], OpenedDatasets(runner.suite.datasets, None))
        return executor.execute(prepared)[0]

    clean = executed(together, "")
    encoded = runner.models[0].images.encoded
    first, second = executed(together, "contrast"), executed(together, "brightness")
    tested = clean.main.n
    assert runner.models[0].images.encoded == encoded + 2 * tested, "the training images are stored as they are"
    assert first.pedigree.training == second.pedigree.training == clean.pedigree.training
    assert len({first.pedigree.view, second.pedigree.view, clean.pedigree.view}) == 3
    alone = executed(apart, "brightness")
    assert (second.records, second.tables) == (alone.records, alone.tables)
    assert first.records != second.records
