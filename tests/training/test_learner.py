"""What a step may do without changing what is learnt: gradient checkpointing and compilation; and its precision."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from clipbench.errors import UserError
from clipbench.training.processes import Processes
from clipbench.training.recipe import load_recipe
from clipbench.training.start import build, open_data
from clipbench.training.step.learner import Learner, resolve_precision

RECIPE = """
name: small
data: [{dataset: digits, split: train}]
towers:
  config:
    embed_dim: 16
    vision_cfg: {image_size: 16, patch_size: 4, width: 64, layers: 3}
    text_cfg: {context_length: 16, vocab_size: 49408, width: 32, heads: 1, layers: 2}
schedule: {batch: 8, steps: 3}
"""


def steps(folder: Path, *settings: str) -> tuple[list[float], int]:
    """Take three steps; return their losses and the bytes that autograd kept for the passes back."""
    (folder / "small.yaml").write_text(RECIPE)
    loaded = load_recipe(folder / "small.yaml", settings)
    torch.manual_seed(0)
    model = build(loaded)
    learner = Learner(model, loaded.recipe, Processes())
    kept = 0

    def keep(saved: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += saved.nbytes
        return saved

    losses = []
    for step, batch in zip(range(3), open_data(loaded, model, Processes()).batches(0), strict=False):
        with saved_tensors_hooks(keep, lambda saved: saved):
            losses.append(learner.learn(batch, step, 3))
    return losses, kept


def test_gradient_checkpointing_keeps_less_and_changes_nothing(tmp_path: Path) -> None:
    expected, whole = steps(tmp_path)
    losses, kept = steps(tmp_path, "gradient_checkpointing=true")
    assert losses == pytest.approx(expected, rel=1e-6)
    assert kept < whole / 2


def test_clip_tiny_has_no_gradient_checkpointing() -> None:
    with pytest.raises(UserError, match="gradient_checkpointing"):
        build(load_recipe("clip-tiny", ["gradient_checkpointing=true"]))


@pytest.mark.slow
def test_compiled_towers_learn_the_same(tmp_path: Path) -> None:
    shallow = ["towers.config.vision_cfg.layers=1", "towers.config.text_cfg.layers=1"]
    expected, _ = steps(tmp_path, *shallow)
    torch._dynamo.utils.counters.clear()
    losses, _ = steps(tmp_path, "compile=true", *shallow)
    assert torch._dynamo.utils.counters["stats"]["calls_captured"] > 10
    assert losses == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("wanted", "device", "has_bfloat16", "precision"),
    [
        ("auto", "cpu", True, "float32"),
        ("auto", "mps", True, "float32"),
        ("auto", "cuda:1", True, "bfloat16"),
        ("auto", "cuda", False, "float16"),
        ("float16", "cpu", True, "float16"),
    ],
)
def test_auto_takes_what_the_device_is_good_at(
    monkeypatch: pytest.MonkeyPatch, wanted: str, device: str, has_bfloat16: bool, precision: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: has_bfloat16)
    assert resolve_precision(wanted, device) == precision
