"""A short training run: it learns, it repeats, it never sees what is evaluated, and its folder loads."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from clipbench.datasets.adapters.digits import Digits
from clipbench.datasets.adapters.scenes.scenes import split_of
from clipbench.datasets.decoding import decode
from clipbench.models.catalog import find_model
from clipbench.models.reference.source import ReferenceTransform
from clipbench.models.reference.towers import Architecture, ReferenceTowers
from clipbench.training.batches import batches, crop_at_random
from clipbench.training.loop import contrastive, make_optimizer, shared_captions, train
from clipbench.training.recipe import Recipe

SHORT = Recipe(seed=3, steps=8, batch=32, digits_a_batch=8, warmup=2)
TRANSFORM = ReferenceTransform(48, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@pytest.fixture(scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(one_thread):
    seen = []
    made = train(SHORT, seen.append)
    assert [progress.step for progress in seen] == list(range(1, SHORT.steps + 1))
    assert seen[0].scale == pytest.approx(1 / 0.07, rel=0.05)
    return made


def test_the_loss_starts_at_chance_and_falls(one_thread):
    losses = train(replace(SHORT, steps=20)).losses
    assert losses[0] == pytest.approx(math.log(32), abs=1.0)
    assert sum(losses[-5:]) / 5 < losses[0] - 0.3


def test_the_same_seed_gives_the_same_weights(trained):
    again, other = train(SHORT), train(replace(SHORT, seed=4))
    first, second = trained.towers.state_dict(), again.towers.state_dict()
    assert trained.losses == again.losses
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert trained.losses != other.losses


def test_the_logit_scale_stays_below_its_bound(one_thread):
    trained = train(replace(SHORT, steps=2, temperature=1 / 99.9, text_rate=1.0))
    assert trained.towers.log_scale.exp().item() <= 100.0 * (1 + 1e-6)


def test_every_scene_in_a_batch_belongs_to_the_training_split():
    recipe = replace(SHORT, smallest_crop=48)
    for batch in batches(recipe, TRANSFORM):
        scenes = (batch.pixels[: 32 - 8].movedim(1, 3) * 255).round().to(torch.uint8).numpy()
        assert {split_of(scene) for scene in scenes} == {"train"}
        assert len(batch.captions) == 32


def test_no_held_out_digit_is_in_a_batch():
    def pictures(split: str) -> set[bytes]:
        return {
            (TRANSFORM(decode(e.image)) * 255).round().to(torch.uint8).numpy().tobytes()
            for shard in Digits().split(split).shards()
            for e in shard
        }

    drawn = set()
    for batch in batches(replace(SHORT, smallest_crop=48), TRANSFORM):
        drawn |= {digit.numpy().tobytes() for digit in (batch.pixels[32 - 8 :] * 255).round().to(torch.uint8)}
    assert len(drawn) > 30
    assert drawn <= pictures("train")
    assert not drawn & pictures("test")


def test_the_whole_picture_is_a_crop_and_smaller_ones_keep_the_shape():
    pixels = torch.rand(4, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    whole = crop_at_random(pixels, 48, torch.Generator().manual_seed(0))
    assert torch.allclose(whole, pixels, atol=1e-4)
    cut = crop_at_random(pixels, 40, torch.Generator().manual_seed(0))
    assert cut.shape == pixels.shape
    assert not torch.allclose(cut, pixels, atol=0.1)


def test_decay_spares_gains_biases_and_the_logit_scale():
    towers = ReferenceTowers(Architecture(), end_id=2)
    groups = make_optimizer(towers, Recipe(image_rate=2.0, text_rate=1.0)).param_groups
    assert all(group["betas"] == (0.9, 0.98) and group["eps"] == 1e-6 for group in groups)
    of_weight = {id(weight): group for group in groups for weight in group["params"]}
    for name, weight in towers.named_parameters():
        is_gain_or_bias = name.endswith("bias") or "norm" in name or name == "log_scale" or weight.ndim == 1
        group = of_weight[id(weight)]
        assert group["weight_decay"] == (0.0 if is_gain_or_bias else 0.2), name
        assert group["highest"] == (2.0 if name.startswith("image.") else 1.0), name


def test_the_rate_warms_up_and_decays_to_nothing():
    recipe = Recipe(steps=100, warmup=10)
    shares = [recipe.share_of_rate(step) for step in range(101)]
    assert shares[0] == pytest.approx(0.1)
    assert max(shares) == shares[9] == shares[10] == 1.0
    assert shares[55] == pytest.approx(0.5)
    assert shares[100] == pytest.approx(0.0, abs=1e-9)


def test_the_written_folder_loads_as_a_model(trained, tmp_path):
    trained.write(tmp_path / "model")
    source = find_model(f"local:{tmp_path / 'model'}")
    assert source.look().local
    model = source.load("cpu", "float32")
    assert model.info.trained_on == ("clipbench-scenes", "digits (train half)")
    tokens = model.tokenize(["a red star"])
    with torch.no_grad():
        expected = trained.towers.text(tokens.ids)
    # Matrices are stored in float16.
    assert torch.allclose(model.encode_tokens(tokens.ids), expected, atol=2e-2 * float(expected.abs().max()))


@pytest.mark.slow
def test_the_command_writes_what_the_recipe_gives(one_thread, tmp_path):
    command = [sys.executable, "-m", "clipbench.training", "--output", str(tmp_path / "one"), "--steps", "2"]
    done = subprocess.run([*command, "--threads", "1"], check=True, capture_output=True, text=True)
    assert "step     2/2  loss" in done.stdout
    train(Recipe(steps=2, warmup=0)).write(tmp_path / "two")
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]
    config = json.loads((tmp_path / "one" / "config.json").read_text())
    assert config["training"]["recipe"]["seed"] == 0
    assert config["training"]["images"] == 512


def test_a_folder_that_cannot_be_written_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    command = [sys.executable, "-m", "clipbench.training", "--output", str(tmp_path / "file"), "--steps", "1"]
    done = subprocess.run([*command, "--threads", "1"], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_contrastive_loss_by_hand():
    image = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    text = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    # Cosines are 1, 0.6 / 0, 0.8; times 5: 5, 3 / 0, 4.
    rows = [math.log(1 + math.exp(3 - 5)), math.log(1 + math.exp(0 - 4))]
    columns = [math.log(1 + math.exp(0 - 5)), math.log(1 + math.exp(3 - 4))]
    expected = (sum(rows) / 2 + sum(columns) / 2) / 2
    assert contrastive(image, text, 5.0, torch.eye(2)).item() == pytest.approx(expected, rel=1e-6)


def test_the_contrastive_loss_equals_open_clips():
    open_clip_loss = pytest.importorskip("open_clip.loss")
    image, text = torch.randn(2, 16, 8, generator=torch.Generator().manual_seed(0))
    scale = torch.tensor(1 / 0.07)
    normal_image, normal_text = (torch.nn.functional.normalize(side, dim=1) for side in (image, text))
    theirs = open_clip_loss.ClipLoss()(normal_image, normal_text, scale)
    assert contrastive(image, text, scale, torch.eye(16)).item() == pytest.approx(theirs.item(), rel=1e-6)


def test_equal_captions_share_their_weight():
    assert torch.equal(shared_captions(["a", "b", "c", "d", "e"]), torch.eye(5))
    targets = shared_captions(["a ring", "a star", "a ring"])
    assert targets.tolist() == [[0.5, 0, 0.5], [0, 1, 0], [0.5, 0, 0.5]]
