"""Models that open_clip builds: pretrained tags, hub repositories, local folders and checkpoints."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from clipbench.errors import Unavailable, UserError
from clipbench.fingerprint import digest
from clipbench.models.base import Availability, ModelSource, Precision, download_size
from clipbench.models.open_clip.locations import FilePlace, FolderPlace, HubPlace, Place, TagPlace
from clipbench.models.weights.weights_file import check_weights

if TYPE_CHECKING:
    from clipbench.models.open_clip.model import OpenClipModel

_FORMS = "ARCH/TAG, hf-hub:ORG/NAME, local-dir:PATH or ARCH@FILE"


def parse_place(arguments: str) -> Place:
    """Return the place that stands behind `open_clip:`; nothing is looked for.

    Args:
        arguments: `ARCH/TAG`, `hf-hub:ORG/NAME`, `local-dir:PATH` or `ARCH@FILE`.

    Raises:
        UserError: it has none of these forms.
    """
    kind, _, rest = arguments.partition(":")
    if kind == "hf-hub" and rest.count("/") == 1 and all(rest.split("/")):
        return HubPlace(rest)
    if kind == "local-dir" and rest:
        return FolderPlace(Path(rest).expanduser())
    architecture, at, file = arguments.partition("@")
    if at and architecture and file:
        return FilePlace(architecture, Path(file).expanduser())
    architecture, _, tag = arguments.rpartition("/")
    if architecture and tag and kind == arguments:
        return TagPlace(architecture.replace("/", "-"), tag)
    fix = f"after open_clip: comes {_FORMS}, e.g. open_clip:ViT-B-32/laion2b_s34b_b79k"
    raise UserError(f"{arguments!r} names no weights", where=f"model 'open_clip:{arguments}'", fix=fix)


class OpenClipSource(ModelSource):
    """An open_clip model that was named but not loaded."""

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
            trained_on: declared pre-training data; None is undeclared.
            download_bytes: shown as the size of the download where the hub cannot be asked.
        """
        self.name = place.folder.resolve().name if isinstance(place, FolderPlace) else spec
        self.about = place.about
        self._place = place
        self._trained_on = trained_on
        self._download_bytes = download_bytes

    def look(self) -> Availability:
        """Say where the weights are, and how large the download would be.

        Without network the size is the catalog's, and `fetch` says what is missing.

        Raises:
            Unavailable: the hub must not be used (offline mode), has no such repository, or it is gated.
            UserError: local files are not as they should be or not safe to load, or open_clip has no such model.
        """
        missing = self._place.missing()
        if not missing:
            weights = self._place.recipe().weights
            check_weights(weights)
            return Availability(local=True, where=str(weights))
        size = download_size(missing, self.name, self._download_bytes)
        repositories = dict.fromkeys(file.repository for file in missing)
        where = ", ".join(f"hf-hub:{name}" for name in repositories)
        return Availability(local=False, where=where, download_bytes=size)

    def fetch(self) -> None:
        """Download what is missing into the hub's cache.

        Raises:
            Unavailable: it cannot be had: the message says what, where it was looked for, how to provide it.
        """
        done: set[str] = set()
        while missing := [file for file in self._place.missing() if repr(file) not in done]:
            for file in missing:
                file.fetch(self.name)
                done.add(repr(file))
        if still := self._place.missing():
            problem = f"{still[0].repository} was downloaded, but parts of it that the model needs do not exist there"
            raise Unavailable(problem, where=f"model {self.name}", fix="report it to the repository's owner")

    def locator(self) -> str | None:
        """Return a key of the files (paths, sizes, times), the libraries' versions and what was declared."""
        recipe = self._place.recipe()
        folders = [Path(recipe.architecture.removeprefix("local-dir:")), recipe.tokenizer_folder]
        beside = [path for folder in folders if folder and folder.is_dir() for path in sorted(folder.iterdir())]
        files = [recipe.weights, *(path for path in beside if path.is_file())]
        key = {
            "name": self.name,
            "place": repr(self._place),
            "files": [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files],
            "recipe": repr(recipe),
            "trained_on": self._trained_on,
            "versions": [version("open_clip_torch"), version("torch")],
        }
        return digest(key)

    def load(self, device: str, precision: Precision) -> OpenClipModel:
        """Build the model, load its weights, and move it to the device.

        Raises:
            UserError: the weights are not safe to load, or do not fit the architecture.
        """
        from clipbench.models.open_clip.build import load_model

        return load_model(self.name, self._place.recipe(), device, precision, self._trained_on)
