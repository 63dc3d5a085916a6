"""The text of a robustness suite: YAML that reads back as it was meant, with comments for its user."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

import yaml

from clipbench.datasets.classes.matching import ClassMatch
from clipbench.prompts.sets import is_prompt_file

_WIDTH = 110


@dataclass(frozen=True)
class Side:
    """A place of images as a suite names it."""

    name: str
    path: Path
    arguments: Mapping[str, Any]
    """Its adapter and the adapter's arguments, without the path."""
    split: str
    """The one that is evaluated, as the place calls it."""


class _Dumper(yaml.SafeDumper):
    """Writes YAML that versions 1.1 and 1.2 read alike."""


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Write text with a line break of any kind in double quotes: in single quotes some kinds are read as a space."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if len(text.splitlines()) > 1 else None)


_Dumper.add_representer(str, _text)


def suite_text(
    reference: Side,
    shift: Side,
    *,
    table: Mapping[str, tuple[str, ...]],
    match: ClassMatch,
    prompts: str,
    output: Path | None,
) -> str:
    """Return the suite of a benchmark and other images.

    `table`: class of the shift -> classes of the reference, where the names differ. `prompts`: a set's name or absolute
    file, or a template. `output`: the file that it will be in, where paths are to be relative to it.
    """
    prompts = _place(Path(prompts), output) if is_prompt_file(prompts) else prompts
    classes = {name: names[0] if len(names) == 1 else list(names) for name, names in table.items()}
    task = {"task": "robustness", "reference": reference.name, "shifts": [shift.name], "prompts": [prompts]}
    content = {
        "name": output.stem if output else f"{reference.name}-to-{shift.name}",
        "description": f"Does accuracy on {reference.name} hold on {shift.name}, other images of the same classes?",
        "datasets": {
            side.name: {**side.arguments, "path": _place(side.path, output), "regime": regime}
            for side, regime in ((reference, "benchmark"), (shift, "shift"))
        },
        "tasks": [task | ({"classes": {shift.name: classes}} if classes else {})],
    }
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf"))
    return "\n".join([*_opening(reference, shift, match, output), "", text])


def _opening(reference: Side, shift: Side, match: ClassMatch, output: Path | None) -> Iterator[str]:
    file = str(output) if output else "SUITE.yaml"
    yield from _comment(
        f"How much of a model's accuracy on {reference.name} is left on {shift.name}, with other images of the same "
        "classes? Begun by `clipbench init-shift`; change what does not fit."
    )
    yield "#"
    yield f"#     clipbench run {file} --model vit-b-32 --dry-run"
    yield f"#     clipbench run {file} --model vit-b-32 --model vit-b-16"
    yield "#"
    yield from _comment(
        f"{len(match.names):,} classes are in both: both sets are classified among these, so that the gap is not one "
        "of other classes. Where names differ, `classes` has that of the shift, then that of the reference, or a list."
    )
    for side, opposite, names in (
        (shift, reference, match.unmatched_shift),
        (reference, shift, match.unmatched_reference),
    ):
        if names:
            listed = ", ".join(map(repr, names))
            yield from _comment(f"Of {side.name} left out, since {opposite.name} has no such class: {listed}.")
    if match.unmatched_shift and match.unmatched_reference:
        yield from _comment(f"If some of these are the same things, say so under `classes`: {shift.name}'s name first.")


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)]


def _place(path: Path, output: Path | None) -> str:
    if output is None:
        return str(path)
    return Path(os.path.relpath(path, output.resolve().parent)).as_posix()
