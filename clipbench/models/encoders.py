"""Loaded models, made of what a library computes: towers as functions, a transform, a tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from clipbench.models.base import ImageFeatures, ModelInfo, Tokens, inference

if TYPE_CHECKING:
    from torch import Tensor

    from clipbench.models.transforms import Transform


class ImageEncoder:
    """An `ImageModel`. Weights are float32; lower precisions run under autocast. Features are float32."""

    def __init__(
        self,
        info: ModelInfo,
        device: str,
        transform: Transform,
        normalise: Callable[[Tensor], Tensor] | None,
        encode: Callable[[Tensor], ImageFeatures],
    ) -> None:
        """Join the parts.

        Args:
            info: what the model is.
            device: where the weights are.
            transform: of one image; picklable.
            normalise: what a batch shares of the preprocessing, on the device; None: the transform is whole.
            encode: the image tower, (B, 3, H, W) normalised pixels -> features.
        """
        self.info = info
        self.device = device
        self.transform = transform
        self._normalise = normalise
        self._encode = encode

    def encode_images(self, pixels: Tensor) -> ImageFeatures:
        """Encode (B, 3, H, W) pixels as `transform` gives them; where those are uint8, also float32 and normalised."""
        pixels = pixels.to(self.device, non_blocking=True)
        with inference(self.device, self.info.pedigree.precision):
            features = self._encode(self._normalise(pixels) if self._normalise else pixels)
        return ImageFeatures(_float32(features.projected), _float32(features.backbone))


class DualEncoder(ImageEncoder):
    """An `ImageTextModel`, with embeddings in float32."""

    def __init__(
        self,
        images: ImageEncoder,
        tokenize: Callable[[Sequence[str]], Tokens],
        encode_texts: Callable[[Tensor], Tensor],
        text_length: Literal["cut", "whole"],
    ) -> None:
        """Join the towers.

        Args:
            images: the image tower, with the `info` of the whole.
            tokenize: B texts -> (B, context length) ids.
            encode_texts: the text tower, (B, L) ids -> (B, D).
            text_length: whether it takes rows that are cut to the longest text of a batch.
        """
        super().__init__(images.info, images.device, images.transform, images._normalise, images._encode)
        self.tokenize = tokenize
        self.text_length = text_length
        self._encode_texts = encode_texts

    def encode_tokens(self, ids: Tensor) -> Tensor:
        """Encode (B, L) ids into (B, D), not normalised.

        Raises:
            ValueError: rows are not of the context length, and this text tower needs them whole.
        """
        if self.text_length == "whole" and ids.shape[1] != self.info.context_length:
            raise ValueError(f"rows have {ids.shape[1]} ids, this text tower needs all {self.info.context_length}")
        with inference(self.device, self.info.pedigree.precision):
            return self._encode_texts(ids.to(self.device)).float()


def _float32(features: Tensor | None) -> Tensor | None:
    return None if features is None else features.float()
