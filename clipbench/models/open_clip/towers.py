"""The two towers of an open_clip model, opened where clipbench needs more than `encode_image` and `encode_text`.

The image tower is split at its projection, so that one forward pass gives the features before and after it.
A causal text tower is run on rows cut to the longest text: open_clip's own forward wants whole rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import TextTransformer, VisionTransformer
from torch import Tensor, nn
from torch.nn import functional

from clipbench.models.base import ImageFeatures


@dataclass(frozen=True)
class ImageTower:
    """An image tower in two parts."""

    trunk: Callable[[Tensor], Tensor]
    """(B, 3, H, W) pixels -> (B, F); where there is no projection, F is D."""
    project: Callable[[Tensor], Tensor] | None
    """(B, F) -> (B, D) in the joint space; None where the tower has no projection of its own."""

    @property
    def features(self) -> tuple[str, ...]:
        """Which features `encode` gives."""
        return ("projected",) if self.project is None else ("projected", "backbone")

    def encode(self, pixels: Tensor) -> ImageFeatures:
        """Encode (B, 3, H, W) pixels in one forward pass."""
        pooled = self.trunk(pixels)
        if self.project is None:
            return ImageFeatures(projected=pooled, backbone=None)
        return ImageFeatures(projected=self.project(pooled), backbone=pooled)


def split_image_tower(visual: nn.Module) -> ImageTower:
    """Split an image tower at its projection; the model must be encoded through the result from then on.

    - VisionTransformer: its output before the matrix `proj`, which is taken out of the tower.
    - ModifiedResNet: the input of the attention pool's output projection `c_proj`.
    - timm towers: the trunk's output before open_clip's linear or MLP head, or before the trunk's own
      classifier where that serves as the projection.
    - towers without a projection (SigLIP) and unknown ones: whole.
    """
    if isinstance(visual, VisionTransformer):
        return _split_vision_transformer(visual)
    if isinstance(visual, ModifiedResNet):
        return ImageTower(lambda pixels: _resnet_pool_input(visual, pixels), visual.attnpool.c_proj)
    if isinstance(visual, TimmModel):
        return _split_timm(visual)
    return ImageTower(lambda pixels: _pooled(visual(pixels)), None)


def _pooled(output: Any) -> Tensor:
    """Return the pooled embedding of a tower that may give (embedding, tokens)."""
    pooled: Tensor = output[0] if isinstance(output, tuple) else output
    return pooled


def _split_vision_transformer(visual: Any) -> ImageTower:
    matrix = visual.proj
    if matrix is None:
        return ImageTower(lambda pixels: _pooled(visual(pixels)), None)
    visual.proj = None
    return ImageTower(lambda pixels: _pooled(visual(pixels)), lambda pooled: pooled @ matrix)


def _resnet_pool_input(visual: Any, pixels: Tensor) -> Tensor:
    """Return the (B, F) input of `c_proj`: attention with the mean as the only query (Radford et al. 2021).

    open_clip computes a query for every position and keeps the first; here only that one is computed.
    """
    cells = visual.stem(pixels)
    for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
        cells = layer(cells)
    pool = visual.attnpool
    cells = cells.flatten(2).transpose(1, 2)
    tokens = torch.cat([cells.mean(dim=1, keepdim=True), cells], dim=1) + pool.positional_embedding.to(cells.dtype)
    query, key, value = (
        projected.unflatten(-1, (pool.num_heads, -1)).transpose(1, 2)
        for projected in (pool.q_proj(tokens[:, :1]), pool.k_proj(tokens), pool.v_proj(tokens))
    )
    attended: Tensor = functional.scaled_dot_product_attention(query, key, value)
    return attended.transpose(1, 2).flatten(1)


def _split_timm(visual: Any) -> ImageTower:
    trunk, head = visual.trunk, visual.head
    if "pool" in head._modules:
        return ImageTower(visual, None)
    if len(head) > 0:
        return ImageTower(trunk, head)
    classifier = trunk.get_classifier()
    if not isinstance(classifier, nn.Linear):
        return ImageTower(visual, None)
    return ImageTower(lambda pixels: trunk.forward_head(trunk.forward_features(pixels), pre_logits=True), classifier)


def cuttable_text_tower(model: Any) -> Callable[[Tensor], Tensor] | None:
    """Return a forward of the text tower that takes rows of any length, or None where a cut would change it.

    (B, L) ids -> (B, D), not normalised. A cut changes nothing where attention is causal and the pooled
    position is found from the ids, so padding behind the end token is never seen. It does where padding
    attends (SigLIP), the last position is pooled, or a class token stands behind the text (CoCa); Hugging
    Face towers are left whole too.
    """
    own_tower = not hasattr(model, "text")
    tower = model if own_tower else model.text
    if not own_tower and not isinstance(tower, TextTransformer):
        return None
    pool = model.text_pool_type if own_tower else tower.pool_type
    end = model.text_eos_id if own_tower else tower.eos_id
    behind_text = not own_tower and (tower.cls_emb is not None or tower.use_pad_mask)
    if pool not in ("argmax", "eos", "first") or behind_text or not _is_causal(tower.attn_mask):
        return None
    return lambda ids: _encode_cut(tower, ids, pool, end)


def _is_causal(mask: Tensor | None) -> bool:
    if mask is None:
        return False
    causal = torch.full(mask.shape, -torch.inf).triu(1)
    return torch.equal(mask.cpu().float(), causal)


def _encode_cut(tower: Any, ids: Tensor, pool: str, end: int) -> Tensor:
    length = ids.shape[1]
    states = tower.token_embedding(ids) + tower.positional_embedding[:length]
    states = tower.ln_final(tower.transformer(states, attn_mask=tower.attn_mask[:length, :length]))
    if pool == "first":
        pooled: Tensor = states[:, 0]
    else:
        position = ids.argmax(dim=1) if pool == "argmax" else (ids == end).int().argmax(dim=1)
        pooled = states[torch.arange(len(ids), device=ids.device), position]
    projection = tower.text_projection
    if projection is None:
        return pooled
    projected: Tensor = projection(pooled) if isinstance(projection, nn.Linear) else pooled @ projection
    return projected
