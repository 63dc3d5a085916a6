"""clip-tiny and other reference models: what the package carries works as a model should."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

import clipbench.models.reference
from clipbench.datasets.adapters.digits import Digits
from clipbench.datasets.adapters.scenes.scenes import Scenes
from clipbench.datasets.base import Dataset
from clipbench.datasets.decoding import decode
from clipbench.errors import UserError
from clipbench.fingerprint import digest_file
from clipbench.models.base import ImageTextModel
from clipbench.models.reference.tokenizer import END, PAD, START, UNKNOWN, WordTokenizer

from .conftest import assert_refused, load
from .hf_checkpoints import change

CLIP_TINY = Path(clipbench.models.reference.__file__).parent / "clip-tiny"


@pytest.fixture(scope="module")
def model():
    return load("clip-tiny")


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(CLIP_TINY, tmp_path / "copy")


def embed_texts(model, texts):
    return normalize(model.encode_tokens(model.tokenize(texts).ids), dim=1)


def top1(model, dataset: Dataset) -> float:
    examples = [e for shard in dataset.split("test").shards() for e in shard]
    pixels = torch.stack([model.transform(decode(e.image)) for e in examples])
    images = normalize(model.encode_images(pixels).projected, dim=1)
    prompts = [[template.format(name) for template in dataset.templates] for name in dataset.classes]
    weights = torch.stack([normalize(embed_texts(model, strings).mean(dim=0), dim=0) for strings in prompts])
    return float(((images @ weights.T).argmax(dim=1) == torch.tensor([e.label for e in examples])).float().mean())


def test_the_weights_are_small():
    assert sum(path.stat().st_size for path in CLIP_TINY.iterdir()) <= 3_000_000


def test_it_is_good_where_it_was_trained(model):
    assert top1(model, Scenes(by="shape", n=300)) > 0.9
    assert top1(model, Scenes(by="colour", n=300)) > 0.9
    assert top1(model, Digits()) > 0.85


def test_it_fits_the_protocol_and_says_what_it_is(model):
    assert isinstance(model, ImageTextModel)
    info = model.info
    assert info.name == "clip-tiny"
    assert info.has_text
    assert info.features == ("projected", "backbone")
    assert info.trained_on == ("clipbench-scenes", "digits (train half)")
    assert 1 < info.logit_scale <= 100.001
    assert info.pedigree.weights == digest_file(CLIP_TINY / "model.safetensors")
    assert info.pedigree.precision == "float32"


def test_each_image_is_encoded_as_if_alone(model):
    pixels = torch.randn(5, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    together, alone = model.encode_images(pixels).projected, model.encode_images(pixels[2:3]).projected
    assert torch.allclose(together[2], alone[0], atol=1e-4)


def test_the_transform_leaves_scenes_as_they_are(model):
    example = next(iter(Scenes(n=1).split("test").shards()[0]))
    image = decode(example.image)
    expected = (torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255 - 0.6) / 0.3
    assert torch.allclose(model.transform(image), expected, atol=1e-5)


def test_cutting_a_batch_to_its_longest_text_changes_nothing(model):
    texts = ["a red circle", "", "three small yellow triangles above the house and far from it.", "unknown zebras!"]
    tokens = model.tokenize(texts)
    cut = model.encode_tokens(tokens.ids[:, : int(tokens.lengths.max())])
    assert model.text_length == "cut"
    assert int(tokens.lengths.max()) < tokens.ids.shape[1]
    assert torch.allclose(cut, model.encode_tokens(tokens.ids), atol=1e-5)


def test_the_tokenizer_keeps_words_and_spells_what_it_does_not_know():
    tokenizer = WordTokenizer.of_words(["red", "circle"], context=10)
    tokens = tokenizer(["A RED circle.", "ab é", ""])
    names = [[tokenizer.vocabulary[i] for i in row if i != PAD] for row in tokens.ids.tolist()]
    assert names == [
        ["<start>", "a", "red", "circle", ".", "<end>"],
        ["<start>", "a", "b", "<unknown>", "<end>"],
        ["<start>", "<end>"],
    ]
    assert tokens.lengths.tolist() == [6, 5, 2]
    assert tokens.truncated == (False, False, False)
    assert tokens.ids.shape == (3, 10)


def test_the_tokenizer_cuts_and_says_so():
    tokenizer = WordTokenizer.of_words(["red"], context=6)
    tokens = tokenizer(["red red red red", "red red red red red"])
    assert tokens.truncated == (False, True)
    assert tokens.ids[1].tolist() == tokens.ids[0].tolist()
    assert (tokens.ids[1, 0], tokens.ids[1, -1]) == (START, END)


def test_no_two_different_known_texts_look_alike_and_any_string_is_taken(model):
    ids = model.tokenize(["a red circle", "a blue circle", "日本語 \u0000 \U0001f600", "x" * 500, "\n\t"]).ids
    assert len({tuple(row) for row in ids.tolist()}) == 5
    assert UNKNOWN in ids[2].tolist()
    assert torch.isfinite(model.encode_tokens(ids)).all()


def test_weights_of_another_architecture_are_explained(folder):
    change(
        folder / "config.json",
        architecture={**json.loads((folder / "config.json").read_text())["architecture"], "text_layers": 5},
    )
    assert_refused(f"local:{folder}", "model.safetensors: holds no weights that fit config.json", "load")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"format": 2}, "is not of format 1; train the model again"),
        ({"vocabulary": None}, "is not the configuration of a reference CLIP ('vocabulary')"),
        ({"extra": 1}, "unknown key 'extra'"),
        ({"architecture": {"depth": 3}}, "is not the configuration of a reference CLIP"),
    ],
)
def test_a_wrong_configuration_is_explained(folder, settings, message):
    change(folder / "config.json", **settings)
    with pytest.raises(UserError) as caught:
        load(f"local:{folder}")
    assert caught.value.where == str(folder / "config.json")
    assert message in str(caught.value)
