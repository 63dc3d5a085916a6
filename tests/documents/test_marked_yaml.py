"""YAML as clipbench reads it: data only, with the line of every value."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from clipbench.documents.marked_yaml import MAX_VALUES, MarkedYaml, parse_mapping, read_mapping, render, unmarked

from ..conftest import user_error


def parse(text: str | bytes) -> MarkedYaml:
    return parse_mapping(text.encode() if isinstance(text, str) else text, "a.yaml", "write a mapping")


def test_values_know_their_lines() -> None:
    document = parse("name: x\ntasks:\n  - task: zero_shot\n    datasets:\n      - digits\n")
    assert document.value == {"name": "x", "tasks": [{"task": "zero_shot", "datasets": ["digits"]}]}
    assert document.where(("tasks", 0, "datasets", 0)) == "a.yaml:5: tasks[0].datasets[0]"
    assert document.where(("tasks", 0, "datasets")) == "a.yaml:4: tasks[0].datasets"
    assert document.where(()) == "a.yaml:1"
    # What is not there has the line of what is around it.
    assert parse("a: 1\nb:\n  c: 2\n").where(("b", "d")) == "a.yaml:2: b.d"
    assert render(("tasks", 2, "prompts", 0, "templates")) == "tasks[2].prompts[0].templates"


def test_a_mapping_that_stands_in_no_file_has_paths_and_no_lines() -> None:
    mapping = unmarked({"a": [{"b": 1}], "c": {}}, "the call")
    assert set(mapping.marks) == {(), ("a",), ("a", 0), ("a", 0, "b"), ("c",)}
    assert (mapping.where(("a", 0, "b")), mapping.where(())) == ("the call.a[0].b", "the call")
    assert mapping.value_at(("a", 0)) == {"b": 1}


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("text", "text"), ("1", 1), ("1_000", 1000), ("-0.5", -0.5), ("1.0e+3", 1000.0), ("0", 0), ("true", True),
        ("no", False), ("~", None), ("", None), ("'no'", "no"), ('"1"', "1"), ("!!str 1", "1"), ("!!float 1", 1.0),
        *((text, text) for text in ("1e-3", "2026-01-31", "12:30", "010", "=")),
    ],
)  # fmt: skip
def test_scalars(scalar: str, value: Any) -> None:
    read = parse(f"key: {scalar}\n").value["key"]
    assert (read, type(read)) == (value, type(value))


def test_bare_words_are_kept_as_they_stand_and_quoted_ones_are_not() -> None:
    document = parse("a: off\nb: 'off'\n")
    assert [document.mark((key,)).bare_word for key in "ab"] == ["off", None]


def test_merge_keys_give_way_to_own_ones() -> None:
    document = parse("base: &base {x: 1, y: 2}\nown: {<<: *base, y: 3}\nboth: {<<: [*base, {x: 9, z: 4}]}\n")
    assert document.value["own"] == {"x": 1, "y": 3}
    assert document.value["both"] == {"x": 1, "y": 2, "z": 4}


def test_byte_order_mark_and_windows_lines_are_read() -> None:
    document = parse(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert document.value == {"a": 1, "b": 2}
    assert document.mark(("b",)).line == 2


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("", "", "is empty; write a mapping"),
        ("---\n# nothing\n", "", "is empty; write a mapping"),
        ("a: 1\na: 2\n", ":2: a", "duplicate key; it stands on line 1 already: keep one of the two"),
        ("a: {b: 1,\n b: 2}\n", ":2: a.b", "duplicate key; it stands on line 1"),
        ("1: a\n", ":1", "the key 1 as a number, and keys must be text; write '1' in quotes"),
        ("~: a\n", ":1", "the key ~ as nothing, and keys must be text; write '~' in quotes"),
        ("2026-01-31: a", ":1", "as a date, and keys must be text; write '2026-01-31' in quotes"),
        ('a:\n  - "b \\ud800"\n', ":2: a[0]", r"'\ud800' is half a character"),
        ('"b \\udc00": 1\n', ":1", r"'\udc00' is half a character"),
        ("? [a]\n: b\n", ":1", "a key must be text, not a list or mapping"),
        ("a: !!int x\n", ":1: a", "'x' cannot be read as !!int; write it in quotes, or another value"),
        (f"a: {'9' * 5000}", ":1: a", "cannot be read as !!int"),  # too long for Python
        ("a: !!seq {b: 1}\n", ":1: a", "remove the tag"),
        ("a: {<<: 3}\n", ":1: a.<<", "write <<: *name"),
        ("a: \0\n", ":1", "control character U+0000; delete it"),
        (b"a: 1\nb: \xff\n", ":2", "is not UTF-8 text (byte 0xff)"),
        ("a:\n- {} photo\n", ":2", "text that begins with '{' needs quotes"),
        ("a: {c} afar", ":1", "text that begins with '{' needs quotes"),
        ("a: @x\n", ":1", "is not valid YAML: found character '@' that cannot start any token"),
        *((f"a: 1\nb: {tag} {{}}\n", ":2: b", f"the tag {tag} is not allowed; remove the tag") for tag in (
            "!!python/object/apply:os.system", "!!python/name:os.system", "!!set", "!!binary", "!!omap", "!mine")),
        # What would not end.
        ("a: &a [*a]\n", ":1", "contain"),
        ("a: &a {b: *a}\n", ":1", "contain"),
        ("a: &a {<<: *a}\n", "", "contain"),
        (f"a: {'[' * 60}{']' * 60}", ":1", "is nested more than 50 levels deep"),
        (f"a: {'[' * 1500}{']' * 1500}", "", "is nested more than 50 levels deep"),
    ],
    ids=lambda value: ascii(value)[:40],
)  # fmt: skip
def test_what_is_wrong_has_its_line(text: str | bytes, place: str, says: str) -> None:
    error = user_error(parse, text)
    assert error.where == f"a.yaml{place}"
    assert says in str(error)


def _bomb(first: str, level: str) -> str:
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{n}: &a{n} {level.format(', '.join([f'*a{n - 1}'] * 10))}" for n in range(1, 10)]
    return "\n".join(lines)


@pytest.mark.parametrize("bomb", [_bomb("[x, x]", "[{}]"), _bomb("{x: 1}", "{{<<: [{}]}}")], ids=["lists", "merges"])
def test_alias_bombs_are_refused_quickly(bomb: str) -> None:
    started = time.monotonic()
    assert f"expands to more than {MAX_VALUES:,} values" in str(user_error(parse, bomb))
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: x\n" + "y: 1\n" * 2_000_000, "a.yaml: is larger than 1 MB"),
        ("tasks:\n" + "- [1, 1]\n" * 60_000, "holds more than 50,000 values"),
    ],
    ids=["bytes", "values"],
)
def test_a_large_file_is_refused_while_it_is_read(text: str, says: str) -> None:
    started = time.monotonic()
    assert says in str(user_error(parse, text))
    assert time.monotonic() - started < 20


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    error = user_error(read_mapping, tmp_path, "write a mapping")
    assert str(error) == f"{tmp_path}: cannot be read (Is a directory)"
