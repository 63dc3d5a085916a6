"""Small checkpoints of transformers: converted from open_clip, or random, with tokenizers that need no download."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import open_clip
import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file

TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
IMAGES = {**TOWER, "image_size": 32, "patch_size": 16}
WHOLE = {"size": {"height": 32, "width": 32}, "resample": 3}


def in_transformers_words(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename and cut up the weights of open_clip's CLIP, of two transformers, as transformers' CLIPModel has them."""
    names = {
        "positional_embedding": "text_model.embeddings.position_embedding.weight",
        "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
        "text_projection": "text_projection.weight",
        "visual.proj": "visual_projection.weight",
        "visual.class_embedding": "vision_model.embeddings.class_embedding",
        "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
        "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    }
    parts = {
        "visual.ln_pre": "vision_model.pre_layrnorm",
        "visual.ln_post": "vision_model.post_layernorm",
        "ln_final": "text_model.final_layer_norm",
        "visual.transformer.resblocks": "vision_model.encoder.layers",
        "transformer.resblocks": "text_model.encoder.layers",
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "attn": "self_attn",
        "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
    }
    converted = {}
    for name, value in state.items():
        known = names.get(name, name)
        for before, after in parts.items():
            known = known.replace(before, after) if name not in names else known
        if "in_proj_" in known:
            for letter, rows in zip("qkv", value.chunk(3), strict=True):
                converted[known.replace("in_proj_", f"{letter}_proj.")] = rows
        else:
            converted[known] = value.T if name in ("text_projection", "visual.proj") else value
    return {name: value.contiguous().clone() for name, value in converted.items()}


def save_clip_tokenizer(folder: Path) -> None:
    """Write the tokenizer of the CLIP paper, which open_clip brings, as the files that transformers reads."""
    theirs = open_clip.tokenizer.SimpleTokenizer()
    special = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {special.get(word, word): number for word, number in theirs.encoder.items()}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    merges = [" ".join(pair) for pair in theirs.bpe_ranks]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "pad_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def save_converted(folder: Path, config: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> None:
    """Write open_clip's weights and configuration as a checkpoint of transformers."""
    vision, text = config["vision_cfg"], config["text_cfg"]
    activation = "quick_gelu" if config.get("quick_gelu") else "gelu"
    towers = {
        "vision_config": {
            "hidden_size": vision["width"],
            "intermediate_size": 4 * vision["width"],
            "num_hidden_layers": vision["layers"],
            "num_attention_heads": vision["width"] // vision.get("head_width", 64),
            "image_size": vision["image_size"],
            "patch_size": vision["patch_size"],
            "hidden_act": activation,
        },
        "text_config": {
            "hidden_size": text["width"],
            "intermediate_size": 4 * text["width"],
            "num_hidden_layers": text["layers"],
            "num_attention_heads": text["heads"],
            "hidden_act": activation,
        },
    }
    transformers.CLIPConfig(projection_dim=config["embed_dim"], **towers).save_pretrained(folder)
    save_file(in_transformers_words(state), folder / "model.safetensors", metadata={"format": "pt"})
    side = vision["image_size"]
    processor = {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
    transformers.CLIPImageProcessor(**processor).save_pretrained(folder)
    save_clip_tokenizer(folder)


def save_words(folder: Path) -> None:
    """Write a tokenizer as SigLIP's: unigrams of lower-case text, an end token that pads too."""
    pieces = [("<unk>", 0.0), ("</s>", 0.0), *((f"▁{word}", -2.0) for word in ("a", "dog", "photo", "of")), ("▁", -3.0)]
    pieces += [(letter, -4.0) for letter in "abcdefghijklmnopqrstuvwxyz"]
    backend = tokenizers.Tokenizer(tokenizers.models.Unigram(pieces, unk_id=0))
    backend.normalizer = tokenizers.normalizers.Lowercase()
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    backend.post_processor = tokenizers.processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    special = {"pad_token": "</s>", "eos_token": "</s>", "unk_token": "<unk>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=12, **special).save_pretrained(
        folder
    )


def save_gemma(folder: Path) -> None:
    """Write a tokenizer as fixed-resolution SigLIP 2 has it: Gemma's, which knows upper case, with no stated length."""
    words = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *"abcdefghijklmnopqrstuvwxyzADG"]
    vocabulary = {word: number for number, word in enumerate(words)}
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, [], unk_token="<unk>"))
    backend.normalizer = tokenizers.normalizers.Replace(" ", "▁")
    backend.post_processor = tokenizers.processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    backend.enable_padding(length=64, pad_id=0, pad_token="<pad>")
    backend.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "GemmaTokenizerFast", "padding_side": "right", "pad_token": "<pad>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "eos_token": "<eos>", "bos_token": "<bos>"}))


def save_siglip(folder: Path, save_tokenizer: Callable[[Path], None] = save_words) -> Any:
    """Write a random SigLIP with room for 12 tokens, and return it."""
    torch.manual_seed(0)
    texts = {**TOWER, "vocab_size": 40, "max_position_embeddings": 12, "projection_size": 32}
    model = transformers.SiglipModel(transformers.SiglipConfig(text_config=texts, vision_config=IMAGES))
    model.logit_scale.data.fill_(2.3025851)
    model.logit_bias.data.fill_(-10)
    model.save_pretrained(folder)
    transformers.SiglipImageProcessor(**WHOLE).save_pretrained(folder)
    save_tokenizer(folder)
    return model.eval()


OF_ONE_TOWER = ("Dinov2", "Dinov2WithRegisters", "DINOv3ViT", "ViT", "DeiT", "Swin", "CLIPVision", "SiglipVision")
"""Image-only encoders, as the names of their classes begin."""


def save_encoder(folder: Path, name: str, ending: str = "Model") -> Any:
    """Write a random image-only model, and return it."""
    torch.manual_seed(1)
    swin = {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4}
    config = getattr(transformers, f"{name}Config")(**(swin if name == "Swin" else IMAGES))
    model = getattr(transformers, name + ending)(config).eval()
    model.save_pretrained(folder)
    transformers.ViTImageProcessor(**WHOLE).save_pretrained(folder)
    return model


def change(path: Path, **settings: Any) -> None:
    """Change a JSON file; None takes a key out."""
    changed = json.loads(path.read_text()) | settings
    path.write_text(json.dumps({key: value for key, value in changed.items() if value is not None}))


def break_weights(path: Path, **changes: torch.Tensor | None) -> None:
    state = load_file(path) | {name.replace("__", "."): value for name, value in changes.items()}
    save_file({name: value for name, value in state.items() if value is not None}, path)
