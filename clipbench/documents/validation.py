"""Checking a YAML document against a pydantic model, in the words of someone who wrote the YAML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from clipbench.documents.marked_yaml import QUOTE_BRACES, KeyPath, MarkedYaml
from clipbench.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)

_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "mapping_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
}
"""Pydantic's errors that say "another kind of value was expected"."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a document."""

    path: KeyPath
    problem: str
    fix: str | None = None


def check(model: type[Model], document: MarkedYaml, path: KeyPath = ()) -> tuple[Model | None, list[Problem]]:
    """Read the value at a path of the document as a model; types are not converted.

    Returns:
        The model, or None and the problems found.
    """
    try:
        return model.model_validate(_with_tuples(document.at(path)), strict=True), []
    except ValidationError as error:
        found = [_Found.of(details, document, path) for details in error.errors(include_url=False)]
        return None, [_explain(group, model, document) for group in _grouped(found, document)]


def refuse(document: MarkedYaml, problems: Iterable[Problem]) -> None:
    """Raise the problem that comes first in the file and say where the others are; no problem: do nothing.

    Raises:
        UserError: there are problems.
    """
    ordered = sorted(problems, key=lambda problem: document.mark(problem.path).line)
    if not ordered:
        return
    first, *others = ordered
    problem, fix = first.problem, first.fix
    if others:
        more = f" (and {len(others)} more: {_lines([document.mark(other.path).line for other in others])})"
        problem, fix = (problem, f"{fix}{more}") if fix else (f"{problem}{more}", None)
    raise UserError(problem, where=document.where(first.path), fix=fix)


def _lines(lines: Iterable[int]) -> str:
    shown = sorted(set(lines))
    text = ", ".join(map(str, shown[:8])) + (", ..." if len(shown) > 8 else "")
    return f"line {text}" if len(shown) == 1 else f"lines {text}"


def show(value: Any) -> str:
    """Write a value as a message shows it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def unquoted_fix(document: MarkedYaml, path: KeyPath) -> str | None:
    """Return what to do about a bare word that YAML does not read as text: `no`, `12`, `null`."""
    written = document.mark(path).written if path in document.marks else None
    value = document.at(path) if written else None
    if not written or isinstance(value, str):
        return None
    reading = "as nothing" if value is None else f"as {show(value)}" if isinstance(value, bool) else "as a number"
    return f"YAML reads {written} {reading}: write '{written}' in quotes"


@dataclass(frozen=True)
class _Found:
    """An error of pydantic's, and the path in the document that it is about."""

    details: ErrorDetails
    path: KeyPath
    union: KeyPath | None
    """The path of the value that could be one of several kinds, if the error is about one of those kinds."""

    @classmethod
    def of(cls, details: ErrorDetails, document: MarkedYaml, base: KeyPath) -> _Found:
        path, union = base, None
        steps = details["loc"][:-1] if details["type"] == "missing" else details["loc"]
        for step in steps:
            if (*path, step) in document.marks:
                path = (*path, step)
            elif isinstance(step, str) and union is None:
                union = path
        return cls(details, path, union)


def _grouped(found: Sequence[_Found], document: MarkedYaml) -> Iterator[Sequence[_Found]]:
    """Yield errors one by one, save where a value is none of the kinds that it may be: those together."""
    unions: dict[KeyPath, list[_Found]] = {}
    for error in found:
        if _is_echo(error, found, document):
            continue
        if error.union is None:
            yield [error]
        else:
            unions.setdefault(error.union, []).append(error)
    for path, errors in unions.items():
        fitting = [error for error in errors if not (error.path == path and error.details["type"] in _KINDS)]
        if fitting:
            yield from ([error] for error in fitting)
        else:
            yield errors


def _is_echo(error: _Found, found: Sequence[_Found], document: MarkedYaml) -> bool:
    """Say whether an error only repeats another: a list too short as its items are wrong, a key missing as misspelt."""
    kind = error.details["type"]
    if kind == "too_short":
        inside = any(other.path[: len(error.path)] == error.path and other is not error for other in found)
        return inside and bool(document.at(error.path))
    if kind == "missing":
        name = str(error.details["loc"][-1])
        unknown = [other.path for other in found if other.details["type"] == "extra_forbidden"]
        return any(path[:-1] == error.path and _is_near(str(path[-1]), name) for path in unknown)
    return False


def _is_near(written: str, name: str) -> bool:
    return did_you_mean(written, {name}).startswith("did you mean")


def _explain(group: Sequence[_Found], model: type[BaseModel], document: MarkedYaml) -> Problem:
    first = group[0]
    kind, path, details = first.details["type"], first.path, first.details
    context: dict[str, Any] = details.get("ctx", {})
    value = document.at(path)
    if kind == "extra_forbidden":
        owner = _model_at(model, details["loc"][:-1])
        return Problem(path, "unknown key", did_you_mean(str(details["loc"][-1]), owner.model_fields))
    if kind == "missing":
        owner, name = _model_at(model, details["loc"][:-1]), str(details["loc"][-1])
        return Problem(path, f"the key {name!r} is missing", _purpose(owner, name))
    if kind in _KINDS:
        expected = " or ".join(dict.fromkeys(_KINDS.get(error.details["type"], "another value") for error in group))
        return Problem(path, f"expected {expected}, got {show(value)}", _conversion(kind, document, path))
    if kind == "literal_error":
        allowed = [str(name).strip("'") for name in str(context["expected"]).replace(" or ", ", ").split(", ")]
        return Problem(path, f"{show(value)} is not allowed", did_you_mean(str(value), allowed))
    if kind == "value_error":
        return Problem(path, str(context["error"]))
    if kind in {"too_short", "string_too_short"} and not value:
        return Problem(path, "is empty", "give at least one" if kind == "too_short" else "write something")
    return Problem(path, f"{show(value)} is not allowed: it {details['msg'].removeprefix('Input ')}")


def _purpose(owner: type[BaseModel], name: str) -> str:
    description = owner.model_fields[name].description if name in owner.model_fields else None
    return f"add it ({description.rstrip('.')})" if description else "add it"


def _conversion(kind: str, document: MarkedYaml, path: KeyPath) -> str | None:
    """Return what to write instead, where the value only looks like what was expected."""
    if path not in document.marks:
        return None
    value, written = document.at(path), document.marks[path].written
    if kind == "string_type":
        # {} and {c} by themselves are templates, and mappings to YAML.
        return QUOTE_BRACES if value in ({}, {"c": None}) else unquoted_fix(document, path)
    if kind in {"int_type", "float_type"} and isinstance(value, str):
        return _as_number(value, written, whole=kind == "int_type")
    if kind == "bool_type" and isinstance(value, str) and value.lower() in {"true", "false", "yes", "no", "on", "off"}:
        return "remove the quotes"
    if kind in {"tuple_type", "list_type"} and isinstance(value, dict):
        return "begin each entry with '- '"
    if kind in {"tuple_type", "list_type"} and isinstance(value, str):
        # As YAML it may need quotes: a template has braces, which mean a mapping between brackets.
        return f"write {yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=math.inf).strip()}"
    if kind in {"tuple_type", "list_type"} and written:
        return f"write [{written}]"
    return None


def _as_number(text: str, written: str | None, *, whole: bool) -> str | None:
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number) or (whole and not number.is_integer()):
        return None
    plain = str(int(number)) if whole and abs(number) < 1e15 else _yaml_float(number)
    return f"YAML reads {written} as text: write {plain}" if written else f"remove the quotes: {plain}"


def _yaml_float(number: float) -> str:
    """Write a number so that YAML 1.1 reads it as one: it wants a point and the exponent's sign."""
    mantissa, e, exponent = repr(number).partition("e")
    if not e:
        return mantissa
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{exponent}"


def _model_at(model: type[BaseModel], steps: Sequence[str | int]) -> type[BaseModel]:
    """Return the model that an error's location leads to, starting from the outermost."""
    for step in steps:
        if not isinstance(step, str):
            continue
        inner = _models_in(model.model_fields[step].annotation) if step in model.model_fields else []
        if len(inner) == 1:
            model = inner[0]
    return model


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _with_tuples(value: Any) -> Any:
    """Turn lists into tuples, which is what strict models hold."""
    if isinstance(value, list):
        return tuple(_with_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    return value
