"""YAML as clipbench reads it: data only, with the line of every value."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from clipbench.documents.marked_yaml import MAX_VALUES, MarkedYaml, parse_mapping, read_mapping, render
from clipbench.errors import UserError


def parse(text: str | bytes) -> MarkedYaml:
    return parse_mapping(text.encode() if isinstance(text, str) else text, "a.yaml", "write a mapping")


def message(text: str | bytes) -> str:
    with pytest.raises(UserError) as caught:
        parse(text)
    return str(caught.value)


def test_values_know_their_lines() -> None:
    document = parse("name: x\ntasks:\n  - task: zero_shot\n    datasets:\n      - digits\n")
    assert document.value == {"name": "x", "tasks": [{"task": "zero_shot", "datasets": ["digits"]}]}
    assert document.where(("tasks", 0, "datasets", 0)) == "a.yaml:5: tasks[0].datasets[0]"
    assert document.where(("tasks", 0, "datasets")) == "a.yaml:4: tasks[0].datasets"
    assert document.where(()) == "a.yaml:1"


def test_what_is_not_there_has_the_line_of_what_is_around_it() -> None:
    assert parse("a: 1\nb:\n  c: 2\n").where(("b", "d")) == "a.yaml:2: b.d"


def test_paths_read_aloud() -> None:
    assert render(("tasks", 2, "prompts", 0, "templates")) == "tasks[2].prompts[0].templates"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("text", "text"),
        ("1", 1),
        ("1_000", 1000),
        ("-0.5", -0.5),
        ("1.0e+3", 1000.0),
        ("true", True),
        ("no", False),
        ("~", None),
        ("", None),
        ("'no'", "no"),
        ('"1"', "1"),
        ("!!str 1", "1"),
        ("!!float 1", 1.0),
        ("1e-3", "1e-3"),
        ("2026-01-31", "2026-01-31"),
        ("12:30", "12:30"),
        ("010", "010"),
        ("0", 0),
        ("=", "="),
    ],
)
def test_scalars(written: str, value: Any) -> None:
    found = parse(f"key: {written}\n").value["key"]
    assert (found, type(found)) == (value, type(value))


def test_bare_words_are_kept_as_written_and_quoted_ones_are_not() -> None:
    document = parse("a: off\nb: 'off'\n")
    assert document.mark(("a",)).written == "off"
    assert document.mark(("b",)).written is None


def test_merge_keys_give_way_to_own_ones() -> None:
    document = parse("base: &base {x: 1, y: 2}\nown: {<<: *base, y: 3}\nboth: {<<: [*base, {x: 9, z: 4}]}\n")
    assert document.value["own"] == {"x": 1, "y": 3}
    assert document.value["both"] == {"x": 1, "y": 2, "z": 4}


def test_byte_order_mark_and_windows_lines_are_read() -> None:
    document = parse(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert document.value == {"a": 1, "b": 2}
    assert document.mark(("b",)).line == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "a.yaml: is empty; write a mapping"),
        ("---\n# nothing\n", "a.yaml: is empty; write a mapping"),
        ("a: 1\na: 2\n", "a.yaml:2: a: duplicate key; it stands on line 1 already: keep one of the two"),
        ("a: {b: 1,\n b: 2}\n", "a.yaml:2: a.b: duplicate key; it stands on line 1 already: keep one of the two"),
        ("1: a\n", "a.yaml:1: YAML reads the key 1 as a number, and keys must be text; write '1' in quotes"),
        ("~: a\n", "a.yaml:1: YAML reads the key ~ as nothing, and keys must be text; write '~' in quotes"),
        ("2026-01-31: a", "a.yaml:1: YAML reads the key 2026-01-31 as a date, and keys must be text; "
                          "write '2026-01-31' in quotes"),
        ('a:\n  - "b \\ud800"\n', r"a.yaml:2: a[0]: '\ud800' is half a character; write the whole one"),
        ('"b \\udc00": 1\n', r"a.yaml:1: '\udc00' is half a character; write the whole one"),
        ("? [a]\n: b\n", "a.yaml:1: a key must be text, not a list or mapping; write a name"),
        ("a: !!int x\n", "a.yaml:1: a: 'x' cannot be read as !!int; write it in quotes, or another value"),
        ("a: !!seq {b: 1}\n", "a.yaml:1: a: the tag !!seq does not fit what follows it; remove the tag"),
        ("a: {<<: 3}\n", "a.yaml:1: a.<<: expected an alias of a mapping; write <<: *name"),
        ("a: \0\n", "a.yaml:1: holds the control character U+0000; delete it"),
        (b"a: 1\nb: \xff\n", "a.yaml:2: is not UTF-8 text (byte 0xff); save the file as UTF-8"),
        ("a:\n- {} photo\n", "a.yaml:2: is not valid YAML: expected <block end>, but found '<scalar>' (while parsing a "
                             "block mapping that begins on line 1); text that begins with '{' needs quotes"),
        ("a: {c} afar", "a.yaml:1: is not valid YAML: expected <block end>, but found '<scalar>' (while parsing a "
                        "block mapping that begins on line 1); text that begins with '{' needs quotes"),
        ("a: @x\n", "a.yaml:1: is not valid YAML: found character '@' that cannot start any token"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_its_line(text: str | bytes, expected: str) -> None:
    assert message(text) == expected


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system", "!!python/name:os.system", "!!set", "!!binary", "!!omap", "!mine"]
)
def test_only_plain_tags_are_allowed(tag: str) -> None:
    fix = "remove the tag: these files hold plain text, numbers, lists and mappings only"
    assert message(f"a: 1\nb: {tag} {{}}\n") == f"a.yaml:2: b: the tag {tag} is not allowed; {fix}"


def _bomb(first: str, level: str) -> str:
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{n}: &a{n} {level.format(', '.join([f'*a{n - 1}'] * 10))}" for n in range(1, 10)]
    return "\n".join(lines)


@pytest.mark.parametrize("bomb", [_bomb("[x, x]", "[{}]"), _bomb("{x: 1}", "{{<<: [{}]}}")], ids=["lists", "merges"])
def test_alias_bombs_are_refused_quickly(bomb: str) -> None:
    started = time.monotonic()
    assert f"expands to more than {MAX_VALUES:,} values" in message(bomb)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("text", ["a: &a [*a]\n", "a: &a {b: *a}\n", "a: &a {<<: *a}\n"])
def test_alias_of_itself_is_refused(text: str) -> None:
    assert "contain" in message(text)


@pytest.mark.parametrize("depth", [60, 1500])
def test_deep_nesting_is_refused(depth: int) -> None:
    assert "is nested more than 50 levels deep" in message("a: " + "[" * depth + "]" * depth)


def test_number_too_long_for_python_is_no_crash() -> None:
    assert "cannot be read as !!int" in message("a: " + "9" * 5000)


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_mapping(tmp_path, "write a mapping")
    assert str(caught.value) == f"{tmp_path}: cannot be read (Is a directory)"
