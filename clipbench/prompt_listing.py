"""What `clipbench prompts show` prints: the strings of a prompt set, and their token counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipbench.datasets.base import Dataset, DatasetInfo, Split
from clipbench.datasets.catalog import catalog_definitions, open_dataset
from clipbench.errors import UserError, did_you_mean
from clipbench.prompt_tokens import TokenCounts, count_tokens
from clipbench.prompts import OWN, prompt_set, prompts_for
from clipbench.tasks.prompted import PromptedClasses
from clipbench.validation import show


@dataclass(frozen=True)
class PromptListing:
    """A table to print, and sentences beside it."""

    rows: tuple[tuple[str, str, str, str], ...]
    notes: tuple[str, ...]
    columns: tuple[str, str, str, str] = ("class", "prompt", "tokens", "cut")


class _Classes(Dataset):
    """Classes that were named, without images."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes
        self.info = DatasetInfo(name="the classes given")

    @property
    def splits(self) -> Mapping[str, Split]:
        """None."""
        return {}


def show_prompts(
    name: str,
    *,
    dataset: str | None = None,
    classes: Sequence[str] = (),
    model: str | None = None,
    limit: int = 0,
    data_root: Path | None = None,
) -> PromptListing:
    """Fill a prompt set with class names and count the tokens of every string.

    Args:
        name: of a prompt set, its file, or a template with {}; `own`: the data set's own templates.
        dataset: a data set of the catalog, whose classes are filled in; its images are not read.
        classes: instead of a data set, names to fill in; beside one, those of its classes to fill in.
        model: whose tokenizer counts; by default that of the CLIP paper.
        limit: how many classes are listed, 0 for all. What is cut is counted over all.
        data_root: holds local copies of hub data sets, which come before the hub.

    Raises:
        UserError: no such set, data set, class or model, or the prompts do not fit the classes.
        Unavailable: the data set's class names, or the tokenizer, are not here and cannot be fetched.
    """
    choice = prompt_set(name)
    opened = _open(dataset, data_root) if dataset else _named(tuple(classes), tuple(choice.descriptions), name)
    for given in classes:
        if given not in opened.classes:
            fix = did_you_mean(given, opened.classes)
            raise UserError(f"it has no class {given!r}", where=opened.info.name, fix=fix)
    filled = prompts_for(choice, dataset=opened, classes=tuple(dict.fromkeys(classes)) or None)
    texts = [text for strings in filled.strings for text in strings]
    counts = count_tokens(texts, model) if model else count_tokens(texts)
    shown = range(len(filled.classes) if limit == 0 else min(limit, len(filled.classes)))
    rows = tuple(
        (filled.classes[at], text, str(counts.of[text].tokens), "yes" if counts.of[text].cut else "")
        for at in shown
        for text in filled.strings[at]
    )
    return PromptListing(rows, _notes(filled, counts, len(shown), model))


def _open(name: str, data_root: Path | None) -> Dataset:
    known = catalog_definitions()
    if name not in known:
        fix = f"{did_you_mean(name, known)} Classes without a data set are given by --class"
        raise UserError(f"unknown data set {name!r}", fix=fix)
    return open_dataset(known[name], data_root=data_root)


def _named(classes: tuple[str, ...], described: tuple[str, ...], name: str) -> Dataset:
    """Return the classes that were named; what the set describes belongs to them, so that a part may be named."""
    if not classes:
        raise UserError(
            "there are no classes to fill in", fix="give --dataset NAME, or --class NAME once or repeatedly"
        )
    if name == OWN:
        fix = f"give --dataset NAME, or another prompt set than {OWN!r}"
        raise UserError("classes alone have no templates of their own", fix=fix)
    return _Classes(tuple(dict.fromkeys((*classes, *described))))


def _notes(filled: PromptedClasses, counts: TokenCounts, shown: int, model: str | None) -> tuple[str, ...]:
    total = sum(map(len, filled.strings))
    tokenizer = f"of {model}" if model else "of the CLIP paper"
    notes = [
        f"{filled.name}: {_counted(total, 'prompt')} of {_counted(len(filled.classes), 'class', 'classes')}. "
        f"Tokens of the tokenizer {tokenizer}, start and end included; there is room for {counts.room}."
    ]
    if shown < len(filled.classes):
        notes.append(f"Listed: the first {shown:,} of {len(filled.classes):,} classes; --limit 0 lists all.")
    cut = [text for strings in filled.strings for text in strings if counts.of[text].cut]
    if cut:
        verb = "is" if len(cut) == 1 else "are"
        notes.append(
            f"warning: {_counted(len(cut), 'prompt')} {verb} longer and would be cut, the model would not see "
            f"the end; the first is {show(cut[0])}"
        )
    return tuple(notes)


def _counted(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"
