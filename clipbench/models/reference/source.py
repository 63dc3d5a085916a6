"""The reference CLIP: `clip-tiny`, which is part of the package, and folders that the training command wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from clipbench.errors import UserError, did_you_mean
from clipbench.fingerprint import digest, digest_file
from clipbench.models.base import (
    Availability,
    ImageFeatures,
    ModelInfo,
    ModelPedigree,
    ModelSource,
    Precision,
    Tokens,
    inference,
)
from clipbench.models.reference.files import find_files, read_config, read_towers
from clipbench.models.reference.tokenizer import END, WordTokenizer

if TYPE_CHECKING:
    import PIL.Image
    from torch import Tensor

    from clipbench.models.reference.towers import ReferenceTowers

_WEIGHTS: Final = Path(__file__).parent
EMBEDDED: Final = ("clip-tiny",)
"""Models that are part of the package."""


@dataclass(frozen=True)
class ReferenceTransform:
    """Resize an image's shorter side, cut out the centre square and normalise."""

    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, image: PIL.Image.Image) -> Tensor:
        """Turn an RGB image of any size into (3, side, side) float32."""
        import numpy as np
        import PIL.ImageOps
        import torch
        from PIL.Image import Resampling

        square = PIL.ImageOps.fit(image, (self.side, self.side), Resampling.BICUBIC)
        return self.normalise(torch.from_numpy(np.array(square)))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Turn (..., H, W, 3) uint8 into (..., 3, H, W) normalised float32."""
        scaled = pixels.movedim(-1, -3).float() / 255
        return (scaled - scaled.new_tensor(self.mean)[:, None, None]) / scaled.new_tensor(self.std)[:, None, None]

    def digest(self) -> str:
        """Return the digest of all that decides the pixels."""
        return digest(["fit-centre-bicubic/1", asdict(self)])


class ReferenceModel:
    """A reference CLIP on a device; fulfils `ImageTextModel`."""

    text_length: Literal["cut", "whole"] = "cut"

    def __init__(
        self,
        info: ModelInfo,
        transform: ReferenceTransform,
        tokenizer: WordTokenizer,
        towers: ReferenceTowers,
        device: str,
    ) -> None:
        self.info = info
        self.transform: Callable[[PIL.Image.Image], Tensor] = transform
        self._tokenizer = tokenizer
        self._towers = towers.to(device)
        self._device = device

    def encode_images(self, pixels: Tensor) -> ImageFeatures:
        """Encode (B, 3, S, S) pixels into projected (B, D) and, before the projection, backbone (B, F); float32."""
        with inference(self._device, self.info.pedigree.precision):
            projected, pooled = self._towers.image(pixels.to(self._device))
        return ImageFeatures(projected.float(), pooled.float())

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Tokenise B texts."""
        return self._tokenizer(texts)

    def encode_tokens(self, ids: Tensor) -> Tensor:
        """Encode (B, L) ids, each row with its end token, into (B, D) float32."""
        with inference(self._device, self.info.pedigree.precision):
            embedded: Tensor = self._towers.text(ids.to(self._device))
        return embedded.float()


class ReferenceSource(ModelSource):
    """`clip-tiny`, or by `from_folder` any model of the training command.

    Raises:
        UserError: no model of this name is part of the package.
    """

    def __init__(self, name: str = "clip-tiny") -> None:
        if name not in EMBEDDED:
            raise UserError(f"no model {name!r} is part of clipbench", fix=did_you_mean(name, EMBEDDED))
        self.name = name
        self.folder = _WEIGHTS / name

    @classmethod
    def from_folder(cls, folder: str | Path, name: str | None = None) -> ReferenceSource:
        """Name a model by the folder that `python -m clipbench.training --output DIR` wrote."""
        source = cls.__new__(cls)
        source.folder = Path(folder)
        source.name = name or f"local:{folder}"
        return source

    def look(self) -> Availability:
        """Say where the files are."""
        find_files(self.folder)
        return Availability(local=True, where=str(self.folder))

    def fetch(self) -> None:
        """Check that the files are there; nothing is ever downloaded."""
        find_files(self.folder)

    def locator(self) -> str:
        """Return a digest of the paths, sizes and times of the two files."""
        stats = [(str(path.resolve()), path.stat()) for path in find_files(self.folder)]
        return digest(["reference/1", [[path, stat.st_size, stat.st_mtime_ns] for path, stat in stats]])

    def load(self, device: str, precision: Precision) -> ReferenceModel:
        """Load onto a device."""
        import torch

        config_path, weights_path = find_files(self.folder)
        config = read_config(config_path)
        architecture = config.architecture
        tokenizer = WordTokenizer(config.vocabulary, architecture.context)
        transform = ReferenceTransform(architecture.image_side, config.mean, config.std)
        towers = read_towers(weights_path, architecture, END)
        info = ModelInfo(
            name=self.name,
            pedigree=ModelPedigree(
                weights=digest_file(weights_path),
                transform=transform.digest(),
                tokenizer=tokenizer.digest(),
                precision=precision,
                architecture=digest(asdict(architecture)),
            ),
            has_text=True,
            logit_scale=float(towers.log_scale.exp()),
            features=("projected", "backbone"),
            trained_on=config.trained_on,
            context_length=architecture.context,
            library=f"torch {torch.__version__}",
        )
        return ReferenceModel(info, transform, tokenizer, towers, device)
