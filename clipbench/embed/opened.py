"""A model in use: located, described, and loaded only when something has to be encoded."""

from __future__ import annotations

import gc
import time
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

from clipbench.embed.device import forbid_tf32
from clipbench.embed.encode import EncodeSettings, ImageEncoder
from clipbench.embed.encode_texts import TextEncoder
from clipbench.embed.store import Store
from clipbench.models.base import ImageModel, ImageTextModel, ModelInfo, ModelSource, Precision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor


class OpenedModel:
    """One model of a run with its encoders and its part of the store."""

    def __init__(self, source: ModelSource, store: Store, precision: Precision, settings: EncodeSettings) -> None:
        self.source = source
        self.name = source.name
        self.store = store
        self.precision = precision
        self.settings = settings
        self._model: ImageModel | None = None

    @cached_property
    def info(self) -> ModelInfo:
        """What the model says of itself; the model is loaded for it only if it changed since the last time."""
        located = self.source.locator()
        key = None if located is None else f"{located}|{self.precision}"
        known = self.store.find_model(key)
        if known is None:
            known = self.load().info
            self.store.write_model(key, known)
        return replace(known, name=self.name)

    @property
    def fingerprint(self) -> str:
        """The model's folder in the store."""
        return self.info.pedigree.fingerprint()

    def load(self) -> ImageModel:
        """Return the loaded model."""
        if self._model is None:
            forbid_tf32()
            self._model = self.source.load(self.settings.device, self.precision)
        return self._model

    def _load_with_text(self) -> ImageTextModel:
        return cast("ImageTextModel", self.load())

    @cached_property
    def images(self) -> ImageEncoder:
        """The encoder of images."""
        return ImageEncoder(self.load, self.fingerprint, self.store, self.settings)

    @cached_property
    def texts(self) -> TextEncoder:
        """The encoder of texts."""
        return TextEncoder(self._load_with_text, self.store.texts(self.fingerprint))

    def rates(self) -> Mapping[str, float]:
        """Return images and texts a second on this device, as last measured; measure them if they never were."""
        known = self.store.rates(self.fingerprint, self.settings.device)
        missing = {"images", *(["texts"] if self.info.has_text else [])} - set(known)
        if missing:
            self.store.write_rates(self.fingerprint, self.settings.device, _measure(self.load(), self.info))
        return self.store.rates(self.fingerprint, self.settings.device)

    @property
    def widths(self) -> Mapping[str, int]:
        """The width of each feature, as stored or seen in one forward pass."""
        known = self.store.widths(self.fingerprint)
        if not known:
            self.store.write_widths(self.fingerprint, _widths(self.load()))
        return known or self.store.widths(self.fingerprint)

    def keep_rates(self) -> None:
        """Remember the rates of this run where it encoded enough to tell."""
        if self._model is None:
            return
        measured = {}
        for name, encoder in (("images", self.images), ("texts", self.texts)):
            if encoder.encoded >= 256 and encoder.seconds > 0:
                measured[name] = encoder.encoded / encoder.seconds
        if measured:
            self.store.write_rates(self.fingerprint, self.settings.device, measured)

    def close(self) -> None:
        """Free the model's memory; it is loaded again if it is needed again."""
        if self._model is None:
            return
        import torch

        self._model = None
        gc.collect()
        if self.settings.device.startswith("cuda"):
            torch.cuda.empty_cache()


def _measure(model: ImageModel, info: ModelInfo) -> dict[str, float]:
    """Time a few images and short texts: good to a factor of two, enough for a plan."""
    images, texts = 8, 32
    pixels = _blank(model, images)
    rates = {"images": images / _fastest(lambda: model.encode_images(pixels))}
    if info.has_text:
        text_model = cast("ImageTextModel", model)
        tokens = text_model.tokenize(["a photo of a dog, a type of animal."] * texts)
        length = int(tokens.lengths.max()) if text_model.text_length == "cut" else tokens.ids.shape[1]
        rates["texts"] = texts / _fastest(lambda: text_model.encode_tokens(tokens.ids[:, :length]))
    return rates


def _widths(model: ImageModel) -> dict[str, int]:
    features = model.encode_images(_blank(model, 1))
    named = {"projected": features.projected, "backbone": features.backbone}
    return {name: value.shape[1] for name, value in named.items() if value is not None}


def _blank(model: ImageModel, images: int) -> Tensor:
    import PIL.Image

    return model.transform(PIL.Image.new("RGB", (256, 256))).expand(images, -1, -1, -1).contiguous()


def _fastest(run: Callable[[], object], times: int = 3) -> float:
    """Return the seconds of the fastest run: the first sets things up, and alone counts where it is long anyway."""
    seconds: list[float] = []
    while len(seconds) <= times and sum(seconds) < 1:
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
