"""What the loop asks of a pair of towers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    import PIL.Image


class Towers(nn.Module):
    """An image and a text tower, called together, so that processes exchange the gradients of both at once."""

    def __init__(
        self,
        model: nn.Module,
        image: Callable[[Tensor], Tensor],
        text: Callable[[Tensor], Tensor],
        precision: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.model = model
        self._image, self._text, self._precision = image, text, precision

    def forward(self, pixels: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, D) float32 image and text features of length 1, whatever the towers' precision."""
        mixed = self._precision != torch.float32
        with torch.autocast(pixels.device.type, self._precision if mixed else None, enabled=mixed):
            image, text = self._image(pixels), self._text(tokens)
        return functional.normalize(image.float(), dim=1), functional.normalize(text.float(), dim=1)


@dataclass(frozen=True)
class Trainable:
    """A model to train: its towers, what goes into them, and how it is written."""

    model: nn.Module
    """All weights, `log_scale` and `bias` among them."""
    image: Callable[[Tensor], Tensor]
    """(B, 3, S, S) -> (B, D)."""
    text: Callable[[Tensor], Tensor]
    """(B, L) ids -> (B, D)."""
    tokenize: Callable[[Sequence[str]], Tensor]
    """B texts -> (B, L) int64 ids, cut to the longest where the tower allows it."""
    text_weights: Sequence[nn.Parameter]
    """Those of the text tower; all others but the scale and the bias are the image tower's."""
    log_scale: nn.Parameter
    bias: nn.Parameter | None
    side: int
    """S, of the images."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize_mode: str
    """How an image becomes a square: 'shortest' by its shorter side, 'squash' with both sides scaled to S."""
    transform: Callable[[PIL.Image.Image], Tensor]
    """RGB image -> (3, S, S) float32: what the written model does with an image that it is evaluated on; picklable."""
    write: Callable[[Path, Mapping[str, Any]], None]
    """Writes the checkpoint that `clipbench run --model` reads into a folder, with what is told of the training."""

    def towers(self, precision: torch.dtype = torch.float32) -> Towers:
        """Return both towers as one module."""
        return Towers(self.model, self.image, self.text, precision)

    @property
    def batch_statistics(self) -> bool:
        """Whether an image's features depend on the others of its batch."""
        return any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in self.model.modules())
