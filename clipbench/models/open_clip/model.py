"""An open_clip model, loaded: images and texts to embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from clipbench.models.base import ImageFeatures, ModelInfo, Precision, Tokens, inference
from clipbench.models.open_clip.tokens import Tokenizer, tokenize
from clipbench.models.open_clip.towers import ImageTower, cuttable_text_tower
from clipbench.models.transforms import split_transform

if TYPE_CHECKING:
    import PIL.Image
    from torch import Tensor


class OpenClipModel:
    """An `ImageTextModel` around a model that open_clip built.

    Weights are float32; for lower precisions the forward passes run under autocast. Embeddings are float32.
    """

    def __init__(
        self,
        info: ModelInfo,
        model: Any,
        image_tower: ImageTower,
        transform: Any,
        tokenizer: Tokenizer,
        device: str,
        precision: Precision,
    ) -> None:
        self.info = info
        self.transform: Callable[[PIL.Image.Image], Tensor]
        self.transform, self._normalise = split_transform(transform)
        self.device = device
        self._model = model
        self._image_tower = image_tower
        self._tokenizer = tokenizer
        self._encode_cut = cuttable_text_tower(model)
        self._precision = precision
        self.text_length: Literal["cut", "whole"] = "whole" if self._encode_cut is None else "cut"

    def encode_images(self, pixels: Tensor) -> ImageFeatures:
        """Encode (B, 3, H, W) pixels: projected (B, D), and backbone (B, F) where there is a projection.

        The pixels are uint8, as `transform` gives them, or float32 and normalised.
        """
        pixels = pixels.to(self.device, non_blocking=True)
        with inference(self.device, self._precision):
            features = self._image_tower.encode(self._normalise(pixels) if self._normalise else pixels)
        return ImageFeatures(_float32(features.projected), _float32(features.backbone))

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Tokenise B texts."""
        return tokenize(self._tokenizer, texts)

    def encode_tokens(self, ids: Tensor) -> Tensor:
        """Encode (B, L) ids into (B, D) float32, not normalised.

        Raises:
            ValueError: rows are not of the context length, and this text tower needs them whole.
        """
        whole = ids.shape[1] == self.info.context_length
        if not whole and self._encode_cut is None:
            raise ValueError(f"rows have {ids.shape[1]} ids, this text tower needs all {self.info.context_length}")
        ids = ids.to(self.device)
        with inference(self.device, self._precision):
            if whole or self._encode_cut is None:
                embeddings: Tensor = self._model.encode_text(ids, normalize=False)
            else:
                embeddings = self._encode_cut(ids)
        return embeddings.float()


def _float32(features: Tensor | None) -> Tensor | None:
    return None if features is None else features.float()
