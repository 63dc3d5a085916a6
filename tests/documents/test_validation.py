"""Messages about values: what was expected, what was seen, and how YAML came to read it so."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from clipbench.documents.marked_yaml import MarkedYaml, parse_mapping, unmarked
from clipbench.documents.validation import Problem, check, refuse
from clipbench.errors import UserError

from ..conftest import user_error


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


def document(text: str) -> MarkedYaml:
    return parse_mapping(text.encode(), "a.yaml", "")


def problems(text: str) -> list[Problem]:
    return check(Settings, document(text))[1]


def refusal(text: str) -> UserError:
    return user_error(refuse, document(f"name: x\n{text}"), problems(f"name: x\n{text}"))


def test_right_document_becomes_the_model() -> None:
    text = "name: x\nshare: 1\nnames: [a, b]\nchoices: [1, {templates: [x]}]\ntable: {a: [1, 2]}\ncount: ~\n"
    expected = Settings(
        name="x", share=1.0, names=("a", "b"), choices=(1, Inner(templates=("x",))), table={"a": (1, 2)}
    )
    assert check(Settings, document(text)) == (expected, [])
    refuse(document(text), [])


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("nmes: [a]", "nmes", "unknown key; did you mean 'names'?"),
        ("name2: x", "name2", "did you mean 'name'?"),
        ("inner: {wieght: 2}", "inner.wieght", "did you mean 'weight'?"),
        ("choices: [1, {wieght: 2}]", "choices[1].wieght", "did you mean 'weight'?"),
        ("text: 3", "text", "text, got 3; YAML reads 3 as a number: write '3' in quotes"),
        ("text: yes", "text", "text, got true; YAML reads yes as true: write 'yes' in quotes"),
        ("text: ~", "text", "text, got nothing; YAML reads ~ as nothing: write '~' in quotes"),
        ("text:", "text", "text, got nothing"),
        ("text: [a]", "text", "text, got a list"),
        ("text: {}", "text", "a mapping; text that begins with '{' needs quotes"),
        ("text: {c}", "text", "a mapping; text that begins with '{' needs quotes"),
        ("text: {a: 1}", "text", "text, got a mapping"),
        ("text: rude", "text", "'rude' is impolite"),
        ("share: 1e-3", "share", "a number, got '1e-3'; YAML reads 1e-3 as text: write 0.001"),
        ("share: 1e-7", "share", "YAML reads 1e-7 as text: write 1.0e-07"),
        ("share: '0.1'", "share", "remove the quotes: 0.1"),
        ("share: nan", "share", "got 'nan'"),
        ("share: half", "share", "a number, got 'half'"),
        ("share: true", "share", "a number, got true"),
        ("share: 2", "share", "2 is not allowed: it should be less than or equal to 1"),
        ("count: '1'", "count", "remove the quotes: 1"),
        ("count: 1e3", "count", "YAML reads 1e3 as text: write 1000"),
        ("count: 1.5", "count", "a whole number, got 1.5"),
        ("count: true", "count", "a whole number, got true"),
        ("count: 12:30", "count", "got '12:30'"),
        ("count: 010", "count", "YAML reads 010 as text: write 10"),
        pytest.param(f"count: {'x' * 500}", "count", f"got '{'x' * 56}...", id="long"),
        ("quiet: 'yes'", "quiet", "true or false, got 'yes'; remove the quotes"),
        ("quiet: 1", "quiet", "true or false, got 1"),
        ("names: a", "names", "a list, got 'a'; write [a]"),
        ("names: {a: b}", "names", "begin each entry with '- '"),
        ("names: []", "names", "is empty; give at least one"),
        ("names: [a, 1]", "names[1]", "write '1' in quotes"),
        ("names: [1]", "names[0]", "write '1' in quotes"),
        ("mode: fats", "mode", "'fats' is not allowed; did you mean 'fast'?"),
        ("inner: x", "inner", "a mapping of keys to values, got 'x'"),
        ("choices: [x]", "choices[0]", "a whole number or a mapping of keys to values, got 'x'"),
        ("table: {a: [1, x]}", "table.a[1]", "a whole number, got 'x'"),
    ],
)
def test_what_is_wrong_has_line_and_key_and_what_to_write(text: str, key: str, says: str) -> None:
    error = refusal(text)
    assert error.where == f"a.yaml:2: {key}"
    assert str(error).endswith(says), "one problem, with nothing after it"


def test_a_missing_key_says_what_it_is_for_unless_it_is_misspelt() -> None:
    assert problems("text: x\n") == [Problem((), "the key 'name' is missing", "add it (What it is called)")]
    assert [problem.path for problem in problems("nmae: x\n")] == [("nmae",)]


@pytest.mark.parametrize(
    ("text", "first", "others"),
    [
        ("share: x\ntext: rude\ncount: y\nmode: slow\n", "share", "got 'x' (and 3 more: lines 3, 4, 5)"),
        ("nmes: [a]\ntext: rude\n", "nmes", "did you mean 'names'? (and 1 more: line 3)"),
        ("inner: {a: 1, b: 2}\n", "inner.a", "(and 1 more: line 2)"),
    ],
)
def test_the_first_problem_in_the_file_comes_with_the_lines_of_the_others(text: str, first: str, others: str) -> None:
    assert refusal(text).where == f"a.yaml:2: {first}"
    assert str(refusal(text)).endswith(others)


def test_a_mapping_from_elsewhere_is_checked_alike_but_has_no_lines() -> None:
    mapping = unmarked({"name": "x", "names": ["a", 1], "inner": {"wieght": 2}}, "the call")
    error = user_error(refuse, mapping, check(Settings, mapping)[1])
    assert (error.where, error.problem) == ("the call.names[1]", "expected text, got 1 (and 1 more)")
    assert check(Settings, unmarked({"name": "x", "count": "3"}, ""))[0] is None
    lenient, _ = check(Settings, unmarked({"name": "x", "count": "3"}, ""), strict=False)
    assert lenient == Settings(name="x", count=3)
