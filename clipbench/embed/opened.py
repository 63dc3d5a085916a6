"""A model in use: located, described, and loaded only when something has to be encoded."""

from __future__ import annotations

import gc
import time
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from clipbench.embed.device import forbid_tf32
from clipbench.embed.encode import EncodeSettings, ImageEncoder, encode_images
from clipbench.embed.store import Store
from clipbench.embed.texts import TextEncoder
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
        self._known: dict[str, Mapping[str, Any]] = {}

    @cached_property
    def info(self) -> ModelInfo:
        """What the model says of itself; the model is loaded for it only if it changed since the last time."""
        located = self.source.locator()
        key = None if located is None else f"{located}|{self.precision}"
        known = self.store.find_model(key)
        if known is None:
            known = self.load().info
            self.store.write_model(key, known)
        self.store.write_name(known)
        return replace(known, name=self.name)

    @property
    def weights(self) -> str:
        """Digest of its weights, as far as it was described: '' where that failed, or nothing asked for it yet."""
        known: ModelInfo | None = vars(self).get("info")
        return known.pedigree.weights if known else ""

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

    @cached_property
    def images(self) -> ImageEncoder:
        """The encoder of images."""
        return ImageEncoder(self.load, self.fingerprint, self.store, self.settings)

    @cached_property
    def texts(self) -> TextEncoder:
        """The encoder of texts."""
        return TextEncoder(lambda: cast("ImageTextModel", self.load()), self.store.texts(self.fingerprint))

    @property
    def _rate(self) -> str:
        return f"rate-{self.settings.device.partition(':')[0]}-{self.settings.first_batch}"

    def rates(self) -> Mapping[str, float]:
        """Return images and texts a second on this device, in batches of this size.

        They are those of the last run that encoded many; before the first, those of a few images and texts, and then
        'guess' is True.
        """
        wanted = {"images", "texts"} if self.info.has_text else {"images"}
        return self._measured(self._rate, wanted, lambda: {**_measure(self.load(), self.info), "guess": True})

    @property
    def widths(self) -> Mapping[str, int]:
        """The width of each feature, as stored or seen in one forward pass."""

        def measure() -> dict[str, int]:
            model = self.load()
            return {name: array.shape[1] for name, array in encode_images(model, _blank(model, 1)).items()}

        return self._measured("widths", {self.info.features[0]}, measure)

    def _measured(self, name: str, wanted: set[str], measure: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Return what is stored of a measurement, else measure; where the store cannot keep it this object does."""
        if name not in self._known:
            known = self.store.measured(self.fingerprint, name)
            if not wanted <= set(known):
                known = {**measure(), **known}
                self.store.keep_measured(self.fingerprint, name, known)
            self._known[name] = known
        return self._known[name]

    def close(self) -> None:
        """Free the model's memory, and remember how fast it was where it encoded enough to tell."""
        if self._model is None:
            return
        import torch

        encoders = (("images", self.images), ("texts", self.texts))
        rates = {name: encoder.encoded / encoder.seconds for name, encoder in encoders if encoder.encoded >= 256}
        if "images" in rates:
            rates["guess"] = False
        if rates:
            self.store.keep_measured(self.fingerprint, self._rate, rates)
        self._model = None
        self._known.clear()
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
