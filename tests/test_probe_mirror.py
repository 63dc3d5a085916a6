"""The linear-probe suite on a local mirror that holds some of its sets, without network."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from clipbench.datasets.catalog import catalog_definitions, open_dataset
from clipbench.datasets.decoding import decode
from clipbench.results.folder import load_results

from .conftest import CommandLine, png, write_shard

MIRRORED = {"wds_mnist": "digits", "wds_vtab-clevr_count_all": "scenes-count"}
"""Folders of the mirror, with the built-in sets that stand in for what the hub has."""


def make_mirror(folder: Path) -> None:
    """Write train and test splits of a few images in the webdataset layout."""
    for name, built_in in MIRRORED.items():
        dataset = open_dataset(catalog_definitions()[built_in])
        for split, count in (("train", 120), ("test", 60)):
            examples = (example for shard in dataset.split(split).shards() for example in shard)
            samples = (
                {"png": png(decode(example.image)), "cls": str(example.label).encode()}
                for example in islice(examples, count)
            )
            write_shard(folder / name / split, samples)
        (folder / name / "classnames.txt").write_text("\n".join(dataset.classes))
        templates = [template.replace("{}", "{c}") for template in dataset.templates]
        (folder / name / "zeroshot_classification_templates.txt").write_text("\n".join(templates))


@pytest.mark.slow
def test_sets_that_are_there_finish_and_the_others_say_what_is_missing(clipbench: CommandLine, tmp_path: Path):
    make_mirror(tmp_path / "mirror")
    only = [f"--only={name}" for name in ("mnist", "clevr-count", "fer2013", "imagenet")]
    run = clipbench("run", "linear_probe", "--model", "clip-tiny", "--data-root", tmp_path / "mirror", *only)
    assert run.returncode == 1, run.stdout + run.stderr

    results = load_results(tmp_path / "results" / "linear_probe")
    jobs = {(job.task, job.dataset): job for job in results.jobs()}
    done = {name for name, job in jobs.items() if job.status == "done"}
    assert done == {(task, name) for task in ("linear_probe", "zero_shot") for name in ("mnist", "clevr-count")}
    for task in ("linear_probe", "zero_shot"):
        for name, hub_name in (("fer2013", "wds_fer2013"), ("imagenet", "wds_imagenet1k")):
            assert f"clip-benchmark/{hub_name}" in jobs[task, name].error
            assert "--data-root" in jobs[task, name].error

    probe, zero_shot = jobs["linear_probe", "mnist"], jobs["zero_shot", "mnist"]
    assert (probe.main.n, probe.main.params["n_train"]) == (60, 120)
    assert probe.main.params["chosen_on"] == "a fifth of train, stratified, seed 0"
    assert probe.main.value > 0.8
    for part in ("data", "labels", "subset", "weights"):
        assert getattr(probe.pedigree, part) == getattr(zero_shot.pedigree, part)
    assert {result.about.dataset for result in results.analysis_results()} == {"mnist", "clevr-count"}
