"""Which column of a table of images holds what: the image, the label, the captions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from clipbench.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["image", "number", "text", "numbers", "texts", "other"]

LABEL_NAMES = ("label", "labels", "fine_label", "class", "cls", "category", "target")
CAPTION_NAMES = ("caption", "captions", "text", "texts", "sentence", "sentences", "raw")
IMAGE_NAMES = ("image", "img", "path", "image_path", "file", "file_name", "filename", "filepath")
"""What columns are usually called; the first that is there is taken where a suite names none."""

_IMAGE: set[Kind] = {"image"}
_LABEL: set[Kind] = {"number", "text", "numbers", "texts"}
_CAPTION: set[Kind] = {"text", "texts"}


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    kind: Kind
    classes: tuple[str, ...] | None = None
    """The class names behind its numbers, where the table declares them."""


@dataclass(frozen=True)
class Roles:
    """Which column plays which part; None: none does."""

    image: str | None = None
    label: str | None = None
    caption: str | None = None
    id: str | None = None
    groups: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Return the columns to read, each once."""
        parts = (self.image, self.label, self.caption, self.id, *self.groups)
        return tuple(dict.fromkeys(part for part in parts if part is not None))


def describe(schema: pa.Schema) -> dict[str, Column]:
    """Return the columns of an Arrow schema; the `datasets` library's own description in it comes first."""
    declared = _declared_features(schema)
    return {field.name: _describe(field, declared.get(field.name)) for field in schema}


def assign(columns: Mapping[str, Column], named: Roles, *, where: str) -> Roles:
    """Complete what a suite names by what the columns' kinds and names tell.

    Raises:
        UserError: a named column is not there or holds something else, or a part cannot be found; the
            message lists the columns.
    """
    for name in named.names():
        if name not in columns:
            fix = f"{did_you_mean(name, columns)}; it has {_listing(columns.values())}"
            raise UserError(f"there is no column {name!r}", where=where, fix=fix)
    image = named.image or _find_image(columns, where)
    label, caption = named.label, named.caption
    if label is None and caption is None:
        label = _find_label(columns, where)
        caption = None if label else next((name for name in CAPTION_NAMES if _holds(columns, name, _CAPTION)), None)
        if label is None and caption is None:
            fix = f"name one under `label:` or `caption:`; it has {_listing(columns.values())}"
            raise UserError("no column was found that holds labels or captions", where=where, fix=fix)
    _require_kind(columns, image, "image", _IMAGE, where)
    _require_kind(columns, label, "label", _LABEL, where)
    _require_kind(columns, caption, "caption", _CAPTION, where)
    return Roles(image, label, caption, named.id, named.groups)


def _require_kind(columns: Mapping[str, Column], name: str | None, part: str, allowed: set[Kind], where: str) -> None:
    if name is not None and columns[name].kind not in allowed:
        problem = f"column {name!r} holds {columns[name].kind}, which cannot be the {part}"
        raise UserError(problem, where=where, fix=f"it has {_listing(columns.values())}")


def _find_image(columns: Mapping[str, Column], where: str) -> str:
    images = [column.name for column in columns.values() if column.kind == "image"]
    if len(images) == 1:
        return images[0]
    problem = "several columns hold images" if images else "no column holds images"
    raise UserError(problem, where=where, fix=f"name one under `image:`; it has {_listing(columns.values())}")


def _find_label(columns: Mapping[str, Column], where: str) -> str | None:
    for name in LABEL_NAMES:
        if _holds(columns, name, _LABEL):
            return name
    declared = [column.name for column in columns.values() if column.classes is not None]
    if len(declared) > 1:
        fix = f"name one under `label:`; it has {_listing(columns.values())}"
        raise UserError("several columns hold class labels", where=where, fix=fix)
    return declared[0] if declared else None


def _holds(columns: Mapping[str, Column], name: str, kinds: set[Kind]) -> bool:
    return name in columns and columns[name].kind in kinds


def _listing(columns: Iterable[Column]) -> str:
    return ", ".join(f"{column.name} ({'classes' if column.classes else column.kind})" for column in columns)


def _declared_features(schema: pa.Schema) -> Mapping[str, Any]:
    written = (schema.metadata or {}).get(b"huggingface")
    if written is None:
        return {}
    try:
        features = json.loads(written)["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def _describe(field: pa.Field, declared: Any) -> Column:
    element = _element(declared)
    if isinstance(declared, dict) and declared.get("_type") == "Image":
        return Column(field.name, "image")
    names = element.get("names") if element.get("_type") == "ClassLabel" else None
    classes = tuple(str(name) for name in names) if isinstance(names, list) and names else None
    return Column(field.name, _kind(field.type), classes)


def _element(declared: Any) -> dict[str, Any]:
    """Unwrap a list feature, in the several ways that the `datasets` library has written it."""
    while isinstance(declared, list) and declared:
        declared = declared[0]
    while isinstance(declared, dict) and declared.get("_type") in ("Sequence", "List", "LargeList"):
        declared = declared.get("feature")
    return declared if isinstance(declared, dict) else {}


def _kind(kind: pa.DataType) -> Kind:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_struct(kind):
        return "image" if any(field.name == "bytes" and _is_bytes(field.type) for field in kind) else "other"
    if _is_bytes(kind):
        return "image"
    if types.is_integer(kind):
        return "number"
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        inner = _kind(kind.value_type)
        return "numbers" if inner == "number" else "texts" if inner == "text" else "other"
    return "other"


def _is_bytes(kind: pa.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))
