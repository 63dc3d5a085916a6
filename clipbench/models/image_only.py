"""Image-only models, named but not loaded: networks of a library, without their classifier."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from clipbench.fingerprint import digest, digest_file
from clipbench.models.base import Availability, ModelInfo, ModelPedigree, ModelSource, Precision, download_size
from clipbench.models.weights.hub_file import HubFile
from clipbench.models.weights.url_file import UrlFile
from clipbench.models.weights.weights_file import check_weights

if TYPE_CHECKING:
    from clipbench.models.image_only_model import ImageOnlyModel, Network

Missing = HubFile | UrlFile


class Place(Protocol):
    """Where an image-only model comes from."""

    @property
    def about(self) -> str:
        """For the record of a run; names no folder above the model's own."""
        ...

    @property
    def folder(self) -> Path | None:
        """The local folder that a model is called by; None for one that is called as it was written."""
        ...

    @property
    def packages(self) -> tuple[str, ...]:
        """The installed packages that build it."""
        ...

    def trained_on(self) -> tuple[str, ...] | None:
        """Return the declared pre-training data; None is undeclared."""
        ...

    def missing(self) -> Sequence[Missing]:
        """Return the files that have to be downloaded before the other methods work.

        Raises:
            UserError: what is local is not as it should be, or the library has no such model.
        """
        ...

    def files(self) -> Sequence[Path]:
        """Return the weights, then what else describes the model; call when nothing is missing."""
        ...

    def build(self, where: str) -> Network:
        """Build the network with its weights, which `check_weights` has passed, on the CPU.

        Args:
            where: for messages, e.g. 'model resnet-50'.

        Raises:
            UserError: the weights do not fit, or the architecture has no pooled features.
        """
        ...


class ImageOnlySource(ModelSource):
    """An image-only model that was named but not loaded."""

    image_only = True

    def __init__(
        self,
        spec: str,
        place: Place,
        *,
        trained_on: tuple[str, ...] | None = None,
        download_bytes: int | None = None,
    ) -> None:
        """Name a model.

        Args:
            spec: the name as the user wrote it; for a local folder the folder's name is shown instead.
            place: where the weights come from.
            trained_on: declared pre-training data; None: what the place declares.
            download_bytes: shown as the size of the download where it cannot be asked for.
        """
        self.name = spec if place.folder is None else place.folder.resolve().name
        self.about = place.about
        self._place = place
        self._trained_on = trained_on
        self._download_bytes = download_bytes

    def look(self) -> Availability:
        """Say where the weights are, and how large the download would be.

        Without network the size is the catalog's, and `fetch` says what is missing.

        Raises:
            Unavailable: nothing may be downloaded (offline mode), or there is no such file to download.
            UserError: local files are not as they should be or not safe to load, or there is no such model.
        """
        missing = self._place.missing()
        if not missing:
            weights = self._place.files()[0]
            check_weights(weights)
            return Availability(local=True, where=str(weights))
        size = download_size(missing, self.name, self._download_bytes)
        return Availability(local=False, where=", ".join(_label(file) for file in missing), download_bytes=size)

    def fetch(self) -> None:
        """Download what is missing, into the cache of the library that it comes from.

        Raises:
            Unavailable: it cannot be had: the message says what, where it was looked for, how to provide it.
        """
        for file in self._place.missing():
            file.fetch(self.name)

    def locator(self) -> str | None:
        """Return a key of the files (paths, sizes, times), the libraries' versions and what was declared."""
        key = {
            "name": self.name,
            "place": repr(self._place),
            "files": [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in self._place.files()],
            "trained_on": self._trained_on,
            "versions": [version(package) for package in (*self._place.packages, "torch")],
        }
        return digest(key)

    def load(self, device: str, precision: Precision) -> ImageOnlyModel:
        """Build the network, load its weights, and move it to the device.

        Raises:
            UserError: the weights are not safe to load, or do not fit the architecture.
        """
        from clipbench.models.image_only_model import ImageOnlyModel

        weights = self._place.files()[0]
        check_weights(weights)
        network = self._place.build(f"model {self.name}")
        pedigree = ModelPedigree(
            weights=digest_file(weights),
            transform=digest(network.preprocessing),
            precision=precision,
            architecture=digest(network.architecture),
        )
        info = ModelInfo(
            name=self.name,
            pedigree=pedigree,
            has_text=False,
            features=("backbone",),
            trained_on=self._place.trained_on() if self._trained_on is None else self._trained_on,
            library=" ".join(f"{package} {version(package)}" for package in self._place.packages),
        )
        return ImageOnlyModel(info, network.module, network.transform, network.normalise, device, precision)


def _label(file: Missing) -> str:
    return file.url if isinstance(file, UrlFile) else f"hf-hub:{file.repository}"
