"""The zero-shot suite on a local mirror that holds some of its sets, without network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clipbench.results.folder import load_results

from .conftest import REPOSITORY, CommandLine

REPOSITORY_ON_THE_HUB = "timm/vit_base_patch32_clip_224.openai"


def random_weights_in_the_hub_cache(hub: Path) -> None:
    """Save a randomly initialised ViT-B-32 where the hub's client would have put OpenAI's weights."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32-quickgelu", pretrained=None).half()
    repository = hub / "hub" / f"models--{REPOSITORY_ON_THE_HUB.replace('/', '--')}"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    save_file(model.state_dict(), snapshot / "open_clip_model.safetensors")


@pytest.mark.shared_data
@pytest.mark.slow
def test_sets_that_are_there_finish_and_the_others_say_what_is_missing(
    clipbench: CommandLine, shared_data: Path, tmp_path: Path
):
    make = [sys.executable, REPOSITORY / "benchmarks" / "mirror.py", tmp_path / "mirror", "--limit", "16"]
    subprocess.run([*map(str, make), "--data", str(shared_data)], check=True, capture_output=True)
    random_weights_in_the_hub_cache(tmp_path / "hub")

    only = [f"--only={name}" for name in ("cifar10", "flickr8k", "mnist", "imagenet")]
    run = clipbench("run", "suites/zeroshot.yaml", "--model", "vit-b-32", "--data-root", tmp_path / "mirror", *only)
    assert run.returncode == 1, run.stdout + run.stderr
    jobs = {job.dataset: job for job in load_results(tmp_path / "results" / "zeroshot").jobs()}
    assert {name: job.status for name, job in jobs.items()} == {
        "cifar10": "done",
        "flickr8k": "done",
        "mnist": "failed",
        "imagenet": "failed",
    }
    assert jobs["cifar10"].main is not None
    assert jobs["cifar10"].main.n == 16
    for name, hub_name in (("mnist", "wds_mnist"), ("imagenet", "wds_imagenet1k")):
        assert f"clip-benchmark/{hub_name}" in jobs[name].error
        assert "--data-root" in jobs[name].error
    assert "failed" in (tmp_path / "results" / "zeroshot" / "report.html").read_text()
