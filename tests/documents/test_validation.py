"""Messages about values: what was expected, what was seen, and how YAML came to read it so."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from clipbench.documents.marked_yaml import parse_mapping
from clipbench.documents.validation import Problem, check, refuse
from clipbench.errors import UserError


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    templates: tuple[str, ...] = ()
    weight: float = 1.0


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="What it is called.", min_length=1)
    text: str = ""
    share: float = Field(default=0.5, ge=0, le=1)
    count: int | None = None
    quiet: bool = False
    names: tuple[str, ...] = Field(default=("a",), min_length=1)
    mode: Literal["fast", "exact"] = "fast"
    inner: Inner = Inner()
    choices: tuple[int | Inner, ...] = ()
    table: dict[str, tuple[int, ...]] = {}

    @field_validator("text")
    @classmethod
    def _polite(cls, text: str) -> str:
        if text == "rude":
            raise ValueError("'rude' is impolite")
        return text


def problems(text: str) -> list[Problem]:
    document = parse_mapping(f"name: x\n{text}".encode(), "a.yaml", "")
    return check(Settings, document)[1]


def message(text: str) -> str:
    document = parse_mapping(f"name: x\n{text}".encode(), "a.yaml", "")
    with pytest.raises(UserError) as caught:
        refuse(document, check(Settings, document)[1])
    return str(caught.value)


def test_right_document_becomes_the_model() -> None:
    text = "share: 1\nnames: [a, b]\nchoices: [1, {templates: [x]}]\ntable: {a: [1, 2]}\ncount: ~\n"
    document = parse_mapping(f"name: x\n{text}".encode(), "a.yaml", "")
    settings, found = check(Settings, document)
    assert found == []
    assert settings == Settings(
        name="x", share=1.0, names=("a", "b"), choices=(1, Inner(templates=("x",))), table={"a": (1, 2)}
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nmes: [a]", "nmes: unknown key; did you mean 'names'?"),
        ("inner: {wieght: 2}", "inner.wieght: unknown key; did you mean 'weight'?"),
        ("choices: [1, {wieght: 2}]", "choices[1].wieght: unknown key; did you mean 'weight'?"),
        ("text: 3", "text: expected text, got 3; YAML reads 3 as a number: write '3' in quotes"),
        ("text: yes", "text: expected text, got true; YAML reads yes as true: write 'yes' in quotes"),
        ("text: ~", "text: expected text, got nothing; YAML reads ~ as nothing: write '~' in quotes"),
        ("text:", "text: expected text, got nothing"),
        ("text: [a]", "text: expected text, got a list"),
        ("text: {}", "text: expected text, got a mapping; text that begins with '{' needs quotes"),
        ("text: {c}", "text: expected text, got a mapping; text that begins with '{' needs quotes"),
        ("text: {a: 1}", "text: expected text, got a mapping"),
        ("text: rude", "text: 'rude' is impolite"),
        ("share: 1e-3", "share: expected a number, got '1e-3'; YAML reads 1e-3 as text: write 0.001"),
        ("share: 1e-7", "share: expected a number, got '1e-7'; YAML reads 1e-7 as text: write 1.0e-07"),
        ("share: '0.1'", "share: expected a number, got '0.1'; remove the quotes: 0.1"),
        ("share: nan", "share: expected a number, got 'nan'"),
        ("name2: x", "name2: unknown key; did you mean 'name'?"),
        ("share: half", "share: expected a number, got 'half'"),
        ("share: 2", "share: 2 is not allowed: it should be less than or equal to 1"),
        ("count: 1e3", "count: expected a whole number, got '1e3'; YAML reads 1e3 as text: write 1000"),
        ("count: 1.5", "count: expected a whole number, got 1.5"),
        ("count: true", "count: expected a whole number, got true"),
        ("count: 12:30", "count: expected a whole number, got '12:30'"),
        ("count: 010", "count: expected a whole number, got '010'; YAML reads 010 as text: write 10"),
        ("quiet: 'yes'", "quiet: expected true or false, got 'yes'; remove the quotes"),
        ("quiet: 1", "quiet: expected true or false, got 1"),
        ("names: a", "names: expected a list, got 'a'; write [a]"),
        ("names: {a: b}", "names: expected a list, got a mapping; begin each entry with '- '"),
        ("names: []", "names: is empty; give at least one"),
        ("names: [a, 1]", "names[1]: expected text, got 1; YAML reads 1 as a number: write '1' in quotes"),
        ("mode: fats", "mode: 'fats' is not allowed; did you mean 'fast'?"),
        ("inner: x", "inner: expected a mapping of keys to values, got 'x'"),
        ("choices: [x]", "choices[0]: expected a whole number or a mapping of keys to values, got 'x'"),
        ("table: {a: [1, x]}", "table.a[1]: expected a whole number, got 'x'"),
    ],
)
def test_message(text: str, expected: str) -> None:
    assert message(text) == f"a.yaml:2: {expected}"


def test_missing_key_says_what_it_is_for() -> None:
    document = parse_mapping(b"text: x\n", "a.yaml", "")
    assert check(Settings, document)[1] == [Problem((), "the key 'name' is missing", "add it (What it is called)")]


def test_misspelt_key_is_not_missing_too() -> None:
    document = parse_mapping(b"nmae: x\n", "a.yaml", "")
    assert [problem.problem for problem in check(Settings, document)[1]] == ["unknown key"]


def test_first_problem_in_the_file_is_told_and_the_lines_of_the_others() -> None:
    assert message("share: x\ntext: rude\ncount: y\nmode: slow\n") == (
        "a.yaml:2: share: expected a number, got 'x' (and 3 more: lines 3, 4, 5)"
    )
    assert message("nmes: [a]\ntext: rude\n") == (
        "a.yaml:2: nmes: unknown key; did you mean 'names'? (and 1 more: line 3)"
    )


def test_no_problem_is_no_error() -> None:
    refuse(parse_mapping(b"name: x\n", "a.yaml", ""), [])


def test_long_values_are_cut() -> None:
    assert len(message(f"count: {'x' * 500}")) < 200


def test_types_are_not_converted() -> None:
    wrong: list[dict[str, Any]] = [{"text": 1}, {"count": "1"}, {"quiet": 1}, {"share": True}]
    for value in wrong:
        (key, written), *_ = value.items()
        text = f"{key}: {written!r}" if isinstance(written, str) else f"{key}: {str(written).lower()}"
        assert len(problems(text)) == 1, text
