"""From what a data set writes as a label (a name, a number, several of them) to class indices."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from clipbench.datasets.classes.imagenet import imagenet_class_names
from clipbench.errors import UserError, did_you_mean

IMAGENET = "open_clip:imagenet"
"""The one named list of classes: OpenAI's 1,000 ImageNet names, in the order of the WordNet ids."""


def class_list(classes: Sequence[str] | str | None, *, where: str) -> tuple[str, ...] | None:
    """Return the class names that a suite gives as a list or by the name of a known list, in label order.

    Raises:
        UserError: no list of that name.
    """
    if classes is None:
        return None
    if not isinstance(classes, str):
        return tuple(classes)
    if classes != IMAGENET:
        fix = f"give a list of names in label order, or {IMAGENET!r}"
        raise UserError(f"classes: there is no list of class names called {classes!r}", where=where, fix=fix)
    return imagenet_class_names()


def classes_of(cells: Iterable[object], *, column: str, where: str) -> tuple[str, ...]:
    """Return the class names that the label texts in a column's cells imply: the distinct ones, sorted.

    Raises:
        UserError: the labels are numbers, which name nothing.
    """
    names: set[str] = set()
    for label in (label for cell in cells for label in _listed(cell) if label is not None):
        if not isinstance(label, str):
            raise _unnamed(column, label, where)
        names.add(label.strip())
    names.discard("")
    if names and all(is_number(name) for name in names):
        raise _unnamed(column, min(names), where)
    return tuple(sorted(names))


def _unnamed(column: str, label: object, where: str) -> UserError:
    fix = "list the class names, in label order, under `classes:`"
    return UserError(f"column {column!r} holds numbers ({label!r}) and nothing names the classes", where=where, fix=fix)


def is_number(text: str) -> bool:
    """Say whether a text is a plain whole number; Python's own `int` takes `0_1` and the digits of every script."""
    return text.isascii() and text.isdecimal()


def _listed(cell: object) -> list[object]:
    return cell if isinstance(cell, list) else [cell]


@dataclass(frozen=True)
class ClassIndex:
    """Finds the index of a label among the classes."""

    classes: tuple[str, ...]
    multilabel: bool = False

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: position for position, name in reversed(list(enumerate(self.classes)))}

    @cached_property
    def _repeated(self) -> frozenset[str]:
        return frozenset(name for name, times in Counter(self.classes).items() if times > 1)

    def index(self, label: object) -> int:
        """Return a label's class: a text is a class's name or else, like a number, its position from 0.

        Raises:
            ValueError: it is neither; the message says why and goes behind the place.
        """
        if isinstance(label, float) and label.is_integer():
            label = int(label)
        if isinstance(label, int) and not isinstance(label, bool):
            return self.checked(label)
        if not isinstance(label, str):
            raise ValueError(f"label {label!r} is neither a class name nor a number")  # noqa: TRY004 - of the data
        text = label.strip()
        if text in self._repeated:
            raise ValueError(f"label {text!r} is the name of several classes; write the position instead")
        if text in self._positions:
            return self._positions[text]
        if is_number(text):
            return self.checked(int(text))
        nearest = did_you_mean(text, self.classes)
        raise ValueError(f"label {text!r} is not among the {len(self.classes)} classes; {nearest}")

    def checked(self, position: int) -> int:
        """Return a position among the classes.

        Raises:
            ValueError: it is not one.
        """
        if 0 <= position < len(self.classes):
            return position
        hint = "; -1 marks images whose label is kept secret, so choose another split" if position == -1 else ""
        count = len(self.classes)
        raise ValueError(f"label {position} is not one of the {count} classes (0 to {count - 1}){hint}")

    def read(self, cell: object, *, column: str, where: str) -> tuple[int | None, tuple[int, ...] | None]:
        """Return (class, None) or, of a multi-label set, (None, the distinct classes of the labels, sorted).

        Raises:
            UserError: there is no label, or one that is none of the classes.
        """
        try:
            if cell is None:
                raise ValueError("there is no label")
            if self.multilabel:
                return None, tuple(sorted({self.index(label) for label in _listed(cell)}))
            return self.index(cell), None
        except ValueError as error:
            raise UserError(f"column {column!r}: {error}", where=where) from error


def class_number(content: bytes) -> int:
    """Read a class number as a shard holds it; ValueError where it is none."""
    # int() takes b"0_1", b"+1" and the digits of every script, which are slips and no class numbers.
    if not re.fullmatch(rb"-?[0-9]{1,18}", content.strip()):
        raise ValueError(f"{content[:40]!r} is not a class number")
    return int(content)


def classes_present(content: bytes, class_count: int) -> tuple[int, ...]:
    """Read a NumPy array: one number a class, 1 where it is present; or the numbers of the classes present.

    Raises:
        ValueError: it is neither.
    """
    import numpy as np

    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, MemoryError, OSError) as error:
        raise ValueError(f"is not a NumPy array of numbers ({error})") from None
    if array.ndim == 1 and array.dtype.kind in "biuf":
        if len(array) == class_count and np.isin(array, (0, 1)).all():
            return tuple(int(position) for position in np.flatnonzero(array))
        numbers = array.astype(np.int64)
        inside = (numbers == array) & (numbers >= 0) & (numbers < class_count)
        if inside.all() and len(np.unique(numbers)) == len(numbers):
            return tuple(int(number) for number in np.sort(numbers))
    shown = np.array2string(array.ravel()[:8], separator=", ") if array.dtype.kind in "biuf" else str(array.dtype)
    raise ValueError(f"{shown} are neither {class_count} zeros and ones nor distinct class numbers below {class_count}")
