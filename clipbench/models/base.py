"""What clipbench asks of a model: protocols, so anything that fits works without subclassing."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from clipbench.errors import UserError
from clipbench.fingerprint import digest

if TYPE_CHECKING:
    import PIL.Image
    from torch import Tensor

Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class ModelPedigree:
    """Digests of everything in a model that can change an embedding."""

    weights: str
    transform: str
    tokenizer: str = ""
    """Empty for an image-only model."""
    precision: str = "float32"
    architecture: str = ""
    """What is computed with the weights: the same file with another activation gives other embeddings."""
    protocol: int = 1
    """Of the adapter, or of your own class: raised when the same files would give other embeddings."""

    def fingerprint(self) -> str:
        """Return one digest of all parts: the name of this model's folder in the store."""
        parts = asdict(self)
        # The first protocol is left out: what was embedded before there was a number is found under the same name.
        return digest({name: part for name, part in parts.items() if (name, part) != ("protocol", 1)})


@dataclass(frozen=True)
class ModelInfo:
    """What tasks and records need to know of a model, without the model."""

    name: str
    pedigree: ModelPedigree
    has_text: bool
    logit_scale: float = 1.0
    """The multiplier itself, already exponentiated (CLIP: about 100)."""
    logit_bias: float = 0.0
    features: tuple[str, ...] = ("projected",)
    """Which of 'projected' and 'backbone' `encode_images` gives."""
    trained_on: tuple[str, ...] | None = None
    """Declared pre-training data; None is undeclared, which is not the empty set."""
    context_length: int | None = None
    library: str = ""
    """For the record only, e.g. 'open_clip 3.3.0'."""

    def __post_init__(self) -> None:
        """Check the numbers that scores are made with.

        Raises:
            UserError: the logit scale is not a finite positive number, or the bias not a finite one.
        """
        check_finite(self.logit_scale, "logit_scale", self.name, positive=True)
        check_finite(self.logit_bias, "logit_bias", self.name)


def check_finite(value: object, what: str, model: str, *, positive: bool = False) -> None:
    """Check one number of a model.

    Raises:
        UserError: it is none, not finite or, where it has to be, not positive; the message has the model and the value.
    """
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or (positive and number <= 0):
        problem = f"{what} is {value!r}, not a finite{' positive' if positive else ''} number"
        fix = "its weights or its configuration are damaged: fetch them again, or correct them"
        raise UserError(problem, where=f"model {model}", fix=fix)


def check_normalisation(mean: Iterable[float], std: Iterable[float], model: str) -> None:
    """Check what pixels are normalised with.

    Raises:
        UserError: a mean is not finite, or a standard deviation not finite and positive.
    """
    for value in mean:
        check_finite(value, "a mean of its preprocessing", model)
    for value in std:
        check_finite(value, "a standard deviation of its preprocessing", model, positive=True)


@dataclass(frozen=True)
class ImageFeatures:
    """One forward pass over a batch: float tensors, not normalised."""

    projected: Tensor | None
    """(B, D) in the joint space, or None for an image-only model."""
    backbone: Tensor | None
    """(B, F) before the projection, or None where the two are the same."""


@dataclass(frozen=True)
class Tokens:
    """Tokenised texts."""

    ids: Tensor
    """(B, L) int64, padded to the context length."""
    lengths: Tensor
    """(B,) int64: how many leading ids matter, start and end tokens included."""
    truncated: tuple[bool, ...]
    """Which texts were cut to fit the context."""


class ImageModel(Protocol):
    """Anything that turns pixels into features."""

    info: ModelInfo
    transform: Callable[[PIL.Image.Image], Tensor]
    """RGB image -> (3, H, W), of the dtype that `encode_images` takes; picklable, holds no weights: it runs in
    worker processes."""

    def encode_images(self, pixels: Tensor) -> ImageFeatures:
        """Encode (B, 3, H, W) pixels as `transform` gives them, on any device, in one forward pass."""


@runtime_checkable
class ImageTextModel(ImageModel, Protocol):
    """A model with a joint space of images and texts."""

    text_length: Literal["cut", "whole"]
    """'cut': a batch may be cut to its longest text without changing the embeddings (checked before use)."""

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Tokenise B texts."""

    def encode_tokens(self, ids: Tensor) -> Tensor:
        """Encode (B, L) ids into (B, D) float, not normalised; L is the context length or, for 'cut', less."""


@dataclass(frozen=True)
class Availability:
    """Where a model's weights are, before anything is fetched."""

    local: bool
    """True if nothing has to be downloaded."""
    where: str
    """A path, or the hub's name for what would be downloaded."""
    download_bytes: int | None = None
    """Size of the download where it is known."""


class ModelSource(ABC):
    """A model that was named but not loaded. `clipbench.models.catalog.find_model` makes these."""

    name: str
    """As shown in results."""
    about: str = ""
    """Which weights these are, for the record of a run; without paths of this machine."""
    image_only: bool = False
    """True where it is known, before anything is fetched, that the model embeds no text."""
    notes: tuple[str, ...] = ()
    """What a reader of its results must know; complete once it is loaded."""

    @abstractmethod
    def look(self) -> Availability:
        """Say where the weights are, without downloading.

        Raises:
            Unavailable: they can be had neither here nor by download; the message says which file is
                missing, where it was looked for and how to provide it.
        """

    @abstractmethod
    def fetch(self) -> None:
        """Download what is missing; does nothing if everything is local.

        Raises:
            Unavailable: as for `look`.
        """

    @abstractmethod
    def locator(self) -> str | None:
        """Return a cheap key (paths, sizes, times, library versions) that changes whenever `ModelInfo` might.

        It spares loading a model only to learn its fingerprint. None: always load. Call after `fetch`.
        """

    @abstractmethod
    def load(self, device: str, precision: Precision) -> ImageModel:
        """Load onto a device ('cpu', 'cuda', 'mps', ...), in evaluation mode.

        Raises:
            UserError: the files are not what they should be; a pickle that holds code is refused.
        """


@contextmanager
def inference(device: str, precision: str) -> Iterator[None]:
    """Compute without gradients; weights stay float32, for the lower precisions under autocast."""
    import torch

    low = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision)
    with torch.inference_mode(), torch.autocast(torch.device(device).type, low, enabled=low is not None):
        yield


_PROBES = ("a dog", "a photo of a small red car on a wet street, 1987", "two cups & one spoon: which is nearer?")
"""Texts of different lengths with letters, digits and punctuation."""

_TOLERANCE: dict[str, tuple[float, float]] = {
    "float32": (1e-6, 1e-4),
    "float16": (1e-4, 2e-2),
    "bfloat16": (1e-3, 1e-1),
}
"""1 - cosine, and largest difference relative to the largest value: rounding is all that may differ."""


def cutting_is_exact(model: ImageTextModel) -> bool:
    """Say whether rows cut to the longest text give the same embeddings as whole rows.

    False for a model that does not claim so (`text_length` is not 'cut'); else three texts are encoded
    both ways and must agree: in float32 to a cosine of at least 1 - 1e-6 and a largest difference of
    1e-4 of the largest value, in lower precisions to their rounding.
    """
    import torch

    if model.text_length != "cut":
        return False
    tokens = model.tokenize(_PROBES)
    longest = int(tokens.lengths.max())
    whole = model.encode_tokens(tokens.ids).double()
    cut = model.encode_tokens(tokens.ids[:, :longest]).double()
    cosine_gap, difference = _TOLERANCE.get(model.info.pedigree.precision, _TOLERANCE["float32"])
    cosines = torch.nn.functional.cosine_similarity(whole, cut, dim=-1)
    largest = (whole - cut).abs().max() / whole.abs().max()
    return bool(cosines.min() >= 1 - cosine_gap) and bool(largest <= difference)
