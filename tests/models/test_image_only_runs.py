"""Image-only models in a run: which tasks they take part in, and which refuse them."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest
import torch

from clipbench.runs.options import RunOptions
from clipbench.runs.progress import ProgressListener
from clipbench.runs.runner import Runner
from clipbench.suite.loading import load_suite

from .conftest import save_timm

MODEL = "timm:local-dir:supervised"
SUITE = """
name: blocks
datasets:
  blocks: {adapter: folder, path: blocks}
tasks:
  - task: zero_shot
    datasets: [blocks]
    prompts: ["a {} block."]
  - task: linear_probe
    datasets: [blocks]
"""


@pytest.fixture
def blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a model, and small images of two colours in a train and a test split."""
    generator = torch.Generator().manual_seed(0)
    for split, count in (("train", 12), ("test", 6)):
        for name, channel in (("red", 0), ("blue", 2)):
            folder = tmp_path / "blocks" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = torch.randint(0, 120, (40, 50, 3), generator=generator, dtype=torch.uint8)
                pixels[..., channel] += 100
                PIL.Image.fromarray(pixels.numpy()).save(folder / f"{number}.png")
    (tmp_path / "suite.yaml").write_text(SUITE)
    save_timm(tmp_path / "supervised")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def planned(blocks: Path, model: str) -> Runner:
    options = RunOptions(output=blocks / "results", cache=blocks / "cache", device="cpu", workers=0)
    return Runner(load_suite(blocks / "suite.yaml"), [model], options, ProgressListener())


def test_a_probe_runs_and_zero_shot_refuses_before_anything_is_embedded(blocks):
    runner = planned(blocks, MODEL)
    refusal = "supervised: zero_shot needs a model that embeds images and texts in one space; choose a CLIP-style model"
    zero_shot, probe = runner.plan().jobs
    assert (zero_shot.problem, zero_shot.new_images) == (refusal, None)
    assert (probe.problem, probe.new_images) == ("", 36)
    found = {job.task: job for job in runner.run().jobs()}
    assert (found["zero_shot"].status, found["zero_shot"].error) == ("failed", refusal)
    assert found["linear_probe"].main is not None
    assert found["linear_probe"].main.value == 1.0
    assert found["linear_probe"].pedigree.tokenizer == ""


def test_a_suite_of_zero_shot_alone_embeds_nothing(blocks):
    (blocks / "suite.yaml").write_text(SUITE.partition("  - task: linear_probe")[0])
    results = planned(blocks, MODEL).run()
    assert [job.status for job in results.jobs()] == ["failed"]
    assert not list((blocks / "cache").rglob("*.safetensors"))


def test_what_is_not_here_yet_refuses_by_name_too(blocks, no_hub):
    zero_shot, probe = planned(blocks, "efficientnet-b0").plan().jobs
    assert zero_shot.problem.startswith("efficientnet-b0: zero_shot needs a model that embeds images and texts")
    assert (probe.problem, probe.new_images) == ("", 36)
