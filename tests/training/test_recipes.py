"""Recipes: the packaged ones are what they say, and train what they name; what is set over them; their schema."""

from __future__ import annotations

import io
import json
import math
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import PIL.Image
import pytest
import torch
import yaml

from clipbench.errors import Unavailable, UserError
from clipbench.models.catalog import find_model
from clipbench.training.data.pairs import CropTransform
from clipbench.training.loop import Progress
from clipbench.training.processes import Processes
from clipbench.training.recipe import Crop, Recipe, load_recipe, packaged_recipes, recipe_schema
from clipbench.training.start import build, open_data, train
from clipbench.training.step.optimiser import make_optimiser

from ..conftest import REPOSITORY
from ..hub_server import Hub
from ..models.hf_checkpoints import save_words

PAPERS = ("vit-b-32", "rn50", "siglip-b-16")
TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 64, "layers": 1},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
}
SHORT = ("schedule={batch: 4, steps: 2, warmup: 1}", "part=2")


def tower_of(config: dict[str, Any]) -> str:
    return f"towers={json.dumps({'config': config})}"


def write_pairs(folder: Path, shards: int = 2, size: int = 3) -> None:
    """Write image-text pairs as Conceptual 12M has them on the hub."""
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("pairs")
    for shard in range(shards):
        with tarfile.open(folder / f"cc12m-train-{shard:04d}.tar", "w") as archive:
            for number in range(size):
                image = io.BytesIO()
                PIL.Image.new("RGB", (40 + number, 30), (60 * number, 90 * shard, 200)).save(image, "JPEG")
                caption = f"a photo of dog {shard} {number}".encode()
                for ending, content in (("jpg", image.getvalue()), ("json", b"{}"), ("txt", caption)):
                    member = tarfile.TarInfo(f"{shard:04d}{number:05d}.{ending}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))


# The packaged recipes.


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("vit-b-32", (32768, 2000, 5e-4, None, 0.2, 0.9, 0.98, 1e-6, None, 0.07, 100)),
        ("rn50", (32768, 2000, 5e-4, None, 0.2, 0.9, 0.999, 1e-8, None, 0.07, 100)),
        ("siglip-b-16", (32768, 320, 1e-3, None, 0.1, 0.9, 0.95, 1e-8, 1.0, 0.1, 1000)),
    ],
)
def test_the_papers_hyperparameters(name: str, numbers: tuple[float | None, ...]) -> None:
    recipe = load_recipe(name).recipe
    names = ("rate", "text_rate", "weight_decay", "beta1", "beta2", "epsilon", "clip_norm")
    told = (recipe.schedule.batch, recipe.schedule.warmup, *(getattr(recipe.optimiser, name) for name in names))
    assert (*told, recipe.objective.temperature, recipe.objective.largest_scale) == numbers
    assert recipe.schedule.total(None) == 351_000_000 // 32768


def test_a_packaged_recipe_names_no_file_of_a_machine() -> None:
    for name, path in packaged_recipes().items():
        entries = yaml.safe_load(path.read_text(encoding="utf-8")).get("datasets", {})
        paths = [entry.get("path") or entry["hub"] for entry in entries.values()]
        assert all(re.fullmatch(r"[\w-]+/[\w-]+", path) for path in paths), name  # ORG/REPO on the hub
        assert load_recipe(name).recipe.description


def test_the_pairs_of_a_packaged_recipe_are_read_from_the_hub_shard_by_shard(hub: Hub) -> None:
    write_pairs(hub.root / "pixparse/cc12m-wds")
    loaded = load_recipe("vit-b-32", [*SHORT, tower_of(TINY)])
    data = open_data(loaded, build(loaded), Processes())
    assert not any(name.endswith(".tar") for name in hub.served)
    batch = next(iter(data.batches(0)))
    assert batch.pixels.shape == (4, 3, 16, 16)
    assert len(set(batch.captions)) == 4
    assert all(re.fullmatch(r"a photo of dog [01] [012]", caption) for caption in batch.captions)
    assert {name for name in hub.served if name.endswith(".tar")} == {"cc12m-train-0000.tar", "cc12m-train-0001.tar"}


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPERS)
def test_a_packaged_recipe_trains_open_clips_own_towers(name: str, hub: Hub, tmp_path: Path) -> None:
    """The command of the recipe, on a hub with few pairs, for two steps of four: all else is the recipe's."""
    write_pairs(hub.root / "pixparse/cc12m-wds")
    (hub.root / "timm/ViT-B-16-SigLIP").mkdir(parents=True)
    save_words(hub.root / "timm/ViT-B-16-SigLIP")
    losses: list[float] = []
    loaded = load_recipe(name, SHORT if name != "rn50" else SHORT[:1])
    model = train(loaded, tmp_path / "model", progress=lambda progress: losses.append(progress.loss))
    towers = loaded.recipe.towers.open_clip
    theirs = open_clip.create_model(towers, load_weights=False)
    count = sum(weight.numel() for weight in model.model.parameters())
    assert count == sum(weight.numel() for weight in theirs.parameters())

    groups = make_optimiser(model, loaded.recipe.optimiser).param_groups
    assert sum(weight.numel() for group in groups for weight in group["params"]) == count
    decays = {group["weight_decay"]: {weight.ndim for weight in group["params"]} for group in groups}
    assert decays == {loaded.recipe.optimiser.weight_decay: decays[loaded.recipe.optimiser.weight_decay], 0.0: {0, 1}}
    assert all(math.isfinite(loss) for loss in losses)
    # Before anything is learnt: as good as choosing one of four; and as told by the bias that nothing belongs together.
    assert losses[0] == pytest.approx(math.log(4) if name != "siglip-b-16" else 10, rel=0.35)

    published = {"vit-b-32": "openai", "rn50": "openai", "siglip-b-16": "webli"}[name]
    declared = json.loads(json.dumps(open_clip.get_pretrained_cfg(towers, published)))
    written = json.loads((tmp_path / "model" / "open_clip_config.json").read_text())["preprocess_cfg"]
    keys = ("mean", "std", "interpolation", "resize_mode")
    assert {key: written[key] for key in keys} == {key: declared[key] for key in keys}
    assert_loads_everywhere(tmp_path / "model")


@pytest.mark.shared_data
def test_cifar_clip_trains_on_photographs_and_is_evaluated_on_others(shared_data: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    settings = [
        "schedule={batch: 16, steps: 3, warmup: 1}",
        "evaluate=[{dataset: cifar10-photos, split: test, limit: 40}]",
    ]
    loaded = load_recipe("cifar-clip", settings)
    train(loaded, tmp_path / "model", data_root=shared_data, progress=seen.append)
    # 16 captions of 18 templates and 10 classes, others of an image's class left out.
    assert seen[0].loss == pytest.approx(math.log(16), abs=0.5)
    (score,) = seen[-1].scores
    assert (score.dataset, score.metric, score.n, score.trained_on) == ("cifar10-photos", "top1", 40, False)
    assert_loads_everywhere(tmp_path / "model")


def assert_loads_everywhere(folder: Path) -> None:
    """open_clip's own calls and the harness embed an image and texts alike."""
    theirs, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    theirs.eval()
    ours = find_model(f"open_clip:local-dir:{folder}").load("cpu", "float32")
    image = PIL.Image.effect_noise((40, 20), 60).convert("RGB")
    texts = ["a photo of a dog", "dog"]
    with torch.no_grad():
        of_image = theirs.encode_image(transform(image)[None])
        of_texts = theirs.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(texts))
    assert torch.allclose(ours.encode_images(ours.transform(image)[None]).projected, of_image, rtol=1e-3, atol=1e-4)
    assert torch.allclose(ours.encode_tokens(ours.tokenize(texts).ids), of_texts, rtol=1e-3, atol=1e-4)


def test_a_tokenizer_that_cannot_be_had_is_told_with_what_to_do(no_hub: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        build(load_recipe("siglip-b-16"))
    told = str(caught.value)
    assert told.startswith("recipe siglip-b-16, towers: tokenizer.json or ")
    assert f"timm/ViT-B-16-SigLIP is not in {no_hub}, and the hub cannot be reached" in told
    assert "hf download timm/ViT-B-16-SigLIP" in told


@pytest.mark.slow
def test_a_tokenizer_of_ones_own_is_written_with_the_model(tmp_path: Path) -> None:
    save_words(tmp_path / "words")
    text = {**TINY["text_cfg"], "vocab_size": 40, "hf_tokenizer_name": str(tmp_path / "words"), "pool_type": "last"}
    text |= {"no_causal_mask": True, "context_length": 12}
    config = tower_of({**TINY, "custom_text": True, "text_cfg": text})
    loaded = load_recipe("siglip-b-16", [*SHORT, config, "data=[{dataset: digits}]"])
    train(loaded, tmp_path / "model")
    assert_loads_everywhere(tmp_path / "model")


def test_what_lacks_in_a_configuration_is_told() -> None:
    with pytest.raises(UserError, match="recipe vit-b-32, towers: lacks vision_cfg, text_cfg"):
        build(load_recipe("vit-b-32", ["towers={config: {embed_dim: 8}}"]))


def test_a_squashed_image_is_seen_whole() -> None:
    halves = np.zeros((20, 60, 3), np.uint8)
    halves[:, 30:] = 255
    image = PIL.Image.fromarray(halves)
    for squash in (True, False):
        transform = CropTransform(16, (0.0,) * 3, (1.0,) * 3, Crop(smallest=1.0), squash)
        squares = torch.stack([transform.square(image, np.random.default_rng(seed)) for seed in range(4)])
        found = transform.pixels(squares)
        white = [float(pixels.mean()) for pixels in found]
        assert found.shape == (4, 3, 16, 16)
        assert (white == pytest.approx([0.5] * 4, abs=0.01)) == squash


# What is set over a recipe.


def test_paths_start_from_the_recipe_or_from_here_where_it_is_packaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    settings = ["datasets.pairs={adapter: table, path: captions.csv}"]
    given = load_recipe("vit-b-32", settings).definitions["pairs"].arguments["path"]
    assert given.resolve() == tmp_path / "here/captions.csv"
    (tmp_path / "mine.yaml").write_text(packaged_recipes()["vit-b-32"].read_text(encoding="utf-8"))
    assert load_recipe(tmp_path / "mine.yaml", settings).definitions["pairs"].arguments["path"].parent == tmp_path


# The schema.


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return recipe_schema()


def parts(schema: dict[str, Any]) -> dict[str, Any]:
    """The mappings of a recipe by their title, without those of data sets."""
    return {name: part for name, part in schema["$defs"].items() if name[0].isupper() and "adapter" not in name}


def test_the_schema_is_whole_and_every_key_is_explained(schema: dict[str, Any]) -> None:
    text = json.dumps(schema, allow_nan=False)
    assert set(re.findall(r'"\$ref": "#/\$defs/([^"]+)"', text)) <= set(schema["$defs"])
    for name, part in {"Recipe": schema, **parts(schema)}.items():
        assert [key for key, value in part["properties"].items() if not value.get("description")] == [], name


BROKEN = {
    "unknown key": {"optimizer": {"rate": 1.0}},
    "unknown inner key": {"optimiser": {"lr": 1.0}},
    "two lengths": {"schedule": {"batch": 4, "steps": 2, "epochs": 1.0}},
    "no length": {"schedule": {"batch": 4}},
    "text for a number": {"seed": "one"},
    "two kinds of towers": {"towers": {"open_clip": "RN50", "config": TINY}},
    "unknown adapter": {"datasets": {"pairs": {"adapter": "csv", "path": "captions.csv"}}},
    "an objective that is none": {"objective": {"name": "triplet"}},
}


def test_packaged_recipes_are_valid(schema: dict[str, Any]) -> None:
    validator = pytest.importorskip("jsonschema").Draft202012Validator(schema)
    for path in packaged_recipes().values():
        validator.validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_broken_recipes_are_refused_by_the_schema_and_when_they_are_read(
    schema: dict[str, Any], tmp_path: Path, change: dict[str, Any]
) -> None:
    document = {"data": [{"dataset": "digits"}], "towers": {"config": TINY}, "schedule": {"batch": 4, "steps": 2}}
    validator = pytest.importorskip("jsonschema").Draft202012Validator(schema)
    validator.validate(document)
    (tmp_path / "broken.yaml").write_text(yaml.safe_dump(document | change))
    assert not validator.is_valid(document | change)
    with pytest.raises(UserError, match=r"broken\.yaml"):
        load_recipe(tmp_path / "broken.yaml")


# The guide.


def test_every_key_of_a_recipe_is_in_the_guide(schema: dict[str, Any]) -> None:
    text = (REPOSITORY / "docs/training.md").read_text(encoding="utf-8")
    keys = {*Recipe.model_fields, *(key for part in parts(schema).values() for key in part["properties"])}
    assert {key for key in keys if f"`{key}`" not in text and f"{key}`" not in text} == set()
