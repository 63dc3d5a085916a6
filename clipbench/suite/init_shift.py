"""A robustness suite for two places that hold images of the same classes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbench.datasets.adapters.folder import SPLIT_FOLDERS, ImageFolder
from clipbench.datasets.base import Dataset
from clipbench.datasets.catalog import catalog_definitions, define, open_dataset
from clipbench.datasets.classes.matching import ClassMatch, match_classes
from clipbench.datasets.detect import adapter_of
from clipbench.errors import UserError
from clipbench.prompts.filling import prompts_for
from clipbench.prompts.sets import is_prompt_file
from clipbench.suite.shift_suite_text import Side, suite_text

PROMPTS = "a photo of a {}."
"""The template where none is chosen."""

_EVALUATED = ("test", "validation", "val", "valid", "dev")
"""Splits that may be evaluated; the first that is there."""
_SAYS_LITTLE = frozenset({*SPLIT_FOLDERS, "data", "images", "imgs", "pictures"})
"""Folder names that tell nothing without the folder around them."""
_WORDNET = re.compile(r"n\d{8}")
_SHOWN = 12


@dataclass(frozen=True)
class ShiftSuite:
    """A suite, and what its user should know before running it."""

    text: str
    """YAML with comments."""
    notes: tuple[str, ...]


def shift_suite(benchmark: Path, real: Path, *, prompts: str = PROMPTS, output: Path | None = None) -> ShiftSuite:
    """Write a robustness suite whose reference is `benchmark` and whose shift is `real`; decodes no image.

    Each is a folder of class folders, a table, a webdataset folder, or a folder in the hub's layout. Classes are
    matched by name, else by name without case, spaces, hyphens and underscores, which the suite then writes out.

    Args:
        benchmark: images like those that models are compared on.
        real: images of the same things as they are met.
        prompts: a prompt set's name or file, or a template.
        output: the file that the suite will be written to; paths in it are relative to that file's folder. Without
            one they are absolute.

    Raises:
        UserError: a place cannot be opened or has no classes, the two are one, share fewer than two classes, the
            prompts do not fit, or the output exists.
    """
    if output is not None and output.exists():
        raise UserError("exists already", where=str(output), fix="delete it, or give another name")
    _refuse_one_place_twice(benchmark, real)
    names = _names(benchmark, real)
    sides = tuple(_open(place, name) for place, name in zip((benchmark, real), names, strict=True))
    (reference, first), (shift, second) = sides
    table = _loose_matches(reference.classes, shift.classes)
    match = _match(reference, shift, table)
    prompts_for(prompts, dataset=reference, classes=match.names)
    prompts = str(Path(prompts).resolve()) if is_prompt_file(prompts) else prompts
    text = suite_text(first, second, table=table, match=match, prompts=prompts, output=output)
    splits = [f"{side.name}: its split {side.split!r} is evaluated" for _, side in sides if side.split != "test"]
    return ShiftSuite(text, (*splits, *_match_notes(match, reference, shift)))


def _refuse_one_place_twice(benchmark: Path, real: Path) -> None:
    first, second = benchmark.resolve(), real.resolve()
    if first == second:
        raise UserError("is given twice", where=str(benchmark), fix="give the benchmark and then other images")
    for inner, outer in ((first, second), (second, first)):
        if inner.is_dir() and inner.is_relative_to(outer):
            fix = "give two folders side by side, each with the class folders directly in it"
            raise UserError(f"lies inside {outer}", where=str(inner), fix=fix)


def _names(benchmark: Path, real: Path) -> tuple[str, str]:
    """Name the data sets by their places; a name that the catalog has, or that both would have, gets an ending."""
    first, second = _name(benchmark), _name(real)
    taken = set(catalog_definitions())
    same = first.casefold() == second.casefold()
    return (
        f"{first}-benchmark" if same or first in taken else first,
        f"{second}-real" if same or second in taken else second,
    )


def _name(place: Path) -> str:
    path = place.resolve()
    name = path.stem if path.is_file() else path.name
    words = [path.parent.name, name] if name.casefold() in _SAYS_LITTLE else [name]
    safe = [re.sub(r"[^\w-]+", "-", unicodedata.normalize("NFC", word)).strip("-_") for word in words]
    return "-".join(word for word in safe if word) or "images"


def _open(place: Path, name: str) -> tuple[Dataset, Side]:
    """Open a place with its adapter and settle which split is evaluated, under the name `test`."""
    path = place.resolve()
    adapter = adapter_of(path)
    arguments: dict[str, Any] = {"adapter": adapter}
    dataset = _with_split_column(name, path) if adapter == "table" else None
    if dataset is not None:
        arguments["split"] = "split"
    dataset = dataset or _dataset(name, arguments, path)
    if not dataset.classes:
        fix = "robustness needs one class an image; a table needs a column of labels"
        raise UserError("holds captions and no classes", where=str(place), fix=fix)
    if dataset.multilabel:
        raise UserError("has several labels an image", where=str(place), fix="robustness needs one label an image")
    split = _evaluated(list(dataset.splits), place)
    if split == "test":
        return dataset, Side(name, path, arguments, split)
    if adapter == "hf":
        return dataset, Side(name, path, {**arguments, "splits": {"test": split}}, split)
    if adapter == "folder":
        assert isinstance(dataset, ImageFolder)
        folder = dataset.split_folders[split]
        return _dataset(name, arguments, folder), Side(name, folder, arguments, split)
    fix = f"call the split {split!r} `test`"
    raise UserError(f"has no split `test` but {', '.join(dataset.splits)}", where=str(place), fix=fix)


def _dataset(name: str, arguments: Mapping[str, Any], path: Path) -> Dataset:
    return open_dataset(define(name, {**arguments, "path": str(path)}, base=None, where=str(path)))


def _with_split_column(name: str, path: Path) -> Dataset | None:
    """Return a table read with its column `split`; None where it has no such column, or cannot be read at all."""
    try:
        return _dataset(name, {"adapter": "table", "split": "split"}, path)
    except UserError:
        return None


def _evaluated(splits: Sequence[str], place: Path) -> str:
    name = next((split for split in _EVALUATED if split in splits), splits[0] if len(splits) == 1 else None)
    if name is None:
        fix = "call the one that is to be evaluated `test`"
        raise UserError(f"has the splits {', '.join(splits)}", where=str(place), fix=fix)
    return name


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFC", name).casefold())


def _loose_matches(reference: Sequence[str], shift: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return, for classes of the shift without an equal name, those of the reference whose name is equal but for form.

    No class of the reference is given to two.
    """
    free: dict[str, list[str]] = {}
    for name in dict.fromkeys(reference):
        if name not in set(shift) and _plain(name):
            free.setdefault(_plain(name), []).append(name)
    unequal = [name for name in dict.fromkeys(shift) if name not in set(reference)]
    return {name: tuple(free.pop(_plain(name))) for name in unequal if _plain(name) in free}


def _match(reference: Dataset, shift: Dataset, table: Mapping[str, tuple[str, ...]]) -> ClassMatch:
    first, second = reference.info.name, shift.info.name
    if not table and not set(reference.classes) & set(shift.classes):
        has = f"{first} has {_listed(reference.classes, 5)}; {second} has {_listed(shift.classes, 5)}"
        example = f"`classes: {{{second}: {{{shift.classes[0]!r}: ...}}}}`"
        fix = f"rename the classes of one, or write a suite that names {first}'s class for each of {second}: {example}"
        raise UserError(f"no class has the same name in both: {has}", fix=fix)
    match = match_classes(reference.classes, shift.classes, table, where=second)
    if len(match.names) < 2:
        problem = f"{first} and {second} share one class alone, {match.names[0]!r}, and with one every answer is right"
        raise UserError(problem, fix="rename the classes of one as the other calls them")
    return match


def _listed(names: Sequence[str], count: int = _SHOWN) -> str:
    more = f", ... ({len(names):,} in all)" if len(names) > count else ""
    return ", ".join(map(repr, names[:count])) + more


def _match_notes(match: ClassMatch, reference: Dataset, shift: Dataset) -> list[str]:
    first, second = reference.info.name, shift.info.name
    notes = [f"{len(match.names):,} classes are in both {first} and {second}"]
    if match.unmatched_shift:
        notes.append(f"left out, since {first} has no such class: {_listed(match.unmatched_shift)}")
    if match.unmatched_reference:
        notes.append(f"left out, since {second} has no such class: {_listed(match.unmatched_reference)}")
    if any(_WORDNET.fullmatch(name) for name in match.names):
        notes.append("classes are named by WordNet ids, which prompts cannot use: give their names under `classes:`")
    return notes
