"""Models of transformers: embeddings of open_clip and of transformers itself, and what can be wrong with a folder."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import open_clip
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from clipbench.errors import Unavailable, UserError
from clipbench.models.base import ImageTextModel, cutting_is_exact
from clipbench.models.catalog import find_model
from clipbench.models.hf.build import text_embeddings

from ..hub_server import use_hub
from . import hf_checkpoints as checkpoints
from .conftest import assert_refused, differing, load, noise, pedigree, random_model, relative
from .hf_checkpoints import break_weights, change, save_encoder, save_gemma, save_siglip, save_words

TEXTS = ["a dog", "A photo of 3 small red cars, on a wet street", "!", "a drawing of the number 7"]


def assert_same_embeddings(config: Mapping[str, Any], theirs: Any, folder: Path) -> None:
    checkpoints.save_converted(folder, config, theirs.state_dict())
    ours = load(f"hf:{folder}")
    side = config["vision_cfg"]["image_size"]
    pixels = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(5))
    ids = open_clip.get_tokenizer("ViT-B-32")(TEXTS)
    tokens = ours.tokenize(TEXTS)
    for row, length in enumerate(tokens.lengths.tolist()):
        assert torch.equal(tokens.ids[row, :length], ids[row, :length])
    with torch.no_grad():
        images, texts, matrix = theirs.encode_image(pixels), theirs.encode_text(ids), theirs.visual.proj.detach()
    found = ours.encode_images(pixels)
    assert relative(found.projected, images) < 1e-5
    assert relative(found.backbone @ matrix, images) < 1e-5
    longest = int(tokens.lengths.max())
    assert longest < 20
    for given in (ids, tokens.ids, tokens.ids[:, :longest]):
        assert relative(ours.encode_tokens(given), texts) < 1e-5
    assert (ours.text_length, cutting_is_exact(ours)) == ("cut", True)
    assert ours.info.logit_scale == pytest.approx(theirs.logit_scale.exp().item())
    assert (ours.info.logit_bias, ours.info.context_length, ours.info.features) == (0.0, 77, ("projected", "backbone"))


@pytest.mark.parametrize("changes", [{}, {"quick_gelu": True}])
def test_a_converted_clip_gives_open_clips_embeddings(changes, tiny_clip, tmp_path):
    config = {**tiny_clip, **changes}
    assert_same_embeddings(config, random_model(config).eval(), tmp_path)


@pytest.mark.parametrize("save_tokenizer", [save_words, save_gemma])
def test_a_siglip_gives_the_embeddings_of_transformers_on_rows_padded_to_the_full_length(save_tokenizer, tmp_path):
    theirs, ours = save_siglip(tmp_path, save_tokenizer), load(f"hf:{tmp_path}")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    texts = ["A DOG", "a dog", "a photo of a dog of a dog", "a photo of a dog of a dog of a dog of a dog"]
    lower = [text.lower() for text in texts]
    ids = tokenizer(lower, padding="max_length", max_length=12, truncation=True, return_tensors="pt")["input_ids"]
    tokens = ours.tokenize(texts)
    assert torch.equal(tokens.ids, ids)
    assert torch.equal(tokens.ids[0], tokens.ids[1])
    assert (ids[:, -1] == 1).tolist()[2:] == [True, True]
    assert tokens.truncated == (False, False, save_tokenizer is save_gemma, True)
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        wanted = [text_embeddings(theirs.get_text_features(input_ids=ids)), theirs.vision_model(pixels).pooler_output]
    found = ours.encode_images(pixels)
    assert torch.equal(ours.encode_tokens(ids), wanted[0])
    assert torch.equal(found.projected, wanted[1])
    assert (found.backbone, ours.info.features, ours.text_length) == (None, ("projected",), "whole")
    assert (ours.info.logit_scale, ours.info.logit_bias) == (pytest.approx(10, abs=1e-5), -10.0)
    assert isinstance(ours, ImageTextModel)
    with pytest.raises(ValueError, match="rows have 5 ids, this text tower needs all 12"):
        ours.encode_tokens(ids[:, :5])


def test_both_kinds_of_return_value_are_understood():
    embeddings = torch.ones(2, 3)
    output = transformers.modeling_outputs.BaseModelOutputWithPooling(pooler_output=embeddings)
    assert text_embeddings(embeddings) is text_embeddings(output) is embeddings


@pytest.mark.parametrize("name", checkpoints.OF_ONE_TOWER)
def test_an_image_only_encoder_gives_what_transformers_pools(name, tmp_path):
    theirs, ours = save_encoder(tmp_path, name), load(f"hf:{tmp_path}")
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        output = theirs(pixels)
    found = ours.encode_images(pixels)
    wanted = output.last_hidden_state[:, 0] if name in ("ViT", "DeiT") else output.pooler_output
    assert torch.equal(found.backbone, wanted)
    assert (found.projected, ours.info.has_text, ours.info.features) == (None, False, ("backbone",))
    assert ours.info.pedigree.tokenizer == ""
    assert not isinstance(ours, ImageTextModel)


@pytest.mark.parametrize("name", ["ViT", "DeiT", "Swin"])
def test_the_features_of_a_classifiers_checkpoint_are_what_its_classifier_is_given(name, tmp_path):
    theirs = save_encoder(tmp_path, name, "ForImageClassification")
    pixels = torch.randn(2, 3, 32, 32)
    found = load(f"hf:{tmp_path}").encode_images(pixels).backbone
    with torch.no_grad():
        assert torch.allclose(theirs.classifier(found), theirs(pixels).logits, atol=1e-6)


PROCESSORS = {
    "CLIP": {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}},
    "Siglip": {"size": {"height": 32, "width": 32}, "resample": 2},
    "Bit": {"size": {"shortest_edge": 24}, "crop_size": {"height": 32, "width": 32}, "do_normalize": False},
    "ViT": {"size": {"height": 32, "width": 32}, "image_mean": [0.1, 0.2, 0.3], "do_rescale": False},
    "DeiT": {"size": {"height": 37, "width": 39}, "crop_size": {"height": 32, "width": 32}, "rescale_factor": 2 / 255},
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_the_transform_gives_the_pixels_of_the_librarys_own_pil_processor(name, tmp_path):
    save_encoder(tmp_path, "Dinov2")
    theirs = getattr(transformers, f"{name}ImageProcessorPil")(**PROCESSORS[name])
    theirs.save_pretrained(tmp_path)
    model = load(f"hf:{tmp_path}")
    transform = pickle.loads(pickle.dumps(model.transform))
    for width, height in ((50, 40), (33, 71), (32, 32), (200, 31)):
        image = noise(width, height)
        wanted = torch.as_tensor(theirs(image, return_tensors="np")["pixel_values"][0])
        pixels = transform(image)
        assert (pixels.dtype, pixels.shape) == (torch.uint8, (3, 32, 32))
        assert torch.allclose(model._normalise(pixels[None])[0], wanted.float(), rtol=1e-5, atol=1e-5)


CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
REFUSED = [
    (CONFIG, {"model_type": None}, "it lacks model_type); open_clip's are named as open_clip:hf-hub:ORG/NAME or"),
    (CONFIG, {"model_type": "bert"}, "models of type 'bert' are not supported; supported are clip, siglip,"),
    (CONFIG, {"model_type": "siglip2"}, "variable patches (NaFlex), whose images have no common size; it is not"),
    (CONFIG, {"auto_map": {"AutoModel": "own.Own"}}, "code of the repository to be run (auto_map), which is"),
    (CONFIG, {"hidden_act": "nonesuch"}, "transformers cannot build ViTModel (KeyError: "),
    (PROCESSOR, {"image_processor_type": "Siglip2ImageProcessor"}, "processor Siglip2ImageProcessor is not supported"),
    (PROCESSOR, {"image_processor_type": "Nonesuch"}, "no image processor can be made from it"),
    (PROCESSOR, {"size": {"longest_edge": 9}}, "a size of {'longest_edge': 9} is not supported; supported are {'short"),
    (PROCESSOR, {"size": {"shortest_edge": 9}}, "images would keep different shapes, so no batch can be made"),
    (PROCESSOR, {"size": {"height": 48, "width": 48}}, "(48, 48), and config.json says that the model takes (32, 32)"),
]


@pytest.mark.parametrize(("file", "settings", "message"), REFUSED)
def test_what_is_not_supported_is_refused_with_what_is(file, settings, message, tmp_path):
    save_encoder(tmp_path, "ViT")
    change(tmp_path / file, **settings)
    with pytest.raises(UserError) as caught:
        load(f"hf:{tmp_path}")
    assert caught.value.where == str(tmp_path / file)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"logit_scale": None}, "(missing: 'logit_scale')"),
        ({"vision_model__head__probe": None, "logit_bias": None}, "(missing: 'logit_bias', 'vision_model.head.probe')"),
        ({"classifier__weight": torch.ones(2)}, "(unexpected: 'classifier.weight')"),
        ({"logit_bias": torch.ones(3)}, "(of another shape: 'logit_bias')"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(changes, message, tmp_path):
    save_siglip(tmp_path)
    weights = tmp_path / "model.safetensors"
    break_weights(weights, **changes)
    problem = f"{weights}: the weights do not fit SiglipModel as config.json describes it {message}; take both from one"
    assert_refused(f"hf:{tmp_path}", problem, "load")


def test_a_folder_that_is_not_there_or_lacks_a_file_is_named(tmp_path):
    assert_refused(f"hf:{tmp_path / 'nowhere'}", "nowhere: no such folder; after hf: comes ORG/NAME on the hub, or a")
    save_encoder(tmp_path, "Dinov2")
    (tmp_path / "preprocessor_config.json").unlink()
    message = "holds no preprocessor_config.json or processor_config.json; name a folder into which save_pretrained"
    assert_refused(f"hf:{tmp_path}", message)


def test_a_tokenizer_that_cannot_be_made_is_explained(tmp_path, monkeypatch):
    save_siglip(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    assert_refused(f"hf:{tmp_path}", f"{tmp_path}: no tokenizer can be made from it (", "load")
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", Mock(side_effect=ImportError("SentencePiece")))
    assert_refused(f"hf:{tmp_path}", "(ImportError: SentencePiece); pip install 'clipbench[hf]'", "load")


def test_without_transformers_it_says_how_to_install_it(tmp_path, monkeypatch):
    save_encoder(tmp_path, "ViT")
    monkeypatch.setitem(sys.modules, "transformers", None)
    for step in ("look", "load"):
        assert_refused(f"hf:{tmp_path}", "needs the transformers library; pip install 'clipbench[hf]'", step)


def test_torch_files_with_the_counters_of_old_ones_are_read(tmp_path):
    save_siglip(tmp_path)
    weights, pixels = tmp_path / "model.safetensors", torch.ones(1, 3, 32, 32)
    before = load(f"hf:{tmp_path}").encode_images(pixels).projected
    positions = {"text_model.embeddings.position_ids": torch.arange(12)[None]}
    torch.save(load_file(weights) | positions, tmp_path / "pytorch_model.bin")
    weights.unlink()
    assert torch.equal(load(f"hf:{tmp_path}").encode_images(pixels).projected, before)


def test_weights_in_parts_are_put_together_and_a_missing_part_is_named(tmp_path):
    model = save_encoder(tmp_path, "Dinov2")
    pixels = torch.ones(1, 3, 32, 32)
    before = load(f"hf:{tmp_path}").encode_images(pixels).backbone
    (tmp_path / "model.safetensors").unlink()
    model.save_pretrained(tmp_path, max_shard_size="40kB")
    parts = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(parts) > 1
    assert torch.equal(load(f"hf:{tmp_path}").encode_images(pixels).backbone, before)
    parts[1].unlink()
    assert_refused(f"hf:{tmp_path}", f"holds no {parts[1].name}")


def test_pedigrees_tell_apart_what_differs(tmp_path):
    save_siglip(tmp_path)
    first, vision = pedigree(f"hf:{tmp_path}"), {**checkpoints.IMAGES, "hidden_act": "gelu"}
    for make, parts in (
        (lambda: change(tmp_path / CONFIG, transformers_version="4.50.0", architectures=None), set()),
        (lambda: change(tmp_path / PROCESSOR, resample=2), {"transform"}),
        (lambda: change(tmp_path / "tokenizer_config.json", model_max_length=10), {"tokenizer"}),
        (lambda: change(tmp_path / CONFIG, vision_config=vision), {"architecture"}),
        (lambda: break_weights(tmp_path / "model.safetensors", logit_bias=torch.ones(1)), {"weights"}),
    ):
        make()
        second = pedigree(f"hf:{tmp_path}")
        assert differing(first, second) == parts
        first = second


def test_weights_are_float32_whatever_the_files_say_and_attention_is_the_librarys_own(tmp_path):
    save_siglip(tmp_path)
    weights, spec = tmp_path / "model.safetensors", f"hf:{tmp_path}"
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    exact = load(spec).encode_images(pixels).projected
    change(tmp_path / "config.json", dtype="bfloat16", attn_implementation="org/kernel")
    assert torch.equal(load(spec).encode_images(pixels).projected, exact)
    save_file({name: value.half() for name, value in load_file(weights).items()}, weights)
    assert 0 < relative(load(spec).encode_images(pixels).projected, exact) < 0.01


def test_a_hub_model_is_looked_up_downloaded_and_equal_to_its_local_copy(hub, monkeypatch):
    save_siglip(hub.root / "org" / "tiny")
    source = find_model("hf:org/tiny")
    before = source.look()
    assert (before.local, before.where, hub.cache.exists()) == (False, "hf-hub:org/tiny", False)
    source.fetch()
    use_hub(monkeypatch, "http://127.0.0.1:9")
    assert source.look().where.startswith(str(hub.cache))
    assert source.about == "transformers hf-hub:org/tiny"
    model, copy = source.load("cpu", "float32"), load(f"hf:{hub.root / 'org' / 'tiny'}")
    assert (model.info.pedigree, model.info.name, copy.info.name) == (copy.info.pedigree, "hf:org/tiny", "tiny")


def test_in_offline_mode_it_says_what_is_missing_and_what_to_do(hub, monkeypatch):
    save_siglip(hub.root / "org" / "tiny")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    source = find_model("hf:org/tiny")
    for step in (source.look, source.fetch):
        with pytest.raises(Unavailable) as caught:
            step()
        assert str(caught.value).startswith("model hf:org/tiny: config.json of org/tiny is not in ")
        assert "or name a checkpoint that you have as hf:DIR (there is no folder org/tiny here)" in str(caught.value)
