"""What is wrong with a prompt set, in its file or beside the classes it is filled with, and what to do about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clipbench.errors import UserError
from clipbench.prompts.filling import prompts_for
from clipbench.prompts.sets import load_prompt_set
from clipbench.suite.loading import load_suite
from clipbench.tasks.prompts import InlinePrompts, Translation

from ..conftest import user_error
from .test_sets import FROGS, GERMAN, HEAD, TEMPLATE, Classes, inline, load

FAMILIES = "families: {article: ['a {}.', 'the {}.'], negation: ['a {}.', 'no {}.']}\n"
FROG = "names: {frog: Frosch}"
IMAGENET = "synonyms_from: torchvision:imagenet\n"

BROKEN = [
    # Templates.
    ("", "1", "the prompt set is empty; give it templates or descriptions"),
    ("templates: []\n", "1", "the prompt set is empty"),
    ("families: {}\n", "1", "the prompt set is empty"),
    ("template: ['{}']\n", "3: template", "did you mean 'templates'?"),
    ("templates: a {}.\n", "3: templates", "write ['a {}.']"),
    ("templates: 'a {}.'\n", "3: templates", "write ['a {}.']"),
    ('templates: ["a\\n{}"]\n', "3: templates[0]", "control character U+000A; delete it"),
    ("templates: ['a {{}}']\n", "3: templates[0]", "'{{}}' in 'a {{}}' is no place for the class name; write {}"),
    ("templates: ['a {0}']\n", "3: templates[0]", "'{0}' in 'a {0}'"),
    ("templates: ['a {} }']\n", "3: templates[0]", "'}' in 'a {} }'"),
    ("templates: ['a {}', 'a photo']\n", "3: templates[1]", "'a photo' has no place for the class name; write {}"),
    ("templates:\n  - a {}\n  - the {}\n  - a {c}\n", "6: templates[2]", "'a {c}' is there twice; delete one"),
    ("templates: ['']\n", "3: templates[0]", "delete it, or write {} for the bare class name"),
    ("templates_from: open_clip:imagenet\n", "3: templates_from", "did you mean 'open_clip:simple-imagenet'?"),
    (f"templates_from: dataset\n{TEMPLATE}", "3: templates_from", "stands beside templates; keep one of the two"),
    # Descriptions.
    ("descriptions: {no: [a]}\n", "3: descriptions", "write 'no' in quotes"),
    ("descriptions: {frog: []}\n", "3: descriptions.frog", "give at least one, or delete the key"),
    ("descriptions: {frog: [a, a]}\n", "3: descriptions.frog[1]", "'a' is there twice; delete one"),
    ("descriptions: {frog: ['a {b}']}\n", "3: descriptions.frog[0]", "write {} or {c}, or leave the braces out"),
    ("classes: [toad]\ndescriptions: {tod: [a]}\n", "4: descriptions.tod", "did you mean 'toad'?"),
    # Families and controls.
    ("families: ['a {}', 'the {}']\n", "3: families", "expected a mapping of keys to values, got a list"),
    ("families:\n  article: []\n", "4: families.article", "give its plain template, then the other wordings"),
    ("families:\n  article: ['a {}']\n", "4: families.article", "one template, 'a {}', and nothing to compare with it"),
    ("families:\n  article:\n  - a {}\n  - frog\n", "6: families.article[1]", "'frog' has no place for the class name"),
    ("families:\n  article:\n  - a {}\n  - a {c}\n", "6: families.article[1]", "'a {c}' is there twice"),
    ("familes: {a: ['a {}', 'the {}']}\n", "3: familes", "did you mean 'families'?"),
    (f"{FAMILIES}controls: [negaton]\n", "4: controls[0]", "unknown family 'negaton'; did you mean 'negation'?"),
    (f"{FAMILIES}controls: [negation, negation]\n", "4: controls[1]", "'negation' is there twice; delete one"),
    (f"{FAMILIES}controls: negation\n", "4: controls", "write [negation]"),
    (f"{FAMILIES}controls: [article, negation]\n", "4: controls", "write those that count under templates"),
    (f"{TEMPLATE}controls: [noise]\n", "4: controls[0]", "unknown family 'noise'"),
    # Other names.
    (f"{TEMPLATE}synonyms: {{frog: []}}\n", "4: synonyms.frog", "give at least one, or delete the key"),
    (f'{TEMPLATE}synonyms: {{frog: ["r\\e[31m"]}}\n', "4: synonyms.frog[0]", "control character U+001B; delete it"),
    (f"{TEMPLATE}synonyms: {{frog: ['  ']}}\n", "4: synonyms.frog[0]", "the name is empty; delete it"),
    (f"{TEMPLATE}synonyms: {{frog: [a, a]}}\n", "4: synonyms.frog[1]", "'a' is there twice; delete one"),
    (f"{TEMPLATE}synonyms: {{frog: [a, frog]}}\n", "4: synonyms.frog[1]", "'frog' is the class's own name; delete it"),
    (f"{TEMPLATE}synonyms: {{frog: rana}}\n", "4: synonyms.frog", "write [rana]"),
    (f"{TEMPLATE}synonyms: {{frog: [b]}}\ndescriptions: {{frog: [a]}}\n", "4: synonyms.frog", "keep one of the two"),
    (f"{TEMPLATE}classes: [frog]\nsynonyms: {{forg: [rana]}}\n", "5: synonyms.forg", "did you mean 'frog'?"),
    (f"{TEMPLATE}classes: [frog, toad]\nsynonyms: {{frog: [rana, toad]}}\n", "5: synonyms.frog[1]",
     "'toad' is the name of another class"),
    (f"{TEMPLATE}{IMAGENET}descriptions: {{frog: [a]}}\n", "4: synonyms_from", "stands beside descriptions"),
    (f"{TEMPLATE}{IMAGENET}synonyms: {{frog: [rana]}}\n", "4: synonyms_from", "stands beside synonyms"),
    (f"{TEMPLATE}{IMAGENET.replace('imagenet', 'imgnet')}", "4: synonyms_from", "did you mean 'torchvision:imagenet'?"),
    ("synonyms: {frog: [rana]}\n", "3: synonyms", "no templates to stand beside; give the set templates of its own"),
    ("descriptions: {toad: [a]}\nsynonyms: {frog: [rana]}\n", "4: synonyms", "no templates to stand beside"),
    # Other languages.
    (f"{TEMPLATE}translations: {{German: {{{FROG}}}}}\n", "4: translations.German", "'templates' is missing; add it"),
    (f"{TEMPLATE}{GERMAN.replace(f', {FROG}', '')}", "4: translations.German", "'names' is missing; add it"),
    (TEMPLATE + GERMAN.replace("'ein {}'", ""), "4: translations.German.templates", "is empty; give at least one"),
    (TEMPLATE + GERMAN.replace(FROG, "names: {}"), "4: translations.German.names", "is empty; give at least one"),
    (TEMPLATE + GERMAN.replace(" {}", ""), "4: translations.German.templates[0]", "'ein' has no place"),
    (TEMPLATE + GERMAN.replace("[", "['ein {c}', "), "4: translations.German.templates[1]", "'ein {}' is there twice"),
    (TEMPLATE + GERMAN.replace("Frosch", "' '"), "4: translations.German.names.frog", "write the class's name"),
    (TEMPLATE + GERMAN.replace("Frosch", '"Fr\\tosch"'), "4: translations.German.names.frog", "U+0009; delete it"),
    (TEMPLATE + GERMAN.replace("templates", "template"), "4: translations.German.template", "mean 'templates'?"),
    (f"{TEMPLATE}{GERMAN}classes: [toad]\n", "4: translations.German.names.frog", "not among the set's classes"),
    (f"{TEMPLATE}{GERMAN}synonyms: {{frog: [rana]}}\n", "4: translations", "make two sets of it"),
    (f"{TEMPLATE}{GERMAN}{IMAGENET}", "5: synonyms_from", "stands beside translations; keep one of the two"),
    (f"{TEMPLATE}{GERMAN}families: {{language: ['a {{}}', '{{}}']}}\n", "5: families.language", "call this one"),
    (GERMAN, "3: translations", "no templates to stand beside; give the set templates of its own"),
    (f"{GERMAN}descriptions: {{toad: [a]}}\n", "3: translations", "no templates to stand beside"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "words"), BROKEN)
def test_a_broken_file_is_told_by_line_and_key_with_the_way_out(
    text: str, place: str, words: str, tmp_path: Path
) -> None:
    error = user_error(load, tmp_path, HEAD + text)
    assert error.where == f"{tmp_path / 'mine.yaml'}:{place}"
    assert words in f"{error.problem}; {error.fix}"


def test_source_is_required_and_the_file(tmp_path: Path) -> None:
    assert "(Where the prompts were published)" in str(user_error(load, tmp_path, f"name: mine\n{TEMPLATE}"))
    assert "there is no such prompt file" in str(user_error(load_prompt_set, "wording.yaml", tmp_path))


def german(**names: str) -> InlinePrompts:
    return inline("{}", translations={"German": Translation(templates=("ein {}",), names=names)})


@pytest.mark.parametrize(
    ("choice", "dataset", "where", "words"),
    [
        ("phto", FROGS, None, "unknown prompt set 'phto'; did you mean 'photo'?"),
        ("a {x}", FROGS, "prompts", "'{x}' in 'a {x}' is no place for the class name"),
        ("own", FROGS, "pond", "has no prompt templates of its own"),
        (None, FROGS, "pond", "class-name, imagenet-7, imagenet-80, photo, or a template of your own such as 'a photo"),
        (None, Classes("0", "1", "2"), "pond", "imagenet-80, mnist, photo, svhn, or"),  # made for these classes
        (None, Classes("a", templates=("a.",)), "pond, its own templates", "'a.' has no place for the class name"),
        ("photo", Classes(), "pond", "has no classes to name in prompts; is it a set of captions?"),
        (inline(), FROGS, "prompts 'n'", "the prompt set is empty"),
        (inline("a"), FROGS, "prompts 'n'", "the template 'a' has no place for the class name"),
        (inline(families={"f": ("a {}",)}), FROGS, "prompts 'n'", "the family has one template, 'a {}', and"),
        (inline(descriptions={"toad": ("a {}",)}), FROGS, "prompts 'n' on pond", "a description of 'frog' nor"),
        *((inline("{}", **{key: {"tod": ("bufo",)}}), FROGS, f"prompts 'n' on pond: {key}.tod", "did you mean 'toad'?")
          for key in ("descriptions", "synonyms")),
        *((inline("{}", synonyms={"toad": (name,)}), FROGS, "prompts 'n' on pond: synonyms.toad[0]", "of another class")
          for name in ("frog", " Frog")),
        (german(frog="Frosch"), FROGS, "prompts 'n' on pond: translations.German.names", "no name for 'toad'; add it"),
        (german(forg="F"), FROGS, "prompts 'n' on pond: translations.German.names.forg", "did you mean 'frog'?"),
    ],
)  # fmt: skip
def test_a_choice_that_does_not_fit_is_told_by_its_key(
    choice: str | InlinePrompts | None, dataset: Classes, where: str | None, words: str
) -> None:
    error = user_error(prompts_for, choice, dataset=dataset)
    assert error.where == where
    assert words in f"{error.problem}; {error.fix}"


def test_a_misnamed_class_has_file_and_line_where_there_is_a_file(tmp_path: Path) -> None:
    prompts = load(tmp_path, f"{HEAD}{TEMPLATE}synonyms:\n  frog: [rana]\n  tod: [bufo]\n")
    path = tmp_path / "mine.yaml"
    assert user_error(prompts_for, prompts, dataset=FROGS).where == f"{path}:6: synonyms.tod"
    path.write_text(
        "tasks:\n- task: zero_shot\n  datasets: digits\n  prompts:\n  - photo\n"
        "  - {name: n, templates: ['a {}.'], synonyms: {\n      '11': [eleven]}}\n"
    )
    (_, prompts) = load_suite(path).tasks[0].prompts  # type: ignore[attr-defined]
    assert user_error(prompts_for, prompts, dataset=FROGS).where == f"{path}:7: tasks[0].prompts[1].synonyms.11"


def test_a_set_for_other_classes_is_refused(tmp_path: Path) -> None:
    prompts = load(tmp_path, f"{HEAD}{TEMPLATE}classes: [oak, maple]\nsynonyms: {{oak: [quercus]}}\n")
    assert user_error(prompts_for, prompts, dataset=FROGS).fix == "the set is made for 'oak', 'maple'"
    assert prompts_for(prompts, dataset=Classes("maple", "fir")).names == ()


@pytest.mark.parametrize(
    ("name", "fix"),
    [("hammerhead shrk", "did you mean 'hammerhead shark'?"), ("日本", "give the set synonyms instead")],
)
def test_other_classes_than_imagenet_s(tmp_path: Path, name: str, fix: str) -> None:
    prompts = load(tmp_path, HEAD + TEMPLATE + IMAGENET)
    error = user_error(prompts_for, prompts, dataset=Classes("tench", "goldfish", name))
    assert (error.fix, repr(name) in error.problem) == (fix, True)


# Files of descriptions.

DESCRIBED = f"{HEAD}descriptions_from: seen.json\n"
FORM = 'it is one object: {"class": ["a sentence.", ...], ...}'


def refusal(folder: Path, content: object, text: str = DESCRIBED) -> UserError:
    (folder / "seen.json").write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return user_error(load, folder, text)


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        ("", "", f"is not JSON (Expecting value: line 1 column 1 (char 0)); {FORM}"),
        pytest.param("[" * 100_000, "", f"is nested too deeply; {FORM}", id="deep"),
        (["A frog is wet."], "", f"is not a JSON object; {FORM}"),
        ({}, "", f"describes no class; {FORM}"),
        ({"frog": "A frog is wet."}, ": 'frog'", f"is not a list of sentences; {FORM}"),
        ({"frog": ["wet", 1]}, ": 'frog'", "is not a list of sentences"),
        ({"frog": {"texts": ["wet"]}}, ": 'frog'", "is not a list of sentences"),
        ('{"frog": ["a", "b"], "toad": [NaN]}', ": 'toad'", "is not a list of sentences"),
        ({"frog": []}, ": 'frog'", "give at least one, or delete the key"),
        ({"frog": ["wet", "\n"]}, ": 'frog', sentence 2", "the description is empty; delete it"),
        ({"frog": ["a {0}"]}, ": 'frog', sentence 1", "write {} or {c}, or leave the braces out"),
        ('{"frog": ["a"], "frog": ["b"]}', "", "the key 'frog' is there twice; keep one of the two"),
        ('{"frog": ["\\ud83d"]}', ": 'frog'", "'\\ud83d' is half a character; write the whole one"),
        ('{"\\ud83d": ["a"]}', "", "'\\ud83d' is half a character; write the whole one"),
    ],
)
def test_a_broken_file_of_descriptions_is_named_with_its_key(
    tmp_path: Path, content: object, place: str, words: str
) -> None:
    error = refusal(tmp_path, content)
    assert error.where == f"{tmp_path / 'mine.yaml'}:3: descriptions_from"
    assert f"{error.problem}; {error.fix}".startswith(f"{tmp_path / 'seen.json'}{place}: ")
    assert words in str(error)


def test_files_that_are_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def problem(text: str = DESCRIBED) -> str:
        return str(user_error(load, tmp_path, text))

    assert "seen.json: there is no such file; the path starts from the prompt set's folder" in problem()
    (tmp_path / "seen.json").mkdir()
    assert "seen.json: there is no such file" in problem()
    (tmp_path / "seen.json").rmdir()
    (tmp_path / "seen.json").write_bytes(b'{"frog": ["\xff"]}')
    assert "seen.json: is not JSON ('utf-8' codec can't decode" in problem()
    assert "/dev/zero: there is no such file" in problem(f"{HEAD}descriptions_from: /dev/zero\n")
    monkeypatch.setattr("clipbench.prompts.descriptions.MAX_BYTES", 2**20)
    assert "seen.json: is larger than 1 MiB" in str(refusal(tmp_path, {"frog": ["x" * 2**20]}))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("descriptions: {frog: [a]}\n", ":3: descriptions_from"),
        (f"{TEMPLATE}synonyms: {{frog: [rana]}}\n", ":5: synonyms.frog"),
    ],
)
def test_what_a_file_of_descriptions_cannot_stand_beside(tmp_path: Path, text: str, key: str) -> None:
    error = refusal(tmp_path, {"frog": ["A frog is wet."], "toad": ["A toad is dry."]}, DESCRIBED + text)
    assert (error.where, error.fix) == (f"{tmp_path / 'mine.yaml'}{key}", "keep one of the two")


def test_a_misspelt_class_is_not_given_templates_silently(tmp_path: Path) -> None:
    (tmp_path / "seen.json").write_text('{"frog": ["A frog is wet."], "taod": ["A toad is dry."]}')
    error = user_error(prompts_for, load(tmp_path, DESCRIBED + TEMPLATE), dataset=FROGS)
    assert (error.where, error.problem) == ("prompts 'mine' on pond", "seen.json does not describe 'toad', but 'taod'")
