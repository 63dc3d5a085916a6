"""Checking a YAML document against a pydantic model, in the words of someone who wrote the YAML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from clipbench.documents.marked_yaml import QUOTE_BRACES, KeyPath, MarkedYaml
from clipbench.errors import UserError, did_you_mean, nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)

_KINDS = {
    "a list": ("tuple_type", "list_type", "sequence_str", "Sequence"),
    "a mapping of keys to values": ("dict_type", "mapping_type", "model_type"),
    "a number": ("float_type", "float_parsing"),
    "a path": ("path_type",),
    "a whole number": ("int_type", "int_parsing", "int_from_float"),
    "text": ("string_type",),
    "true or false": ("bool_type", "bool_parsing"),
}
"""What was expected, and how pydantic says so: by the type of its error, or by the class that a value is not of."""
_EXPECTED = {name: kind for kind, names in _KINDS.items() for name in names}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a document."""

    path: KeyPath
    problem: str
    fix: str | None = None


def check(
    model: type[Model], document: MarkedYaml, path: KeyPath = (), *, strict: bool = True
) -> tuple[Model | None, list[Problem]]:
    """Return the value at a path of a document (or of a mapping from elsewhere) as a model, or None and the problems.

    `strict`: types are not converted; else '3' is a number where one is expected, and text is a path.
    """
    value = document.value_at(path)
    try:
        return model.model_validate(_with_tuples(value) if strict else value, strict=strict), []
    except ValidationError as error:
        errors = [_LocatedError.locate(details, document, path) for details in error.errors(include_url=False)]
        return None, [_explain(group, model, document) for group in _grouped(errors, document)]


def refuse(document: MarkedYaml, problems: Iterable[Problem]) -> None:
    """Raise a UserError with the problem that comes first in the file and the lines of the others; nothing without."""
    ordered = sorted(problems, key=lambda problem: document.mark(problem.path).line)
    if not ordered:
        return
    first, *rest = ordered
    problem, fix = first.problem, first.fix
    if rest:
        more = f" (and {len(rest)} more{_lines({document.mark(later.path).line for later in rest})})"
        problem, fix = (problem, f"{fix}{more}") if fix else (f"{problem}{more}", None)
    raise UserError(problem, where=document.where(first.path), fix=fix)


def _lines(lines: set[int]) -> str:
    if lines == {0}:  # of a document without lines
        return ""
    text = ", ".join(map(str, sorted(lines)[:8])) + (", ..." if len(lines) > 8 else "")
    return f": line {text}" if len(lines) == 1 else f": lines {text}"


def show(value: Any) -> str:
    """Write a value as a message shows it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def unquoted_fix(document: MarkedYaml, path: KeyPath) -> str | None:
    """Return what to do about a bare word that YAML does not read as text: `no`, `12`, `null`."""
    bare_word = document.marks[path].bare_word if path in document.marks else None
    value = document.value_at(path) if bare_word else None
    if not bare_word or isinstance(value, str):
        return None
    reading = "as nothing" if value is None else f"as {show(value)}" if isinstance(value, bool) else "as a number"
    return f"YAML reads {bare_word} {reading}: write '{bare_word}' in quotes"


@dataclass(frozen=True)
class _LocatedError:
    """An error of pydantic's, and the path in the document that it is about."""

    details: ErrorDetails
    path: KeyPath
    union: KeyPath | None
    """The path of the value that could be one of several kinds, if the error is about one of those kinds."""

    @classmethod
    def locate(cls, details: ErrorDetails, document: MarkedYaml, base: KeyPath) -> _LocatedError:
        path, union = base, None
        steps = details["loc"][:-1] if details["type"] == "missing" else details["loc"]
        for step in steps:
            if (*path, step) in document.marks:
                path = (*path, step)
            elif isinstance(step, str) and union is None:
                union = path
        return cls(details, path, union)

    @property
    def expected(self) -> str | None:
        """What kind of value was expected, if the error says that it is of another kind."""
        kind = self.details["type"]
        return _EXPECTED.get(self.details["ctx"]["class"] if kind == "is_instance_of" else kind)


def _grouped(errors: Sequence[_LocatedError], document: MarkedYaml) -> Iterator[Sequence[_LocatedError]]:
    """Yield errors one by one, save where a value is none of the kinds that it may be: those together."""
    unions: dict[KeyPath, list[_LocatedError]] = {}
    for error in errors:
        if _is_echo(error, errors, document):
            continue
        if error.union is None:
            yield [error]
        else:
            unions.setdefault(error.union, []).append(error)
    for path, members in unions.items():
        fitting = [error for error in members if not (error.path == path and error.expected)]
        yield from ([error] for error in fitting) if fitting else (members,)


def _is_echo(error: _LocatedError, errors: Sequence[_LocatedError], document: MarkedYaml) -> bool:
    """Say whether an error only repeats another: a list too short as its items are wrong, a key missing as misspelt."""
    kind = error.details["type"]
    if kind == "too_short":
        inside = any(inner.path[: len(error.path)] == error.path and inner is not error for inner in errors)
        return inside and bool(document.value_at(error.path))
    if kind == "missing":
        name = str(error.details["loc"][-1])
        unknown = [misspelt.path for misspelt in errors if misspelt.details["type"] == "extra_forbidden"]
        return any(path[:-1] == error.path and nearest(str(path[-1]), {name}) for path in unknown)
    return False


def _explain(group: Sequence[_LocatedError], model: type[BaseModel], document: MarkedYaml) -> Problem:
    """Say in a user's words what one error says, or the errors of one value that may be of several kinds."""
    first = group[0]
    kind, path, details = first.details["type"], first.path, first.details
    context: dict[str, Any] = details.get("ctx", {})
    value = document.value_at(path)
    if kind == "extra_forbidden":
        owner = _model_at(model, details["loc"][:-1])
        return Problem(path, "unknown key", did_you_mean(str(details["loc"][-1]), owner.model_fields))
    if kind == "missing":
        owner, name = _model_at(model, details["loc"][:-1]), str(details["loc"][-1])
        return Problem(path, f"the key {name!r} is missing", _purpose(owner, name))
    if first.expected:
        kinds = list(dict.fromkeys(error.expected or "another value" for error in group))
        return Problem(path, f"expected {' or '.join(kinds)}, got {show(value)}", _conversion(kinds, document, path))
    if kind == "literal_error":
        allowed = [str(name).strip("'") for name in str(context["expected"]).replace(" or ", ", ").split(", ")]
        return Problem(path, f"{show(value)} is not allowed", did_you_mean(str(value), filter(None, allowed)))
    if kind == "value_error":
        return Problem(path, str(context["error"]))
    if kind in {"too_short", "string_too_short"} and not value:
        return Problem(path, "is empty", "give at least one" if kind == "too_short" else "write something")
    return Problem(path, f"{show(value)} is not allowed: it {details['msg'].removeprefix('Input ')}")


def _purpose(owner: type[BaseModel], name: str) -> str:
    description = owner.model_fields[name].description if name in owner.model_fields else None
    return f"add it ({description.rstrip('.')})" if description else "add it"


def _conversion(kinds: Sequence[str], document: MarkedYaml, path: KeyPath) -> str | None:
    """Return what to write instead, where the value only looks like what was expected."""
    if path not in document.marks:
        return None
    value, bare_word = document.value_at(path), document.marks[path].bare_word
    if {"text", "a path"} & set(kinds):
        # {} and {c} by themselves are templates, and mappings to YAML.
        return QUOTE_BRACES if value in ({}, {"c": None}) else unquoted_fix(document, path)
    kind = kinds[0]
    if kind in {"a whole number", "a number"} and isinstance(value, str):
        return _as_number(value, bare_word, whole=kind == "a whole number")
    if kind == "true or false" and isinstance(value, str):
        return "remove the quotes" if value.lower() in {"true", "false", "yes", "no", "on", "off"} else None
    if kind == "a list" and isinstance(value, dict):
        return "begin each entry with '- '"
    if kind == "a list" and isinstance(value, str):
        # As YAML it may need quotes: a template has braces, which mean a mapping between brackets.
        return f"write {yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=math.inf).strip()}"
    return f"write [{bare_word}]" if kind == "a list" and bare_word else None


def _as_number(text: str, bare_word: str | None, *, whole: bool) -> str | None:
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number) or (whole and not number.is_integer()):
        return None
    plain = str(int(number)) if whole and abs(number) < 1e15 else _yaml_float(number)
    return f"YAML reads {bare_word} as text: write {plain}" if bare_word else f"remove the quotes: {plain}"


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
