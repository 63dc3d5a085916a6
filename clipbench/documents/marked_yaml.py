"""YAML whose values remember the line they stand on, and that holds data only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clipbench.errors import UserError

KeyPath = tuple[str | int, ...]
"""The way to a value: ("tasks", 2, "datasets")."""

MAX_BYTES = 1_000_000
MAX_VALUES = 50_000
"""Aliases counted as often as they are used: what a file may expand to."""
MAX_DEPTH = 50
QUOTE_BRACES = "text that begins with '{' needs quotes"
_UNQUOTED_TEMPLATE = re.compile(r"[-:]\s+\{c?\}\s*[^\s#,\]}]")
"""`- {} in the wild`, which YAML takes for a mapping and something after it."""
_UNSPACED_DASH = re.compile(r"\s*-([A-Za-z_]\w*)\s*:")
"""`-task: knn`, which YAML takes for a key that begins with a dash."""
_STANDARD = "tag:yaml.org,2002:"
_SCALARS = {"str", "int", "float", "bool", "null", "timestamp", "value"}


@dataclass(frozen=True)
class Mark:
    """Where a value stands and, for a bare word, how it is written."""

    line: int
    """0 for a value that stands in no file."""
    bare_word: str | None = None
    """The characters in the file; None for quoted text, lists and mappings."""


@dataclass(frozen=True)
class MarkedYaml:
    """One YAML document: plain Python values, and a mark for each."""

    name: str
    """The file as messages show it."""
    text: str
    value: dict[str, Any]
    marks: Mapping[KeyPath, Mark]

    def mark(self, path: KeyPath) -> Mark:
        """Return the mark of a value, or that of the nearest value around it."""
        while path not in self.marks:
            path = path[:-1]
        return self.marks[path]

    def value_at(self, path: KeyPath) -> Any:
        """Return the value at a path that exists."""
        value: Any = self.value
        for step in path:
            value = value[step]
        return value

    def where(self, path: KeyPath) -> str:
        """Return `file:line: key path`, as errors show a place; `name.key path` without a file."""
        return _place(self.name, self.mark(path).line, path)


def read_mapping(path: Path, expected: str) -> MarkedYaml:
    """Read a YAML file that holds one mapping; `expected` says what it should look like, for the message if it differs.

    Raises:
        UserError: it cannot be read, is not UTF-8 or not YAML, is empty or not a mapping, or holds duplicate
            keys, tags other than YAML's own, several documents, or more than `MAX_BYTES` bytes or `MAX_VALUES` values.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=name) from error
    return parse_mapping(content, name, expected)


def parse_mapping(content: bytes, name: str, expected: str) -> MarkedYaml:
    """Parse the bytes of a YAML file that holds one mapping; errors as for `read_mapping`."""
    if len(content) > MAX_BYTES:
        fix = "write less, or name long lists in files of their own"
        raise UserError(f"is larger than {MAX_BYTES / 1e6:.0f} MB", where=name, fix=fix)
    text = _decode(content, name)
    node = _compose(text, name)
    if node is None or (isinstance(node, yaml.ScalarNode) and node.tag == f"{_STANDARD}null"):
        raise UserError("is empty", where=name, fix=expected)
    if not isinstance(node, yaml.MappingNode):
        kind = "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
        raise UserError(f"holds {kind}, not a mapping of keys to values", where=f"{name}:{_line(node)}", fix=expected)
    builder = _Builder(name)
    try:
        value = builder.build(node, ())
    except RecursionError:
        raise UserError("an alias (*name) contains itself", where=name, fix="write it out") from None
    return MarkedYaml(name, text, value, builder.marks)


def unmarked(mapping: Mapping[str, Any], name: str) -> MarkedYaml:
    """Return a mapping that stands in no file, to be checked as those that do; `name` is what messages call it."""
    return MarkedYaml(name, "", dict(mapping), dict.fromkeys(_paths(mapping, ()), Mark(0)))


def _paths(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    yield path
    if isinstance(value, Mapping | list | tuple):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _paths(item, (*path, key))


def render(path: KeyPath) -> str:
    """Write a path the way a reader would: `tasks[2].datasets`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def half_character(text: str) -> str:
    """Return the first half of a surrogate pair that stands alone; empty if there is none.

    YAML and JSON can write one as `\\ud800`, and Python has them for bytes that are no text; no file or tokenizer can
    hold them.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return text[error.start]
    return ""


def check_characters(text: str, where: str) -> None:
    """Refuse text with half a character.

    Raises:
        UserError: there is one.
    """
    if half := half_character(text):
        raise UserError(f"{half!r} is half a character", where=where, fix="write the whole one")


def _place(name: str, line: int, path: KeyPath) -> str:
    if not line:
        return ".".join(part for part in (name, render(path)) if part)
    return f"{name}:{line}: {render(path)}" if path else f"{name}:{line}"


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _decode(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = f"is not UTF-8 text (byte 0x{content[error.start]:02x})"
        raise UserError(problem, where=f"{name}:{line}", fix="save the file as UTF-8") from None


def _compose(text: str, name: str) -> yaml.Node | None:
    try:
        loader = _CountingLoader(text, name)
        first = loader.get_node() if loader.check_node() else None
        second = loader.get_node() if loader.check_node() else None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = f"holds the control character U+{ord(text[error.position]):04X}"
        raise UserError(problem, where=f"{name}:{line}", fix="delete it") from None
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, name, text) from None
    except RecursionError:
        raise UserError(f"is nested more than {MAX_DEPTH} levels deep", where=name) from None
    if second is not None:
        fix = "keep one document a file: remove the line '---' between them"
        raise UserError("a second document starts here", where=f"{name}:{_line(second)}", fix=fix)
    return first


class _CountingLoader(yaml.SafeLoader):
    """Refuses a document that holds too much while it is read: the whole of it would take minutes."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.file = name
        self.count = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.count += 1
        if self.count > MAX_VALUES:
            event = self.peek_event()  # type: ignore[no-untyped-call]
            where = f"{self.file}:{event.start_mark.line + 1}"
            raise UserError(f"holds more than {MAX_VALUES:,} values", where=where, fix="use a smaller file")
        return super().compose_node(parent, index)


def _syntax_error(error: yaml.MarkedYAMLError, name: str, text: str) -> UserError:
    mark = error.problem_mark or error.context_mark
    where = f"{name}:{mark.line + 1}" if mark else name
    problem = error.problem or error.context or "unreadable"
    if "'\\t'" in problem:
        return UserError("a tab stands where YAML wants spaces", where=where, fix="indent with spaces")
    context = ""
    if error.context and error.context_mark:
        context = f" ({error.context} that begins on line {error.context_mark.line + 1})"
    fix = "text that contains ': ' needs quotes" if problem.startswith("mapping values are not") else None
    lines = text.splitlines()
    for number in range(mark.line, max(mark.line - 3, -1), -1) if mark else ():
        if number < len(lines) and (dash := _UNSPACED_DASH.match(lines[number])):
            return _unspaced_dash(f"{name}:{number + 1}", dash[1])
    if mark and mark.line < len(lines) and _UNQUOTED_TEMPLATE.search(lines[mark.line]):
        fix = QUOTE_BRACES
    return UserError(f"is not valid YAML: {problem}{context}", where=where, fix=fix)


def _unspaced_dash(where: str, key: str) -> UserError:
    return UserError(f"'-{key}:' has no space behind its dash", where=where, fix=f"write '- {key}:'")


class _Builder:
    """Turns nodes into Python values and notes the mark of each."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.marks: dict[KeyPath, Mark] = {}
        self._count = 0

    def build(self, node: yaml.Node, path: KeyPath, key: yaml.Node | None = None) -> Any:
        self._check_size(node, path)
        tag = self._tag(node, path)
        bare = isinstance(node, yaml.ScalarNode) and node.style is None
        self.marks[path] = Mark(_line(key or node), node.value if bare else None)
        if isinstance(node, yaml.MappingNode) and tag == "map":
            return {name: self.build(value, (*path, name), key) for name, key, value in self._entries(node, path)}
        if isinstance(node, yaml.SequenceNode) and tag == "seq":
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and tag in _SCALARS:
            return self._scalar(node, tag, path)
        raise self._error(node, path, f"the tag !!{tag} does not fit what follows it", "remove the tag")

    def _check_size(self, node: yaml.Node, path: KeyPath) -> None:
        self._count += 1
        if self._count > MAX_VALUES:
            fix = "use fewer aliases (*name), or a smaller file"
            raise UserError(f"expands to more than {MAX_VALUES:,} values", where=f"{self.name}:{_line(node)}", fix=fix)
        if len(path) > MAX_DEPTH:
            problem = f"is nested more than {MAX_DEPTH} levels deep"
            raise UserError(problem, where=f"{self.name}:{_line(node)}", fix="does an alias (*name) contain itself?")

    def _tag(self, node: yaml.Node, path: KeyPath) -> str:
        tag = str(node.tag)
        short = tag.removeprefix(_STANDARD)
        if tag.startswith(_STANDARD) and short in {"map", "seq", *_SCALARS}:
            return short
        tag = f"!!{short}" if tag.startswith(_STANDARD) else tag
        fix = "remove the tag: these files hold plain text, numbers, lists and mappings only"
        raise self._error(node, path, f"the tag {tag} is not allowed", fix)

    def _entries(self, node: yaml.MappingNode, path: KeyPath) -> list[tuple[str, yaml.Node, yaml.Node]]:
        """Return name, key node and value node of each entry, those merged in by `<<` last."""
        entries: dict[str, tuple[str, yaml.Node, yaml.Node]] = {}
        merged: dict[str, tuple[str, yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if key.tag == f"{_STANDARD}merge":
                for entry in self._merged(value, path):
                    merged.setdefault(entry[0], entry)
                continue
            name = self._key(key, path)
            if name in entries:
                first = _line(entries[name][1])
                fix = f"it stands on line {first} already: keep one of the two"
                raise UserError("duplicate key", where=_place(self.name, _line(key), (*path, name)), fix=fix)
            entries[name] = (name, key, value)
        return list({**merged, **entries}.values())

    def _merged(self, node: yaml.Node, path: KeyPath) -> list[tuple[str, yaml.Node, yaml.Node]]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        entries: list[tuple[str, yaml.Node, yaml.Node]] = []
        for source in sources:
            self._check_size(source, path)
            if not isinstance(source, yaml.MappingNode):
                raise self._error(source, (*path, "<<"), "expected an alias of a mapping", "write <<: *name")
            self._count += len(source.value)
            entries += self._entries(source, path)
        return entries

    def _key(self, node: yaml.Node, path: KeyPath) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(node, path, "a key must be text, not a list or mapping", "write a name")
        tag = self._tag(node, path)
        if tag != "str":
            meaning = {"bool": "true or false", "null": "nothing", "timestamp": "a date"}.get(tag, "a number")
            problem = f"YAML reads the key {node.value} as {meaning}, and keys must be text"
            raise self._error(node, path, problem, f"write '{node.value}' in quotes")
        if node.style is None and node.value == "-task":
            raise _unspaced_dash(f"{self.name}:{_line(node)}", "task")
        return self._text(node, path)

    def _scalar(self, node: yaml.ScalarNode, tag: str, path: KeyPath) -> Any:
        text = self._text(node, path)
        if tag in {"str", "timestamp", "value"} or (tag in {"int", "float"} and _is_old_style(text)):
            return text
        construct = yaml.constructor.SafeConstructor()
        try:
            return getattr(construct, f"construct_yaml_{tag}")(node)
        except (ValueError, KeyError):
            problem = f"{text[:40]!r} cannot be read as !!{tag}"
            raise self._error(node, path, problem, "write it in quotes, or another value") from None

    def _text(self, node: yaml.ScalarNode, path: KeyPath) -> str:
        check_characters(node.value, _place(self.name, _line(node), path))
        return str(node.value)

    def _error(self, node: yaml.Node, path: KeyPath, problem: str, fix: str) -> UserError:
        return UserError(problem, where=_place(self.name, _line(node), path), fix=fix)


def _is_old_style(text: str) -> bool:
    """Say whether YAML 1.1 reads digits in a way nobody means: 12:30 in base 60, 010 in base 8."""
    digits = text.lstrip("+-")
    return ":" in digits or (len(digits) > 1 and digits[0] == "0" and digits.isdecimal())
