"""Which column of a table of images holds what: the image, the label, the captions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from clipbench.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["image", "number", "text", "numbers", "texts", "cell", "other"]
"""What a column holds; 'cell': text that may stand for anything, as in CSV."""

LABEL_NAMES = ("label", "labels", "fine_label", "class", "cls", "category", "target")
CAPTION_NAMES = ("caption", "captions", "text", "texts", "sentence", "sentences", "raw")
IMAGE_NAMES = ("image", "img", "path", "image_path", "file", "file_name", "filename", "filepath")
"""What columns are usually called; the first that is there is taken where a suite names none."""

_ALLOWED: Mapping[str, set[Kind]] = {
    "image": {"image", "cell"},
    "label": {"number", "text", "numbers", "texts", "cell"},
    "caption": {"text", "texts", "cell"},
}
"""The kinds of column that may play a part."""


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    kind: Kind
    classes: tuple[str, ...] | None = None
    """The class names behind its numbers, where the table declares them."""

    def __str__(self) -> str:
        """As messages list it."""
        return self.name if self.kind == "cell" else f"{self.name} ({'classes' if self.classes else self.kind})"


@dataclass(frozen=True)
class Roles:
    """Which column plays which part; None: none does."""

    image: str | None = None
    label: str | None = None
    caption: str | None = None
    id: str | None = None
    groups: tuple[str, ...] = ()
    split: str | None = None

    def names(self) -> tuple[str, ...]:
        """Return the columns to read, each once."""
        parts = (self.image, self.label, self.caption, self.id, *self.groups, self.split)
        return tuple(dict.fromkeys(part for part in parts if part is not None))


def captions_in(cell: object) -> tuple[str, ...]:
    """Return the captions of a cell: a text or a list of them, without what is empty."""
    texts = cell if isinstance(cell, list) else [cell]
    return tuple(text for text in (str(text).strip() for text in texts if text is not None) if text)


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
            near = did_you_mean(name, columns)
            raise _unclear(f"there is no column {name!r}", columns, where, advice=f"{near}; ")
    image, label, caption = named.image or _find_image(columns, where), named.label, named.caption
    if label is None and caption is None:
        label = _find_label(columns, where)
        caption = None if label else _find(columns, CAPTION_NAMES, "caption")
        if label is None and caption is None:
            advice = "name one under `label:` or `caption:`; "
            raise _unclear("no column was found that holds labels or captions", columns, where, advice)
    for part, column in (("image", image), ("label", label), ("caption", caption)):
        if column is not None and columns[column].kind not in _ALLOWED[part]:
            problem = f"column {column!r} holds {columns[column].kind}, which cannot be the {part}"
            raise _unclear(problem, columns, where)
    return replace(named, image=image, label=label, caption=caption)


def _find(columns: Mapping[str, Column], names: Sequence[str], part: str) -> str | None:
    return next((name for name in names if name in columns and columns[name].kind in _ALLOWED[part]), None)


def _find_image(columns: Mapping[str, Column], where: str) -> str:
    images = [column.name for column in columns.values() if column.kind == "image"]
    found = images[0] if len(images) == 1 else None if images else _find(columns, IMAGE_NAMES, "image")
    if found is None:
        problem = "several columns hold images" if images else "no column holds or names images"
        raise _unclear(problem, columns, where, "name one under `image:`; ")
    return found


def _find_label(columns: Mapping[str, Column], where: str) -> str | None:
    declared = [column.name for column in columns.values() if column.classes is not None]
    found = _find(columns, LABEL_NAMES, "label")
    if found is None and len(declared) > 1:
        raise _unclear("several columns hold class labels", columns, where, "name one under `label:`; ")
    return found or next(iter(declared), None)


def _unclear(problem: str, columns: Mapping[str, Column], where: str, advice: str = "") -> UserError:
    return UserError(problem, where=where, fix=f"{advice}it has {', '.join(map(str, columns.values()))}")


def _declared_features(schema: pa.Schema) -> Mapping[str, Any]:
    description = (schema.metadata or {}).get(b"huggingface")
    if description is None:
        return {}
    try:
        features = json.loads(description)["info"]["features"]
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
