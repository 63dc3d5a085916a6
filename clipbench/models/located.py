"""Models whose files lie somewhere: on this machine, or where they can be downloaded from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

from clipbench.errors import Unavailable
from clipbench.files import stat_key
from clipbench.fingerprint import digest
from clipbench.models.base import Availability, ImageModel, ModelSource, Precision
from clipbench.models.weights.weights_file import check_weights

ANSWER_SECONDS = 5.0
"""How long a server may take to answer before it counts as out of reach."""
TrainedOn = tuple[str, ...] | None
"""Pre-training data; None is undeclared."""


class Unreachable(Exception):
    """No answer from a server."""


class RemoteFile(ABC):
    """A file that is downloaded into the cache of the library that it belongs to."""

    server: ClassVar[str]
    """As messages call it, e.g. 'the hub'."""
    home: ClassVar[str]
    """The environment variable that moves the cache."""

    @property
    @abstractmethod
    def label(self) -> str:
        """Where it is downloaded from, as it is shown."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """The cache."""

    @abstractmethod
    def cached(self) -> Path | None:
        """Return where it is on this machine, or None; never uses the network."""

    def path(self, model: str) -> Path:
        """Return where it is on this machine, on behalf of a model; Unavailable where it was not fetched."""
        path = self.cached()
        if path is None:
            raise self.unavailable(model, "it was not fetched")
        return path

    def size(self, model: str) -> int | None:
        """Ask for the size in bytes; None if the server does not say or cannot be reached within seconds.

        Raises:
            Unavailable: nothing may be downloaded (offline mode), or there is no such file for this user.
        """
        try:
            return self._ask(model)[1]
        except Unreachable:
            return None

    def fetch(self, model: str) -> None:
        """Download it.

        Raises:
            Unavailable: it cannot be had; without network this is known after a few seconds.
        """
        try:
            # The libraries' own downloads try again for half a minute, or wait for ever.
            name, _ = self._ask(model)
        except Unreachable as error:
            raise self.unavailable(model, f"{self.server} cannot be reached ({error})") from error
        try:
            self._download(name)
        except Exception as error:
            # No space, no permission, a connection that broke, a wrong hash: libraries differ in what they raise.
            problem = f"the download of {self.label} failed ({type(error).__name__}: {error})"
            fix = f"run again to go on with it; it is kept in {self.folder} ({self.home} moves that folder)"
            raise Unavailable(problem, where=f"model {model}", fix=fix) from error

    def unavailable(self, model: str, reason: str) -> Unavailable:
        """Return the error that says what is missing, where it was looked for and how to provide it."""
        title, fix = self._explain()
        problem = f"{title} is not in {self.folder}, and {reason}"
        return Unavailable(problem, where=f"model {model}", fix=f"{fix}; --model clip-tiny runs offline")

    @abstractmethod
    def _explain(self) -> tuple[str, str]:
        """Return what the file is called, and how to do without its download."""

    @abstractmethod
    def _ask(self, model: str) -> tuple[str, int | None]:
        """Return the name under which it can be downloaded, and its size in bytes if the server says it.

        Errors are those of `size`, or Unreachable where nobody answers within `ANSWER_SECONDS`.
        """

    @abstractmethod
    def _download(self, name: str) -> None: ...


class Location(ABC):
    """Where the files of a model lie, and how it is made of them: what an adapter consists of."""

    packages: ClassVar[tuple[str, ...]] = ()
    """The installed packages that build it, beside torch."""
    image_only: ClassVar[bool] = False
    """True where it is known, before anything is fetched, that such models embed no text."""
    protocol: ClassVar[int] = 1
    """Of the adapter: raised when the same files would give other embeddings."""

    folder: Path | None = None
    """The local folder that a model is called by; None for one that is called as it was written."""

    @abstractmethod
    def __str__(self) -> str:
        """Return what a run's record says of it; names no folder above the model's own."""

    @abstractmethod
    def needed(self) -> Sequence[RemoteFile]:
        """Return the files that may have to be downloaded before the other methods work, as far as they are known.

        Raises:
            UserError: what is local is not as it should be, or the library has no such model.
        """

    @abstractmethod
    def files(self) -> Sequence[Path]:
        """Return the weights, then what else describes the model; call when nothing is missing."""

    def weight_files(self) -> Sequence[Path]:
        """Return the file with the weights, its parts, or nothing; call when nothing is missing."""
        return self.files()[:1]

    def declared(self) -> str:
        """Return what a library declares of the model beside its files; call when nothing is missing."""
        return ""

    def missing(self) -> Sequence[RemoteFile]:
        """Return the files that have to be downloaded; errors as for `needed`."""
        return [file for file in self.needed() if file.cached() is None]

    @abstractmethod
    def load(self, name: str, device: str, precision: Precision, trained_on: TrainedOn) -> ImageModel:
        """Load as `ModelSource.load` does; `trained_on` is declared, None for what the location itself declares."""


class LocatedSource(ModelSource):
    """A model that was named by its location but not loaded."""

    def __init__(
        self,
        spec: str,
        location: Location,
        *,
        trained_on: TrainedOn = None,
        download_bytes: int | None = None,
    ) -> None:
        """Name a model.

        Args:
            spec: the name as the user wrote it; for a local folder the folder's name is shown instead.
            location: where the weights come from.
            trained_on: declared pre-training data; None is undeclared.
            download_bytes: shown as the size of the download where it cannot be asked for.
        """
        self.name = spec if location.folder is None else location.folder.resolve().name
        self.about = str(location)
        self.image_only = location.image_only
        self.location = location
        self._trained_on = trained_on
        self._download_bytes = download_bytes

    def look(self) -> Availability:
        """Say where the weights are; without network the size is the catalog's, and `fetch` says what is missing.

        Raises:
            Unavailable: nothing may be downloaded (offline mode), or there is no such file, or it is gated.
            UserError: local files are not as they should be or not safe to load, or there is no such model.
        """
        missing = self.location.missing()
        if missing:
            where = ", ".join(dict.fromkeys(file.label for file in missing))
            return Availability(local=False, where=where, download_bytes=self._size(missing))
        self._check_weights()
        return Availability(local=True, where=str(next(iter(self.location.weight_files()), self.about)))

    def _size(self, missing: Sequence[RemoteFile]) -> int | None:
        total = 0
        for file in missing:
            size = file.size(self.name)
            if size is None:
                return self._download_bytes
            total += size
        return total

    def _check_weights(self) -> None:
        for path in self.location.weight_files():
            check_weights(path)

    def fetch(self) -> None:
        """Download what is missing; a configuration may name further files."""
        done: set[RemoteFile] = set()
        while missing := [file for file in self.location.missing() if file not in done]:
            for file in missing:
                file.fetch(self.name)
                done.add(file)
        if still := self.location.missing():
            problem = f"{still[0].label} was downloaded, but parts of it that the model needs do not exist there"
            raise Unavailable(problem, where=f"model {self.name}", fix="report it to the repository's owner")

    def locator(self) -> str:
        """Return a key of the files (paths, sizes, times), the libraries' versions and what was declared."""
        key = {
            "name": self.name,
            "location": [repr(self.location), self.location.declared()],
            "files": [[str(path), *stat_key(path)] for path in self.location.files()],
            "trained_on": self._trained_on,
            "versions": [version(package) for package in (*self.location.packages, "torch")],
            # What was remembered before there was a number stays known.
            **({"protocol": self.location.protocol} if self.location.protocol != 1 else {}),
        }
        return digest(key)

    def load(self, device: str, precision: Precision) -> ImageModel:
        """Check the weights, then let the location load them."""
        self._check_weights()
        return self.location.load(self.name, device, precision, self._trained_on)
