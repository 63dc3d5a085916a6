"""The two towers of the reference CLIP: a small residual network for images, a causal transformer for texts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Architecture:
    """Everything that fixes the shapes of the weights."""

    image_side: int = 48
    image_stem: int = 16
    """Channels at full resolution."""
    image_widths: tuple[int, ...] = (32, 64, 128)
    """Channels of the stages; each stage halves the side."""
    image_blocks: tuple[int, ...] = (0, 1, 1)
    """Residual blocks in each stage."""
    embedding: int = 128
    """D, the width of the joint space."""
    vocabulary: int = 512
    context: int = 32
    text_width: int = 128
    text_layers: int = 2
    text_heads: int = 4


class ReferenceTowers(nn.Module):
    """Both towers and the logit scale: all that is trained."""

    def __init__(self, architecture: Architecture, end_id: int, temperature: float = 0.07) -> None:
        super().__init__()
        self.image = ImageTower(architecture)
        self.text = TextTower(architecture, end_id)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)))


class ImageTower(nn.Module):
    """A residual network in the manner of He et al. 2016, with a stem at full resolution and maximum pooling.

    The objects of the scenes are seven to eleven pixels wide: a stem that halves the side, or average pooling,
    loses their shapes.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        widths = architecture.image_widths
        stages = [_convolution(3, architecture.image_stem)]
        before = (architecture.image_stem, *widths)
        for inputs, width, blocks in zip(before, widths, architecture.image_blocks, strict=False):
            stages.append(_convolution(inputs, width, stride=2))
            stages += [ResidualBlock(width) for _ in range(blocks)]
        self.stages = nn.Sequential(*stages)
        # Pooled maxima are all positive, so without this all images would begin with nearly equal embeddings.
        self.norm = nn.BatchNorm1d(widths[-1])
        self.projection = nn.Linear(widths[-1], architecture.embedding, bias=False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Turn (B, 3, S, S) pixels into (B, D) projected and (B, F) pooled features."""
        pooled = self.norm(self.stages(pixels.contiguous(memory_format=torch.channels_last)).amax(dim=(2, 3)))
        return self.projection(pooled), pooled


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        nn.init.zeros_(self.norm.weight)

    def forward(self, maps: Tensor) -> Tensor:
        """Keep the shape (B, C, H, W)."""
        return functional.relu(maps + self.norm(self.second(self.first(maps))))


class TextTower(nn.Module):
    """A pre-norm transformer with causal attention, read at the end token.

    What follows the end token cannot change the embedding, so rows may be cut after it.
    """

    def __init__(self, architecture: Architecture, end_id: int) -> None:
        super().__init__()
        width = architecture.text_width
        self.end_id = end_id
        self.tokens = nn.Embedding(architecture.vocabulary, width)
        self.positions = nn.Parameter(torch.empty(architecture.context, width))
        self.blocks = nn.Sequential(
            *(TextBlock(width, architecture.text_heads) for _ in range(architecture.text_layers))
        )
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, architecture.embedding, bias=False)
        nn.init.normal_(self.tokens.weight, std=0.3)
        nn.init.normal_(self.positions, std=0.01)
        with torch.no_grad():
            # All texts end alike: their embeddings shall begin with what the other tokens say.
            self.tokens.weight[end_id] = 0

    def forward(self, ids: Tensor) -> Tensor:
        """Turn (B, L) ids, L at most the context length, into (B, D)."""
        hidden = self.blocks(self.tokens(ids) + self.positions[: ids.shape[1]])
        end = (ids == self.end_id).int().argmax(dim=1)
        embedded: Tensor = self.projection(self.norm(hidden[torch.arange(len(ids), device=ids.device), end]))
        return embedded


class TextBlock(nn.Module):
    """Causal self-attention and a feed-forward layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, hidden: Tensor) -> Tensor:
        """Keep the shape (B, L, W)."""
        batch, length, width = hidden.shape
        heads = self.query_key_value(self.norm_attention(hidden)).view(batch, length, 3, self.heads, -1)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        hidden = hidden + self.output(attended.transpose(1, 2).reshape(batch, length, width))
        changed: Tensor = hidden + self.mlp(self.norm_mlp(hidden))
        return changed
