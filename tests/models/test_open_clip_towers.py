"""Every tower type that open_clip offers: same embeddings as open_clip's own, in one forward, and on cut rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch

from clipbench.models.base import cutting_is_exact

from .conftest import differing, load, pedigree, relative, save_word_tokenizer

TEXTS = ["a dog", "a photo of 3 small red cars, on a wet street", "!", "a drawing of the number 7"]
WITH_CLASS_TOKEN = {"embed_cls": True, "output_tokens": True, "context_length": 76}
COCA_VISION = {"attentional_pool": True, "attn_pooler_heads": 2, "attn_pooler_queries": 4, "output_tokens": True}
MULTIMODAL = {"context_length": 76, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1, "attn_pooler_heads": 2}


def timm_tower(name: str, pool: str, proj: str | None) -> dict[str, Any]:
    return {"timm_model_name": name, "timm_pool": pool, "timm_proj": proj, "image_size": 160}


IMAGE_TOWERS = {
    "vision transformer": ({}, True),
    "vision transformer, mean pooled": ({"pool_type": "avg", "final_ln_after_pool": True, "no_ln_pre": True}, True),
    "vision transformer, attention pooled": ({"attentional_pool": True, "attn_pooler_heads": 2}, True),
    "modified resnet": (
        {"layers": [1, 1, 1, 1], "width": 8, "head_width": 32, "image_size": 64, "patch_size": None},
        True,
    ),
    "timm, linear head": (timm_tower("test_vit", "token", "linear"), True),
    "timm, mlp head": (timm_tower("test_convnext", "avg", "mlp"), True),
    "timm, classifier as projection": (timm_tower("test_vit", "token", None), True),
    "timm, classifier of a convolutional net": (timm_tower("test_byobnet", "avg", None), True),
    "timm, pooling in the head": (timm_tower("test_byobnet", "rot_attn", None), False),
    "timm, no projection, as in SigLIP": (timm_tower("test_vit3", "map", "none"), False),
}
TEXT_TOWERS = {
    "causal": ({}, "cut"),
    "causal, quick GELU": ({"quick_gelu": True}, "cut"),
    "custom, first maximum pooled": ({"custom_text": True}, "cut"),
    "custom, end token pooled": ({"custom_text": True, "text_cfg": {"pool_type": "eos", "eos_id": 49407}}, "cut"),
    "custom, first position pooled": ({"custom_text": True, "text_cfg": {"pool_type": "first"}}, "cut"),
    "custom, projection with bias": ({"custom_text": True, "text_cfg": {"proj_bias": True}}, "cut"),
    "end token pooled": ({"text_cfg": {"pool_type": "eos", "eos_id": 49407}}, "cut"),
    "last position pooled": ({"text_cfg": {"pool_type": "last"}}, "whole"),
    "padding attends": ({"text_cfg": {"no_causal_mask": True}}, "whole"),
    "as in SigLIP": (
        {"custom_text": True, "text_cfg": {"no_causal_mask": True, "proj_bias": True, "pool_type": "last"}},
        "whole",
    ),
    "class token behind the text, as in CoCa": (
        {"custom_text": True, "vision_cfg": COCA_VISION, "text_cfg": WITH_CLASS_TOKEN, "multimodal_cfg": MULTIMODAL},
        "whole",
    ),
}


def changed(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Merge changes into a configuration, tower by tower."""
    merged = dict(config)
    for key, value in changes.items():
        merged[key] = {**config.get(key, {}), **value} if isinstance(value, dict) else value
    return merged


def both(folder: Path) -> tuple[Any, Any]:
    """The folder's model as clipbench loads it, and as open_clip does."""
    ours = load(f"open_clip:local-dir:{folder}")
    theirs, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    return ours, theirs.eval()


def pixels(size: int, batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("name", IMAGE_TOWERS)
def test_one_forward_gives_open_clips_embedding_and_the_features_before_it(name, tiny_clip, save_model):
    vision, has_projection = IMAGE_TOWERS[name]
    ours, theirs = both(save_model(changed(tiny_clip, {"vision_cfg": vision, "custom_text": "timm" in name})))
    batch = pixels(vision.get("image_size", 32))
    found = ours.encode_images(batch)
    with torch.no_grad():
        wanted = theirs.encode_image(batch)
    assert relative(found.projected, wanted) < 1e-6
    assert ours.info.features == (("projected", "backbone") if has_projection else ("projected",))
    assert (found.backbone is not None) == has_projection


def test_a_vision_transformers_embedding_is_bit_identical_and_its_backbone_is_the_input_of_proj(tiny_clip, save_model):
    ours, theirs = both(save_model(tiny_clip))
    found = ours.encode_images(pixels(32))
    with torch.no_grad():
        assert torch.equal(found.projected, theirs.encode_image(pixels(32)))
        assert torch.equal(found.backbone @ theirs.visual.proj, found.projected)


def test_a_resnets_backbone_is_the_input_of_the_pools_output_projection(tiny_clip, save_model):
    vision, _ = IMAGE_TOWERS["modified resnet"]
    ours, theirs = both(save_model(changed(tiny_clip, {"vision_cfg": vision})))
    found = ours.encode_images(pixels(64))
    # With an identity as output projection, open_clip's tower gives that input itself.
    width = found.backbone.shape[1]
    theirs.visual.attnpool.c_proj = torch.nn.Linear(width, width)
    torch.nn.init.eye_(theirs.visual.attnpool.c_proj.weight)
    torch.nn.init.zeros_(theirs.visual.attnpool.c_proj.bias)
    with torch.no_grad():
        assert relative(found.backbone, theirs.encode_image(pixels(64))) < 1e-6


def assert_equal_on_whole_rows(ours: Any, theirs: Any) -> None:
    ids = ours.tokenize(TEXTS).ids
    with torch.no_grad():
        assert torch.equal(ours.encode_tokens(ids), theirs.encode_text(ids, normalize=False))


@pytest.mark.parametrize("name", [name for name, (_, length) in TEXT_TOWERS.items() if length == "cut"])
def test_rows_cut_to_the_longest_text_give_open_clips_embedding(name, tiny_clip, save_model):
    ours, theirs = both(save_model(changed(tiny_clip, TEXT_TOWERS[name][0])))
    assert_equal_on_whole_rows(ours, theirs)
    tokens = ours.tokenize(TEXTS)
    longest = int(tokens.lengths.max())
    assert ours.text_length == "cut"
    assert cutting_is_exact(ours)
    assert longest < 20
    assert relative(ours.encode_tokens(tokens.ids[:, :longest]), ours.encode_tokens(tokens.ids)) < 1e-5
    for row, length in enumerate(tokens.lengths.tolist()):
        alone = ours.encode_tokens(tokens.ids[row : row + 1, :length])
        assert relative(alone, ours.encode_tokens(tokens.ids)[row : row + 1]) < 1e-5


@pytest.mark.parametrize("name", [name for name, (_, length) in TEXT_TOWERS.items() if length == "whole"])
def test_towers_that_see_what_is_behind_the_text_are_left_whole(name, tiny_clip, save_model):
    ours, theirs = both(save_model(changed(tiny_clip, TEXT_TOWERS[name][0])))
    assert_equal_on_whole_rows(ours, theirs)
    assert ours.text_length == "whole"
    assert not cutting_is_exact(ours)
    with pytest.raises(ValueError, match=r"this text tower needs all 7[67]"):
        ours.encode_tokens(ours.tokenize(TEXTS).ids[:, :20])


class SeesPadding:
    """A model that wrongly claims that its texts may be cut."""

    def __init__(self, model: Any) -> None:
        self.info, self.text_length, self.tokenize, self._model = model.info, "cut", model.tokenize, model

    def encode_tokens(self, ids: torch.Tensor) -> torch.Tensor:
        return self._model.encode_tokens(ids) * (1 + 1e-3 * torch.arange(16) * ids.shape[1] / 77)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_the_start_up_check_holds_in_every_precision(precision, tiny_clip, save_model):
    model = load(f"open_clip:local-dir:{save_model(tiny_clip)}", precision)
    assert cutting_is_exact(model)
    assert model.encode_tokens(model.tokenize(TEXTS).ids).dtype == torch.float32
    assert model.encode_images(pixels(32)).backbone.dtype == torch.float32


def test_the_start_up_check_finds_a_wrong_claim(tiny_clip, save_model):
    model = load(f"open_clip:local-dir:{save_model(tiny_clip)}")
    assert not cutting_is_exact(SeesPadding(model))


def test_lengths_end_with_the_end_token_and_a_text_that_is_cut_is_reported(tiny_clip, save_model):
    model = load(f"open_clip:local-dir:{save_model(tiny_clip)}")
    tokens = model.tokenize(["a dog", "dog " * 75, "dog " * 76, ""])
    assert tokens.lengths.tolist() == [4, 77, 77, 2]
    assert tokens.truncated == (False, False, True, False)
    assert tokens.ids.shape == (4, 77)
    assert [int(tokens.ids[row, length - 1]) for row, length in enumerate(tokens.lengths)] == [49407] * 4


def test_a_hugging_face_text_tower_and_tokenizer_are_taken_whole(tiny_clip, save_model, tmp_path):
    transformers = pytest.importorskip("transformers")
    tower = tmp_path / "tower"
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    transformers.BertConfig(vocab_size=9, max_position_embeddings=16, **sizes).save_pretrained(tower)
    text = {"hf_model_name": str(tower), "hf_tokenizer_name": "beside-the-weights", "context_length": 12}
    config = {**tiny_clip, "custom_text": True, "text_cfg": text}
    folder = save_model(config)
    save_word_tokenizer(folder)
    ours, theirs = both(folder)
    tokens = ours.tokenize(["a dog", "a photo of the dog", "dog " * 10, "dog " * 11])
    with torch.no_grad():
        assert torch.equal(ours.encode_tokens(tokens.ids), theirs.encode_text(tokens.ids))
    assert ours.text_length == "whole"
    assert tokens.lengths.tolist() == [4, 7, 12, 12]
    assert tokens.truncated == (False, False, False, True)


def test_a_tokenizers_digest_does_not_change_with_use_but_with_its_vocabulary(tiny_clip, save_model):
    config = changed(tiny_clip, {"text_cfg": {"hf_tokenizer_name": "beside-the-weights", "context_length": 12}})
    folder = save_model(config)
    save_word_tokenizer(folder)
    spec = f"open_clip:local-dir:{folder}"
    first = load(spec)
    first.tokenize(["a dog"])
    content = json.loads((folder / "tokenizer.json").read_text())
    assert pedigree(spec) == first.info.pedigree
    content["model"]["vocab"] |= {"dog": 6, "photo": 5}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    assert differing(pedigree(spec), first.info.pedigree) == {"tokenizer"}
