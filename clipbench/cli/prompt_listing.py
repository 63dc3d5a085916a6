"""What `clipbench prompts show` prints: the strings of a prompt set, and their token counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clipbench.datasets.base import Dataset, DatasetDefinition, DatasetInfo, Split
from clipbench.datasets.catalog import catalog_definitions, define, open_dataset
from clipbench.documents.marked_yaml import read_mapping
from clipbench.documents.validation import show
from clipbench.errors import UserError, did_you_mean, quoted
from clipbench.prompts.checks import classes_named
from clipbench.prompts.filling import prompts_for
from clipbench.prompts.sets import OWN, PromptSet, prompt_set
from clipbench.prompts.tokens import TokenCounts, count_tokens
from clipbench.suite.loading import Suite, load_suite
from clipbench.suite.reader import EXPECTED
from clipbench.tasks.prompted import PromptedClasses, fill


@dataclass(frozen=True)
class PromptListing:
    """A table to print, and sentences beside it."""

    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    columns: tuple[str, ...] = ("class", "prompt", "tokens", "cut")
    """Where the set has controls also "role": "control" or nothing."""


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
    suite: str | Path | None = None,
    classes: Sequence[str] = (),
    model: str | None = None,
    limit: int = 0,
    data_root: Path | None = None,
) -> PromptListing:
    """Fill a prompt set with class names and count the tokens of every string.

    Args:
        name: of a prompt set, its file, or a template with {}; `own`: the data set's own templates. Of sets of
            the suite that are called the same, the one that a task uses on the data set.
        dataset: a data set of the catalog or of the suite, whose classes are filled in; its images are not read.
        suite: a suite's name or file; its own data sets and prompt sets may then be named too.
        classes: instead of a data set, names to fill in; beside one, those of its classes to fill in.
        model: whose tokenizer counts; by default that of the CLIP paper.
        limit: how many classes are listed, 0 for all. What is cut is counted over all.
        data_root: holds local copies of hub data sets, which come before the hub.

    Raises:
        UserError: no such set, data set, class or model, or the prompts do not fit the classes.
        Unavailable: the data set's class names, or the tokenizer, are not here and cannot be fetched.
    """
    checked = load_suite(suite) if suite is not None else None
    choice = (_sets_of(checked, dataset) if checked else {}).get(name) or prompt_set(name)
    if not all(given.strip() for given in classes):
        raise UserError("a class's name is empty", where="--class", fix="give a name, or leave --class out")
    if suite is not None and not dataset:
        raise UserError("a suite is named, but none of its data sets", fix="give --dataset NAME too")
    described = tuple(of_class for _, of_class in classes_named(choice))
    opened = _open(dataset, checked, data_root) if dataset else _named(tuple(classes), described, name)
    for given in classes:
        if given not in opened.classes:
            fix = did_you_mean(given, opened.classes)
            raise UserError(f"it has no class {given!r}", where=opened.info.name, fix=fix)
    filled = prompts_for(choice, dataset=opened, classes=tuple(dict.fromkeys(classes)) or None)
    listing = _listing(filled, model, limit)
    strange = [name for name in dict.fromkeys(described) if name not in classes]
    # Whether a data set has the classes that are not listed is checked where it is filled.
    if dataset or choice.classes or not classes or not strange:
        return listing
    return replace(listing, notes=(*listing.notes, f"It also says something of {quoted(strange)}: no --class is one."))


def _listing(filled: PromptedClasses, model: str | None, limit: int) -> PromptListing:
    prompts = [
        [(text, "") for text in strings] + [(fill(template, name), "control") for template in filled.controls]
        for name, strings in zip(filled.classes, filled.strings, strict=True)
    ]
    texts = [text for of_class in prompts for text, _ in of_class]
    counts = count_tokens(texts, model) if model else count_tokens(texts)
    shown = len(filled.classes) if limit == 0 else min(limit, len(filled.classes))
    rows = (
        (name, text, str(counts.of[text].tokens), "yes" if counts.of[text].cut else "", role)
        for name, of_class in zip(filled.classes[:shown], prompts, strict=False)
        for text, role in of_class
    )
    columns = (*PromptListing.columns, "role") if filled.controls else PromptListing.columns
    notes = (*_contents(filled, counts, model), *_warnings(filled, texts, counts, shown))
    return PromptListing(tuple(row[: len(columns)] for row in rows), notes, columns)


def _sets_of(suite: Suite, dataset: str | None) -> dict[str, PromptSet]:
    """Return the sets that are written in a suite or in files that it names."""
    entries = sorted(suite.tasks, key=lambda entry: dataset in {name for _, name in entry.named()})
    choices = (choice for entry in entries for choice in getattr(entry, "prompts", ()))
    return {choice.name: choice for choice in choices if isinstance(choice, PromptSet)}


def _open(name: str, suite: Suite | None, data_root: Path | None) -> Dataset:
    known = {**catalog_definitions(), **(_defined_in(suite) if suite else {})}
    if name not in known:
        hint = "Classes without a data set are given by --class"
        hint = hint if suite else f"{hint}, a suite with data sets of its own by --suite"
        raise UserError(f"unknown data set {name!r}", fix=f"{did_you_mean(name, known)} {hint}")
    return open_dataset(known[name], data_root=data_root)


def _defined_in(suite: Suite) -> Mapping[str, DatasetDefinition]:
    """Return the data sets that a suite's tasks name, and those that it defines beside."""
    document = read_mapping(suite.path, EXPECTED)
    own = {
        name: define(name, entry, base=suite.path.parent, where=document.where(("datasets", name)))
        for name, entry in document.value.get("datasets", {}).items()
    }
    return {**own, **suite.datasets}


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


def _contents(filled: PromptedClasses, counts: TokenCounts, model: str | None) -> Iterator[str]:
    """Yield what there is."""
    total = sum(map(len, filled.strings))
    tokenizer = f"of {model}" if model else "of the CLIP paper"
    yield (
        f"{filled.name}: {_counted(total, 'prompt')} of {_counted(len(filled.classes), 'class', 'classes')}. "
        f"Tokens of the tokenizer {tokenizer}, start and end included; there is room for {counts.room}."
    )
    several = [names for names in filled.names if len(names) > 1]
    if several:
        yield (
            f"{_counted(len(several), 'class has', 'classes have')} several names, at most "
            f"{max(map(len, several))}: each is filled into every template, and all are averaged."
        )
    if filled.controls:
        yield (
            f"Beside them {_counted(len(filled.controls), 'control')} a class: measured, never averaged with the "
            "others."
        )


def _warnings(filled: PromptedClasses, texts: Sequence[str], counts: TokenCounts, shown: int) -> Iterator[str]:
    """Yield what is not listed, and what a tokenizer would cut."""
    if shown < len(filled.classes):
        yield f"Listed: the first {shown:,} of {len(filled.classes):,} classes; --limit 0 lists all."
    cut = [text for text in texts if counts.of[text].cut]
    if cut:
        verb = "is" if len(cut) == 1 else "are"
        yield (
            f"warning: {_counted(len(cut), 'prompt')} {verb} longer and would be cut, the model would not see "
            f"the end; the first is {show(cut[0])}"
        )


def _counted(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"
