"""What `clipbench prompts show` prints: the strings of a prompt set, and their token counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from clipbench.datasets.base import Dataset, DatasetDefinition, DatasetInfo, Split
from clipbench.datasets.catalog import catalog_definitions, define, open_dataset
from clipbench.documents.marked_yaml import read_mapping
from clipbench.documents.validation import show
from clipbench.errors import UserError, did_you_mean, quoted
from clipbench.plugins import is_dotted_path
from clipbench.prompts.checks import classes_named
from clipbench.prompts.filling import prompts_for
from clipbench.prompts.sets import OWN, PromptSet, prompt_set
from clipbench.prompts.tokens import USUAL, TokenCounts, count_tokens
from clipbench.reference.listing import Listing
from clipbench.suite.loading import Suite, load_suite
from clipbench.suite.reader import EXPECTED
from clipbench.tasks.prompts import PromptedClasses, fill


class _Classes(Dataset):
    """Classes that were named, without images."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes
        self.info = DatasetInfo(name="the classes given")

    @property
    def splits(self) -> Mapping[str, Split]:
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
) -> Listing:
    """Fill a prompt set with class names and count the tokens of every string.

    Args:
        name: of a prompt set, its file, or a template with {}; `own`: the data set's own templates. Of sets of
            the suite that are called the same, the one that a task uses on the data set.
        dataset: whose classes are filled in, of the catalog or of the suite; its images are not read.
        suite: a suite's name or file; its own data sets and prompt sets may then be named too.
        classes: instead of a data set, names to fill in; beside one, those of its classes to fill in.
        model: whose tokenizer counts; by default that of the CLIP paper.
        limit: how many classes are listed, 0 for all. What is cut is counted over all.
        data_root: holds local copies of hub data sets, which come before the hub.

    Raises:
        UserError: no such set, data set, class or model, or the prompts do not fit the classes.
        Unavailable: the data set's class names, or the tokenizer, are not here and cannot be fetched.
    """
    checked = load_suite(suite, code=False) if suite is not None else None
    choice = (_sets_of(checked, dataset) if checked else {}).get(name) or prompt_set(name)
    if checked and not dataset:
        raise UserError("a suite is named, but none of its data sets", fix="give --dataset NAME too")
    described = tuple(dict.fromkeys(class_name for _, class_name in classes_named(choice)))
    opened = _open(dataset, checked, data_root) if dataset else _named(tuple(classes), described, name)
    _check_classes(classes, opened)
    filled = prompts_for(choice, dataset=opened, classes=tuple(dict.fromkeys(classes)) or None)
    # Whether a data set has the classes that are not listed is checked where it is filled.
    strangers = [] if dataset or choice.classes or not classes else [name for name in described if name not in classes]
    return _listing(filled, model, limit, strangers)


def _check_classes(classes: Sequence[str], dataset: Dataset) -> None:
    for name in classes:
        if not name.strip():
            raise UserError("a class's name is empty", where="--class", fix="give a name, or leave --class out")
        if name not in dataset.classes:
            fix = did_you_mean(name, dataset.classes)
            raise UserError(f"it has no class {name!r}", where=dataset.info.name, fix=fix)


def _listing(filled: PromptedClasses, model: str | None, limit: int, strangers: Sequence[str]) -> Listing:
    prompts = [
        [(name, text, "") for text in strings] + [(name, fill(text, name), "control") for text in filled.controls]
        for name, strings in zip(filled.classes, filled.strings, strict=True)
    ]
    texts = [text for class_prompts in prompts for _, text, _ in class_prompts]
    counts = count_tokens(texts, model or USUAL)
    listed = prompts[:limit] if limit else prompts
    rows = (
        (name, text, str(counts.by_text[text].tokens), "yes" if counts.by_text[text].cut else "", role)
        for class_prompts in listed
        for name, text, role in class_prompts
    )
    columns = ("class", "prompt", "tokens", "cut", "role")[: 5 if filled.controls else 4]
    cut = [text for text in texts if counts.by_text[text].cut]
    notes = [*_contents(filled, counts, model), *_warnings(cut, len(listed), len(filled.classes))]
    if strangers:
        notes.append(f"It also says something of {quoted(strangers)}: no --class is one.")
    return Listing(columns, tuple(row[: len(columns)] for row in rows), tuple(notes))


def _sets_of(suite: Suite, dataset: str | None) -> dict[str, PromptSet]:
    """Return the sets that are written in a suite or in files that it names."""
    entries = sorted(suite.tasks, key=lambda entry: dataset in {name for _, name in entry.named()})
    choices = (choice for entry in entries for choice in getattr(entry, "prompts", ()))
    return {choice.name: choice for choice in choices if isinstance(choice, PromptSet)}


def _open(name: str, suite: Suite | None, data_root: Path | None) -> Dataset:
    definitions = {**catalog_definitions(), **(_defined_in(suite) if suite else {})}
    if name not in definitions:
        hint = "Classes without a data set are given by --class"
        hint = hint if suite else f"{hint}, a suite with data sets of its own by --suite"
        raise UserError(f"unknown data set {name!r}", fix=f"{did_you_mean(name, definitions)} {hint}")
    return open_dataset(definitions[name], data_root=data_root)


def _defined_in(suite: Suite) -> Mapping[str, DatasetDefinition]:
    """Return the data sets that a suite's tasks name, and those that it defines beside."""
    document = read_mapping(suite.path, EXPECTED)
    definitions = {
        name: define(name, entry, base=suite.path.parent, where=document.where(("datasets", name)))
        for name, entry in document.value.get("datasets", {}).items()
        if not is_dotted_path(str(entry.get("adapter")))
    }
    return {**definitions, **suite.datasets}


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
    total = sum(map(len, filled.strings))
    tokenizer = f"of {model}" if model else "of the CLIP paper"
    yield (
        f"{filled.name}: {_counted(total, 'prompt')} of {_counted(len(filled.classes), 'class', 'classes')}. "
        f"Tokens of the tokenizer {tokenizer}, start and end included; there is room for {counts.room}."
    )
    numbers = [len(names) for names in filled.names if len(names) > 1]
    if numbers:
        yield (
            f"{_counted(len(numbers), 'class has', 'classes have')} several names, at most "
            f"{max(numbers)}: each is filled into every template, and all are averaged."
        )
    if filled.controls:
        yield (
            f"Beside them {_counted(len(filled.controls), 'control')} a class: measured, never averaged with the "
            "others."
        )


def _warnings(cut: Sequence[str], listed: int, classes: int) -> Iterator[str]:
    if listed < classes:
        yield f"Listed: the first {listed:,} of {classes:,} classes; --limit 0 lists all."
    if cut:
        verb = "is" if len(cut) == 1 else "are"
        yield (
            f"warning: {_counted(len(cut), 'prompt')} {verb} longer and would be cut, the model would not see "
            f"the end; the first is {show(cut[0])}"
        )


def _counted(number: int, singular: str, plural: str = "") -> str:
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"
