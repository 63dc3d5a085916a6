"""The command line reproduces published or independently measured numbers on real images."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipbench.results import load_results

from .conftest import CommandLine

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]


def test_cifar_10_imagenet_and_flickr_samples(clipbench: CommandLine, shared_data: Path, tmp_path: Path):
    templates = (shared_data / "templates" / "cifar.txt").read_text().split("\n")
    listed = "\n".join(f"        - {template.replace('{c}', '{}')}" for template in templates if template)
    suite = tmp_path / "known.yaml"
    suite.write_text(f"""
name: known
datasets:
  cifar: {{adapter: hf, path: {shared_data / "cifar10"}}}
  imagenet-sample: {{adapter: webdataset, path: {shared_data / "imagenet_sample"}}}
  flickr-sample: {{adapter: webdataset, path: {shared_data / "flickr8k_sample"}}}
tasks:
  - task: zero_shot
    datasets: [cifar]
    prompts:
      - name: the 18 of the CLIP repository
        templates:
{listed}
  - task: zero_shot
    datasets: [imagenet-sample]
  - task: retrieval
    datasets: [flickr-sample]
""")
    model = f"open_clip:local-dir:{shared_data / 'models' / 'cifar-clip'}"
    first = clipbench("run", suite, "--model", model)
    assert first.returncode == 0, first.stdout + first.stderr
    frame = load_results(tmp_path / "results" / "known").frame.set_index(["dataset", "metric"])["value"]

    # CLIP_benchmark 1.6.2 on the same 10,000 images and templates, float32.
    assert frame["cifar", "top1"] == pytest.approx(0.6733, abs=5e-5)
    assert frame["cifar", "top5"] == pytest.approx(0.9766, abs=5e-5)
    assert frame["cifar", "mean_per_class_recall"] == pytest.approx(0.6733, abs=5e-5)
    assert frame["imagenet-sample", "top1"] == pytest.approx(0.025)
    assert frame["imagenet-sample", "top5"] == pytest.approx(0.125)
    assert frame["flickr-sample", "text_to_image_recall_at_5"] == pytest.approx(0.0096)
    assert frame["flickr-sample", "image_to_text_recall_at_5"] == pytest.approx(0.0200)

    stored = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.safetensors")}
    again = clipbench("run", suite, "--model", model)
    assert "3 jobs, 0 to do" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.safetensors")} == stored
