"""Trainings of open_clip's towers on pairs: what is written loads everywhere, and processes share a batch."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import open_clip
import PIL.Image
import pytest
import torch

from clipbench.errors import UserError
from clipbench.models.catalog import find_model
from clipbench.training.loop import Progress
from clipbench.training.processes import Processes
from clipbench.training.recipe import load_recipe
from clipbench.training.start import build, open_data, train

RECIPE = """
name: small
data:
  - {{dataset: {dataset}, split: {split}}}
{datasets}
towers:
  config:
    embed_dim: 16
    vision_cfg: {{image_size: 16, patch_size: 8, width: 64, layers: 1}}
    text_cfg: {{context_length: 16, vocab_size: 49408, width: 64, heads: 1, layers: 1}}
objective: {{name: {objective}}}
optimiser: {{rate: 1.0e-3}}
schedule: {{batch: 8, steps: 4, warmup: 1}}
seed: 5
"""

Write = Callable[..., Path]


@pytest.fixture
def recipe(tmp_path: Path) -> Write:
    """A function that writes a recipe for the training half of the digits, or for other data."""

    def write(
        objective: str = "contrastive", dataset: str = "digits", split: str = "train", datasets: str = ""
    ) -> Path:
        path = tmp_path / "small.yaml"
        path.write_text(RECIPE.format(objective=objective, dataset=dataset, split=split, datasets=datasets))
        return path

    return write


def trained(path: Path, output: Path, *settings: str) -> list[Progress]:
    seen: list[Progress] = []
    train(load_recipe(path, settings), output, progress=seen.append)
    return seen


@pytest.mark.parametrize("objective", ["contrastive", "sigmoid"])
def test_what_is_written_loads_into_open_clip_and_the_harness_with_equal_embeddings(
    recipe: Write, tmp_path: Path, objective: str
) -> None:
    output = tmp_path / "model"
    seen = trained(recipe(objective), output)
    assert len(seen) == 4
    theirs, _, transform = open_clip.create_model_and_transforms(f"local-dir:{output}")
    assert (theirs.logit_bias is None) == (objective == "contrastive")
    assert float(theirs.logit_scale.detach().exp()) == pytest.approx(seen[-1].scale)
    ours = find_model(f"open_clip:local-dir:{output}").load("cpu", "float32")
    image = PIL.Image.effect_noise((20, 20), 60).convert("RGB")
    texts = ["the digit seven", "a house"]
    with torch.no_grad():
        of_image = theirs.encode_image(transform(image)[None])
        of_texts = theirs.encode_text(open_clip.get_tokenizer(f"local-dir:{output}")(texts))
    assert torch.allclose(ours.encode_images(ours.transform(image)[None]).projected, of_image, atol=1e-5)
    assert torch.allclose(ours.encode_tokens(ours.tokenize(texts).ids), of_texts, atol=1e-5)
    assert json.loads((output / "clipbench_training.json").read_text())["samples"] == 32


def test_the_longest_text_of_a_batch_keeps_its_end_though_a_token_of_it_is_that_of_padding(recipe: Write) -> None:
    model = build(load_recipe(recipe()))
    text = "a dog!$"
    whole = open_clip.SimpleTokenizer(context_length=16)([text])
    assert whole[0, 3] == 0
    assert torch.equal(model.tokenize([text]), whole[:, :6])
    with torch.no_grad():
        assert torch.allclose(model.text(model.tokenize([text])), model.model.encode_text(whole), atol=1e-6)


def test_captions_of_a_table_are_trained_on_and_broken_images_counted(recipe: Write, tmp_path: Path) -> None:
    with (tmp_path / "captions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "text"])
        for number in range(12):
            PIL.Image.new("RGB", (24 + number, 20), (20 * number, 90, 200)).save(tmp_path / f"{number}.png")
            rows.writerow([f"{number}.png", f"picture {number}"])
    (tmp_path / "3.png").write_bytes(b"no image")
    datasets = "datasets:\n  pictures: {adapter: table, path: captions.csv, image: file, caption: text}"
    path = recipe(dataset="pictures", split="test", datasets=datasets)
    loaded = load_recipe(path)
    data = open_data(loaded, build(loaded), Processes())
    batches = [batch for batch, _ in zip(data.batches(0), range(3), strict=False)]
    told = [caption for batch in batches for caption in batch.captions]
    # Twelve examples are seen twice in three batches of eight, save the broken one, for which another stands.
    assert {told.count(f"picture {number}") for number in range(12) if number != 3} <= {2, 3}
    assert sum(batch.broken for batch in batches) == 2
    assert told.count("picture 3") == 0
    assert data.examples == 12
    assert trained(path, tmp_path / "model")[-1].broken == 3


def test_the_order_is_that_of_the_seed_whoever_reads(recipe: Write) -> None:
    loaded = load_recipe(recipe())
    model = build(loaded)

    def captions(first: int, here: Processes = Processes(), workers: int = 0) -> list[str]:  # noqa: B008
        data = open_data(loaded, model, here, workers)
        return [text for batch, _ in zip(data.batches(first), range(2), strict=False) for text in batch.captions]

    alone = captions(0)
    assert captions(0, workers=2) == alone
    assert captions(1)[:8] == alone[8:]
    shared = [captions(0, Processes(rank, 2)) for rank in range(2)]
    assert [*shared[0][:4], *shared[1][:4], *shared[0][4:], *shared[1][4:]] == alone


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["schedule.epochs=2"], "give one of steps, epochs and samples"),
        (["data=[{dataset: digit}]"], "did you mean 'digits'?"),
        (["optimiser.rat=1"], "unknown key; did you mean 'rate'?"),
        (["seed"], "write KEY=VALUE"),
        (["towers={open_clip: ViT-B-33}"], "ViT-B-32"),
        (["towers={}"], "give one of open_clip, config and reference"),
    ],
)
def test_wrong_recipes_are_told_with_what_to_write(recipe: Write, settings: list[str], told: str) -> None:
    with pytest.raises(UserError) as caught:
        build(load_recipe(recipe(), settings))
    assert told in str(caught.value)


def test_a_recipe_that_is_not_there_is_told_with_its_neighbours() -> None:
    with pytest.raises(UserError, match="clip-tiny"):
        load_recipe("clip-tinny")
