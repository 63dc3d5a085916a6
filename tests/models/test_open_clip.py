"""open_clip models from local files: a real small CLIP with known answers, and what can be wrong with a folder."""

from __future__ import annotations

import io
import json
from pathlib import Path

import open_clip
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from clipbench.errors import UserError
from clipbench.models.base import ImageTextModel
from clipbench.models.open_clip.build import digest_transform

from .conftest import assert_refused, differing, load, pedigree

CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture(scope="module")
def cifar_clip(shared_data: Path) -> ImageTextModel:
    return load(f"open_clip:local-dir:{shared_data / 'models' / 'cifar-clip'}")


@pytest.fixture(scope="module")
def cifar_test(shared_data: Path) -> tuple[list[Image.Image], torch.Tensor]:
    (file,) = (shared_data / "cifar10" / "data").glob("test-*.parquet")
    rows = pd.read_parquet(file).head(500)
    images = [Image.open(io.BytesIO(image["bytes"])).convert("RGB") for image in rows["image"]]
    return images, torch.tensor(rows["label"].to_numpy())


@pytest.mark.shared_data
def test_a_real_checkpoint_is_described_by_its_own_configuration(cifar_clip):
    info = cifar_clip.info
    assert (info.name, info.has_text, info.features) == ("cifar-clip", True, ("projected", "backbone"))
    assert info.logit_scale == pytest.approx(13.1467, abs=1e-3)
    assert (info.logit_bias, info.context_length, info.trained_on) == (0.0, 77, None)
    assert info.library == f"open_clip {open_clip.__version__}"
    assert isinstance(cifar_clip, ImageTextModel)


@pytest.mark.shared_data
def test_zero_shot_accuracy_on_real_photographs_is_the_known_one(cifar_clip, cifar_test, shared_data):
    templates = (shared_data / "templates" / "cifar.txt").read_text().split("\n")
    prompts = [[line.replace("{}", name).replace("{c}", name) for line in templates if line] for name in CIFAR_CLASSES]
    assert [len(strings) for strings in prompts] == [18] * 10
    normalise = torch.nn.functional.normalize
    weights = []
    for strings in prompts:
        tokens = cifar_clip.tokenize(strings)
        embedded = cifar_clip.encode_tokens(tokens.ids[:, : int(tokens.lengths.max())])
        weights.append(normalise(normalise(embedded, dim=-1).mean(dim=0), dim=-1))
    images, labels = cifar_test
    pixels = torch.stack([cifar_clip.transform(image) for image in images])
    embedded = normalise(cifar_clip.encode_images(pixels).projected, dim=-1)
    correct = ((embedded @ torch.stack(weights).T).argmax(dim=1) == labels).float().mean().item()
    # 0.6733 on all 10,000; these are the first 500.
    assert correct == pytest.approx(0.69, abs=0.004)


def test_weights_in_half_precision_are_computed_with_in_float32(tiny_clip, save_model):
    folder = save_model(tiny_clip)
    weights = folder / "open_clip_model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(weights).items()}, weights)
    found = load(f"open_clip:local-dir:{folder}").encode_images(torch.ones(1, 3, 32, 32)).projected
    theirs, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    with torch.no_grad():
        assert torch.equal(found, theirs.eval().encode_image(torch.ones(1, 3, 32, 32)))


def test_the_logit_bias_is_read_from_the_checkpoint(tiny_clip, save_model):
    folder = save_model({**tiny_clip, "init_logit_bias": -10, "init_logit_scale": 2.3025851})
    info = load(f"open_clip:local-dir:{folder}").info
    assert (info.logit_scale, info.logit_bias) == (pytest.approx(10, abs=1e-4), -10.0)


def test_pedigrees_tell_apart_what_differs(tiny_clip, save_model):
    text = tiny_clip["text_cfg"]
    cleaned = {**text, "tokenizer_kwargs": {"clean": "canonicalize"}}
    first = pedigree(f"open_clip:local-dir:{save_model(tiny_clip)}")
    changes = {
        "nothing": (save_model(tiny_clip, "copy"), set()),
        "weights": (save_model(tiny_clip, "other", seed=1), {"weights"}),
        "resizing": (save_model(tiny_clip, "squash", preprocess={"resize_mode": "squash"}), {"transform"}),
        "cleaning": (save_model({**tiny_clip, "text_cfg": cleaned}, "clean"), {"tokenizer", "architecture"}),
        "activation": (save_model({**tiny_clip, "quick_gelu": True}, "quick"), {"architecture"}),
        "heads": (save_model({**tiny_clip, "text_cfg": {**text, "heads": 4}}, "heads"), {"architecture"}),
    }
    found = {name: pedigree(f"open_clip:local-dir:{folder}") for name, (folder, _) in changes.items()}
    assert {name: differing(first, other) for name, other in found.items()} == {
        name: parts for name, (_, parts) in changes.items()
    }
    assert len({other.fingerprint() for other in found.values()}) == 6


def test_equal_preprocessing_has_one_digest_however_it_is_written():
    written = {"size": 224, "mean": (0.48145466,) * 3, "std": [0.25] * 3, "interpolation": "bicubic"}
    stored = {"interpolation": "bicubic", "size": [224, 224], "mean": [0.48145467042922974] * 3, "std": (0.25,) * 3}
    assert digest_transform(written) == digest_transform(stored)
    assert digest_transform(written) != digest_transform({**stored, "interpolation": "bilinear"})


def change_vision(folder: Path, **settings: object) -> None:
    path = folder / "open_clip_config.json"
    document = json.loads(path.read_text())
    document["model_cfg"]["vision_cfg"] |= settings
    path.write_text(json.dumps(document))


def test_weights_of_another_architecture_are_explained(tiny_clip, save_model):
    folder = save_model(tiny_clip)
    change_vision(folder, width=64)
    with pytest.raises(UserError) as caught:
        load(f"open_clip:local-dir:{folder}")
    assert caught.value.where == str(folder / "open_clip_model.safetensors")
    assert caught.value.problem.startswith(f"the weights do not fit local-dir:{folder} (size mismatch")
    assert str(caught.value).endswith("more); name the architecture that they were trained with")
    assert all(caught.value.problem.count(left) == caught.value.problem.count(right) for left, right in ("()", "[]"))


def test_a_configuration_without_its_parts_is_explained(tiny_clip, save_model):
    folder = save_model(tiny_clip)
    for content, message in (
        ("{}", "lacks model_cfg"),
        ('{"model_cfg": {"embed_dim": 16}}', "lacks vision_cfg, "),
    ):
        (folder / "open_clip_config.json").write_text(content)
        assert_refused(f"open_clip:local-dir:{folder}", f"{folder / 'open_clip_config.json'}: {message}")


def test_a_configuration_that_open_clip_cannot_build_is_explained(tiny_clip, save_model):
    folder = save_model(tiny_clip)
    change_vision(folder, colour="red")
    with pytest.raises(UserError, match=r"open_clip cannot build local-dir:.*unexpected keyword argument 'colour'"):
        load(f"open_clip:local-dir:{folder}")
