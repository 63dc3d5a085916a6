"""Packaged class tables: which classes of a shifted set are which classes of its reference."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

import yaml

from clipbench.errors import UserError, did_you_mean


def class_table_names() -> tuple[str, ...]:
    """Return the names of the packaged tables; reads none of them."""
    return tuple(_tables())


def load_class_table(name: str) -> Mapping[str, tuple[str, ...]]:
    """Return a packaged table: class of the shifted set -> classes of its reference, in the shifted set's order.

    Raises:
        UserError: there is no such table.
    """
    if name not in _tables():
        raise UserError(f"there is no class table {name!r}", fix=did_you_mean(name, _tables()))
    return _load(name)


def _tables() -> dict[str, Traversable]:
    folder = files("clipbench.datasets.classes")
    tables = {file.name.removesuffix(".yaml"): file for file in folder.iterdir() if file.name.endswith(".yaml")}
    return dict(sorted(tables.items()))


@cache
def _load(name: str) -> Mapping[str, tuple[str, ...]]:
    table: dict[str, list[str]] = yaml.safe_load(_tables()[name].read_text(encoding="utf-8"))
    return MappingProxyType({name: tuple(classes) for name, classes in table.items()})
