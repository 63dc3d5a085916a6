"""The reference CLIP: `clip-tiny`, which is part of the package, and folders that the training command wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clipbench.errors import UnknownName, did_you_mean
from clipbench.fingerprint import digest, digest_file
from clipbench.models.base import ImageFeatures, ModelInfo, ModelPedigree, Precision, check_normalisation
from clipbench.models.encoders import DualEncoder, ImageEncoder
from clipbench.models.located import Location, RemoteFile, TrainedOn
from clipbench.models.reference.files import find_files, read_config, read_towers
from clipbench.models.reference.tokenizer import END, WordTokenizer

if TYPE_CHECKING:
    import PIL.Image
    from torch import Tensor

PACKAGED: Final = ("clip-tiny",)
"""Models that are part of the package, in folders beside this module."""


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


def parse_packaged(arguments: str) -> ReferenceLocation:
    """Return the location of a model that is part of the package; a UserError where there is none of this name."""
    if arguments not in PACKAGED:
        raise UnknownName(f"no model {arguments!r} is part of clipbench", fix=did_you_mean(arguments, PACKAGED))
    return ReferenceLocation(Path(__file__).parent / arguments)


def parse_folder(arguments: str) -> ReferenceLocation | None:
    """Return the location that stands behind `local:`, the folder of a model of the training command."""
    return ReferenceLocation(Path(arguments).expanduser()) if arguments else None


@dataclass(frozen=True)
class ReferenceLocation(Location):
    """A folder that `clipbench train clip-tiny --output DIR` wrote."""

    path: Path

    protocol = 1

    def __str__(self) -> str:
        return f"reference CLIP {self.path.resolve().name}"

    def needed(self) -> Sequence[RemoteFile]:
        """Check that the files are there; nothing is ever downloaded."""
        find_files(self.path)
        return []

    def files(self) -> Sequence[Path]:
        """Return the weights and the configuration."""
        return find_files(self.path)

    def load(self, name: str, device: str, precision: Precision, trained_on: TrainedOn) -> DualEncoder:
        """Read both files; what it was trained on the configuration says."""
        import torch

        weights_path, config_path = find_files(self.path)
        config = read_config(config_path)
        architecture = config.architecture
        tokenizer = WordTokenizer(config.vocabulary, architecture.context)
        check_normalisation(config.mean, config.std, name)
        transform = ReferenceTransform(architecture.image_side, config.mean, config.std)
        towers = read_towers(weights_path, architecture, END).to(device)
        info = ModelInfo(
            name=name,
            pedigree=ModelPedigree(
                weights=digest_file(weights_path),
                transform=transform.digest(),
                tokenizer=tokenizer.digest(),
                precision=precision,
                architecture=digest(asdict(architecture)),
                protocol=self.protocol,
            ),
            has_text=True,
            logit_scale=float(towers.log_scale.exp()),
            features=("projected", "backbone"),
            trained_on=config.trained_on,
            context_length=architecture.context,
            library=f"torch {torch.__version__}",
        )
        images = ImageEncoder(info, device, transform, None, lambda pixels: ImageFeatures(*towers.image(pixels)))
        return DualEncoder(images, tokenizer, towers.text, "cut")
