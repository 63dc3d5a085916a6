"""A folder of one's own photographs: turned, deep or undivided, it gives the numbers of the plain images."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from clipbench.datasets.catalog import define, open_dataset
from clipbench.datasets.decoding import decode
from clipbench.results.folder import load_results

pytestmark = pytest.mark.shared_data

IMAGES = 200


def write_forms(folder: Path, shared_data: Path) -> None:
    """Write CIFAR-10 images upright and turned with an orientation that says so, grey with 8 bits and with 16."""
    cifar = open_dataset(define("cifar", {"adapter": "hf", "path": str(shared_data / "cifar10")}, base=None))
    turned = PIL.Image.Exif()
    turned[0x0112] = 6
    for example in islice((example for shard in cifar.split("test").shards() for example in shard), IMAGES):
        upright = decode(example.image)
        grey = upright.convert("L")
        rotated = upright.transpose(PIL.Image.Transpose.ROTATE_90)
        deep = PIL.Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
        for form, image, exif in (("plain", upright, None), ("turned", rotated, turned), ("grey", grey, None)):
            save(image, folder / form / cifar.classes[example.label] / f"{example.id}.png", exif=exif)
        save(deep, folder / "deep" / cifar.classes[example.label] / f"{example.id}.png")


def save(image: PIL.Image.Image, path: Path, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **{key: value for key, value in options.items() if value is not None})


def test_orientation_and_depth_cost_no_accuracy(make_runner, shared_data: Path, tmp_path: Path):
    write_forms(tmp_path, shared_data)
    model = f"open_clip:local-dir:{shared_data / 'models' / 'cifar-clip'}"
    make_runner(
        """
datasets:
  plain: {adapter: folder, path: plain}
  turned: {adapter: folder, path: turned}
  turned-ignored: {adapter: folder, path: turned, exif: ignore}
  grey: {adapter: folder, path: grey}
  deep: {adapter: folder, path: deep}
tasks:
  - {task: zero_shot, datasets: [plain, turned, turned-ignored, grey, deep], prompts: "a photo of a {}."}
""",
        models=[model],
        thumbnails=True,
    ).run()
    jobs = {job.dataset: job for job in load_results(tmp_path / "results").jobs()}
    top1 = {name: job.main.value for name, job in jobs.items()}
    assert (top1["turned"], top1["deep"]) == (top1["plain"], top1["grey"])
    assert top1["turned-ignored"] < top1["plain"] - 0.1
    assert top1["grey"] > 0.3
    assert jobs["plain"].pedigree.view == jobs["grey"].pedigree.view == jobs["turned-ignored"].pedigree.view == ""
    assert len({jobs[name].pedigree.view for name in ("plain", "turned", "deep")}) == 3
    notes = {name: [note for note in job.notes if "images" in note] for name, job in jobs.items()}
    assert notes["plain"] == []
    (applied,), (ignored,), (scaled,) = notes["turned"], notes["turned-ignored"], notes["deep"]
    assert applied.startswith(f"test: {IMAGES} of {IMAGES} images carry an EXIF orientation, which was applied")
    assert "ignored (`exif: apply` turns them)" in ignored
    assert "more than 8 bits" in scaled

    for name in ("turned", "turned-ignored"):
        picture = jobs[name].pictures[0]
        stored = PIL.Image.open(tmp_path / "turned" / picture["id"])
        as_seen = stored.transpose(PIL.Image.Transpose.ROTATE_270) if name == "turned" else stored
        with PIL.Image.open(tmp_path / "results/thumbs" / picture["thumb"]) as thumbnail:
            shown = np.asarray(thumbnail.convert("RGB"), int)
        assert np.abs(shown - np.asarray(as_seen.convert("RGB"), int)).mean() < 12


def test_a_probe_on_one_folder_that_is_divided(make_runner, shared_data: Path, tmp_path: Path):
    suite = f"""
datasets:
  photographs:
    adapter: folder
    path: {shared_data / "cifar10_shift"}
    split: {{train: 0.2, test: 0.1, seed: 3}}
tasks:
  - {{task: linear_probe, datasets: [photographs], C: 0.01}}
"""
    runner = make_runner(suite, models=[f"open_clip:local-dir:{shared_data / 'models' / 'cifar-clip'}"])
    runner.run()
    jobs = {job.task: job for job in load_results(tmp_path / "results").jobs()}
    probe = jobs["linear_probe"].main
    assert (probe.n, probe.params["n_train"]) == (210, 420)
    assert 0.4 < probe.value < 0.8
