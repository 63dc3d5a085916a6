"""Descriptions from a JSON file: the form of CuPL, read with care."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clipbench.errors import UserError
from clipbench.prompts.filling import prompts_for
from clipbench.prompts.sets import load_prompt_set
from clipbench.suite.loading import load_suite

from .test_sets import FROGS, HEAD, Classes, load, message

SET = HEAD + "descriptions_from: seen.json\n"
FORM = 'it is one object: {"class": ["a sentence.", ...], ...}'
SEEN = {"frog": ["A frog is wet.", "A frog is wet.", " A {} is green."], "toad": ["A toad is dry."]}


def write(folder: Path, content: object, name: str = "seen.json") -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text, encoding="utf-8")


def test_sentences_stand_as_published_repeated_ones_too(tmp_path: Path) -> None:
    write(tmp_path, SEEN)
    filled = prompts_for(load(tmp_path, SET), dataset=FROGS)
    assert filled.strings == (("A frog is wet.", "A frog is wet.", " A frog is green."), ("A toad is dry.",))
    assert (filled.templates, filled.names) == ((), ())


def test_the_path_starts_from_the_prompt_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "texts").mkdir()
    write(tmp_path / "texts", SEEN)
    (tmp_path / "prompts" / "mine.yaml").write_text(HEAD + "descriptions_from: ../texts/seen.json\n")
    monkeypatch.chdir(tmp_path / "texts")
    assert set(load_prompt_set(str(tmp_path / "prompts" / "mine.yaml")).descriptions) == {"frog", "toad"}


def test_a_file_may_describe_more_classes_than_there_are(tmp_path: Path) -> None:
    write(tmp_path, SEEN)
    assert prompts_for(load(tmp_path, SET), dataset=Classes("toad")).strings == (("A toad is dry.",),)


def test_a_misspelt_class_is_not_given_templates_silently(tmp_path: Path) -> None:
    write(tmp_path, {"frog": ["A frog is wet."], "taod": ["A toad is dry."]})
    with pytest.raises(UserError) as caught:
        prompts_for(load(tmp_path, SET + "templates: ['a {}.']\n"), dataset=FROGS)
    assert str(caught.value) == (
        "prompts 'mine' on pond: seen.json does not describe 'toad', but 'taod'; describe all classes; others may then "
        "stand there too"
    )


def test_a_class_of_the_file_has_no_synonyms(tmp_path: Path) -> None:
    write(tmp_path, {"frog": ["A frog is wet."], "toad": ["A toad is dry."]})
    expected = (
        "mine.yaml:5: synonyms.frog: 'frog' has descriptions, which stand instead of templates filled with names; keep "
        "one of the two"
    )
    assert message(tmp_path, SET + "templates: ['a {}.']\nsynonyms: {frog: [rana]}\n") == expected


def test_a_class_that_is_not_described_gets_the_templates(tmp_path: Path) -> None:
    write(tmp_path, {"frog": ["A frog is wet."]})
    prompts = load(tmp_path, SET + "templates: ['a {}.']\n")
    assert prompts_for(prompts, dataset=FROGS).strings == (("A frog is wet.",), ("a toad.",))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", f"seen.json: is not JSON (Expecting value: line 1 column 1 (char 0)); {FORM}"),
        ("[" * 100_000, f"seen.json: is nested too deeply; {FORM}"),
        (["A frog is wet."], f"seen.json: is not a JSON object; {FORM}"),
        ({}, f"seen.json: describes no class; {FORM}"),
        ({"frog": "A frog is wet."}, f"seen.json: 'frog': is not a list of sentences; {FORM}"),
        ({"frog": ["wet", 1]}, f"seen.json: 'frog': is not a list of sentences; {FORM}"),
        ({"frog": {"texts": ["wet"]}}, f"seen.json: 'frog': is not a list of sentences; {FORM}"),
        ({"frog": []}, "seen.json: 'frog': there is no description; give at least one, or delete the key"),
        ({"frog": ["wet", "\n"]}, "seen.json: 'frog', sentence 2: the description is empty; delete it"),
        ({"frog": ["a {0}"]}, "seen.json: 'frog', sentence 1: '{0}' in 'a {0}' is no place for the class name; write "
                              "{} or {c}, or leave the braces out"),
        ('{"frog": ["a"], "frog": ["b"]}', "seen.json: the key 'frog' is there twice; keep one of the two"),
        ('{"frog": ["a", "b"], "toad": [NaN]}', f"seen.json: 'toad': is not a list of sentences; {FORM}"),
        ('{"frog": ["\\ud83d"]}', "seen.json: 'frog': '\\ud83d' is half a character; write the whole one"),
        ('{"\\ud83d": ["a"]}', "seen.json: '\\ud83d' is half a character; write the whole one"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named_with_its_key(tmp_path: Path, content: object, problem: str) -> None:
    write(tmp_path, content)
    text = message(tmp_path, SET).replace(f"{tmp_path}/", "")
    assert text == f"mine.yaml:3: descriptions_from: {problem}"


def test_other_files_than_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "seen.json: there is no such file; the path starts from the prompt set's folder" in message(tmp_path, SET)
    (tmp_path / "seen.json").mkdir()
    assert "seen.json: there is no such file" in message(tmp_path, SET)
    (tmp_path / "seen.json").rmdir()
    (tmp_path / "seen.json").write_bytes(b'{"frog": ["\xff"]}')
    assert "seen.json: is not JSON ('utf-8' codec can't decode" in message(tmp_path, SET)
    assert "/dev/zero: there is no such file" in message(tmp_path, HEAD + "descriptions_from: /dev/zero\n")
    monkeypatch.setattr("clipbench.prompts.descriptions.MAX_BYTES", 2**20)
    write(tmp_path, {"frog": ["x" * 2**20]})
    assert "seen.json: is larger than 1 MiB; leave out classes that are not needed" in message(tmp_path, SET)


def test_it_stands_instead_of_descriptions_and_in_files_only(tmp_path: Path) -> None:
    write(tmp_path, SEEN)
    assert message(tmp_path, SET + "descriptions: {frog: [a]}\n") == (
        "mine.yaml:3: descriptions_from: stands beside descriptions; keep one of the two"
    )
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        "tasks:\n  - task: zero_shot\n    datasets: [digits]\n    prompts: [{name: x, descriptions_from: seen.json}]\n"
    )
    with pytest.raises(UserError, match=r"descriptions_from: unknown key; did you mean 'descriptions'\?"):
        load_suite(suite)
