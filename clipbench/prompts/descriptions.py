"""Descriptions of classes from a JSON file of their own, in the form that CuPL publishes."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from clipbench.documents.marked_yaml import check_characters
from clipbench.errors import UserError
from clipbench.prompts.checks import descriptions_problems

MAX_BYTES = 64 * 2**20
"""CuPL's largest file, 50 sentences for each of ImageNet's 1,000 classes, has a tenth of it."""
FORM = 'it is one object: {"class": ["a sentence.", ...], ...}'


def read_descriptions(path: Path) -> dict[str, tuple[str, ...]]:
    """Read a JSON object of lists of sentences by class; sentences that stand there twice stay.

    The form is that of Pratt et al., What does a platypus look like? Generating customized prompts for zero-shot
    image classification, ICCV 2023.

    Raises:
        UserError: there is no such file, it is larger than `MAX_BYTES`, no JSON or of another form, or a key is there
            twice. The place is the file, and the key.
    """
    try:
        document = json.loads(_content(path), object_pairs_hook=partial(_without_twins, path))
    except RecursionError:
        raise UserError("is nested too deeply", where=str(path), fix=FORM) from None
    except ValueError as error:
        raise UserError(f"is not JSON ({error})", where=str(path), fix=FORM) from None
    if not isinstance(document, dict):
        raise UserError("is not a JSON object", where=str(path), fix=FORM)
    if not document:
        raise UserError("describes no class", where=str(path), fix=FORM)
    for name in document:
        check_characters(name, str(path))
    return {name: _sentences(value, f"{path}: {name!r}") for name, value in document.items()}


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise UserError("there is no such file", where=str(path), fix="the path starts from the prompt set's folder")
    if path.stat().st_size > MAX_BYTES:
        fix = "leave out classes that are not needed"
        raise UserError(f"is larger than {MAX_BYTES // 2**20} MiB", where=str(path), fix=fix)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=str(path)) from error


def _sentences(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise UserError("is not a list of sentences", where=where, fix=FORM)
    for text in value:
        check_characters(text, where)
    for problem in descriptions_problems(value, ()):
        place = f"{where}, sentence {int(problem.path[0]) + 1}" if problem.path else where
        raise UserError(problem.problem, where=place, fix=problem.fix)
    return tuple(value)


def _without_twins(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's keys and values; of a key that stands there twice, json would keep the last."""
    key, count = max(Counter(key for key, _ in pairs).items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        raise UserError(f"the key {key!r} is there twice", where=str(path), fix="keep one of the two")
    return dict(pairs)
