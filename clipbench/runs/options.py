"""What a command line or a call says about a run, beside the suite: options, and models by name or as objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from clipbench.embed.device import default_workers, resolve_device, resolve_precision
from clipbench.embed.encode import EncodeSettings
from clipbench.embed.housekeeping import default_cache
from clipbench.embed.opened import OpenedModel
from clipbench.embed.store import Store
from clipbench.errors import UserError
from clipbench.models.catalog import find_model
from clipbench.models.custom import ObjectSource

if TYPE_CHECKING:
    from clipbench.models.base import ImageModel


@dataclass(frozen=True)
class RunOptions:
    """What the command line can say about a run; the suite says the rest."""

    output: Path | None = None
    """The results folder; by default results/<suite's name>."""
    data_root: Path | None = None
    """A folder of local mirrors, looked at before the hub."""
    device: str = "auto"
    precision: str = "auto"
    batch_size: int | None = None
    workers: int | None = None
    """Processes that decode images; by default by device and cores."""
    thumbnails: bool = True
    """Keep thumbnails for the page."""
    cache: Path = field(default_factory=default_cache)

    def folder(self, suite: str) -> Path:
        """Return the results folder of a suite's run.

        Raises:
            UserError: it is a file.
        """
        folder = self.output or Path("results") / suite
        if folder.exists() and not folder.is_dir():
            raise UserError("is a file", where=str(folder), fix="name a folder for the results with --output")
        return folder


def open_models(models: Sequence[str | ImageModel], options: RunOptions) -> tuple[OpenedModel, ...]:
    """Return what runs each model; nothing is imported or loaded yet.

    Raises:
        UserError: a name of no known form, two models of one name, or no such device or precision.
    """
    device = resolve_device(options.device)
    precision = resolve_precision(options.precision, device)
    workers = default_workers(device) if options.workers is None else options.workers
    settings = EncodeSettings(device, options.batch_size, workers)
    store = Store(options.cache)
    sources = [find_model(model) if isinstance(model, str) else ObjectSource(model) for model in models]
    names = [source.name for source in sources]
    if not names:
        raise UserError("there is no model to run", where="--model", fix="name at least one")
    for name in names:
        if names.count(name) > 1:
            fix = "results tell models apart by name: leave one out, or name it anew with --model NAME=MODEL"
            raise UserError(f"two models are called {name!r}", where="--model", fix=fix)
    return tuple(OpenedModel(source, store, precision, settings) for source in sources)
