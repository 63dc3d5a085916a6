"""Suites with a mistake: six keep their whole message, the others line, key and what is allowed or to be done."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipbench.suite.loading import load_suite

from ..conftest import user_error

EXACT = {path.stem: path for path in sorted((Path(__file__).parent / "suites_broken").glob("*.yaml"))}

TASK = "name: mine\ntasks:\n  - task: zero_shot\n    datasets: [digits]\n"
LEAVES = """name: mine
datasets:
  leaves: {adapter: folder, path: leaves}
tasks:
  - {task: zero_shot, datasets: leaves}
"""
P, D = "5: tasks[0].prompts[0]", "3: datasets.leaves"
FORM = "a suite is a mapping of the keys name, description, datasets, tasks and max_broken; tasks is required"
FILES = {
    "wording.yml": "name: wording\nsource: our own\ntemplates:\n  - a photo of a {}.\n  - a photo of a {}.\n",
    "described.yml": "name: described\nsource: our own\ndescriptions_from: described.json\n",
    "described.json": '{"one": ["An upright stroke."],\n "one": ["The digit one."]}',
}


def prompts(choice: str) -> str:
    """A suite whose one task has these prompts, on line 5."""
    return f"{TASK}    prompts: {choice}\n"


def prompt_set(keys: str) -> str:
    return prompts("[{name: w, " + keys + "}]")


BROKEN: dict[str, tuple[str, str, str]] = {
    # The file as a whole.
    "empty": ("", "", f"is empty; {FORM}"),
    "only_comments": ("# name: mine\n# tasks:\n", "", f"is empty; {FORM}"),
    "one_word": ("zero_shot\n", "1", f"a single value, not a mapping of keys to values; {FORM}"),
    "not_a_mapping": ("- task: zero_shot\n", "1", f"a list, not a mapping of keys to values; {FORM}"),
    "two_documents": (f"{TASK}---\nname: yours\n", "6", "remove the line '---'"),
    "tab": ("name: mine\ntasks:\n\t- task: zero_shot\n", "3", "indent with spaces"),
    "colon_in_text": ("name: mine\ndescription: Leaves: which?\n", "2", "text that contains ': ' needs quotes"),
    "undefined_alias": (TASK.replace("[digits]", "*small"), "4", "undefined alias 'small'"),
    "no_space_behind_a_dash": (
        "name: x\ntasks:\n  - task: zero_shot\n    datasets: digits\n  -task: knn\n    datasets: digits\n",
        "5",
        "'-task:' has no space behind its dash; write '- task:'",
    ),
    "no_space_behind_all_dashes": ("tasks:\n  -task: knn\n  -task: knn\n", "2", "write '- task:'"),
    "key_read_as_boolean": ("datasets:\n  no: {adapter: folder}\n", "2: datasets", "write 'no' in quotes"),
    # The suite's own keys.
    "unknown_top_level_key": ("name: mine\ntask:\n  - task: zero_shot\n", "2: task", "did you mean 'tasks'?"),
    "name_with_slash": (TASK.replace("mine", "a/b"), "1: name", "begin with a letter or digit and leave out / and \\"),
    **{
        f"name_{name!r}": (TASK.replace("mine", f"'{name}'"), "1: name", f"{name!r} cannot be the name of a results")
        for name in ("..", ".hidden", "", " ", "a\\b")
    },
    **{
        f"max_broken_{share}": (f"max_broken: {share}\n{TASK}", "1: max_broken", "is not allowed: it should be")
        for share in ("-0.1", "1.5", ".nan", ".inf")
    },
    "out_of_range": (f"max_broken: 5   # per cent\n{TASK}", "1: max_broken", "it should be less than or equal to 1"),
    "no_tasks": ("name: mine\ntasks: []\n", "2: tasks", "give at least one"),
    "task_not_in_a_list": ("tasks:\n  task: zero_shot\n", "1: tasks", "begin each entry with '- '"),
    # Data sets.
    "name_of_the_catalog": (LEAVES.replace("leaves", "digits"), "3: datasets.digits", "or delete this entry"),
    "unknown_adapter": (LEAVES.replace("folder", "foldr"), f"{D}.adapter", "did you mean 'folder'? (or name a class"),
    "unknown_argument": (LEAVES.replace("path:", "pth:"), f"{D}.pth", "did you mean 'path'?"),
    "path_read_as_boolean": (LEAVES.replace("path: leaves", "path: off"), f"{D}.path", "write 'off' in quotes"),
    "two_arguments": (LEAVES.replace("folder", "hf, label: no,\n    groups: [a, 3]"), f"{D}.label", "1 more: line 4)"),
    "unknown_prompt_set_of_a_dataset": (
        LEAVES.replace("path:", "prompts: phto, path:"), f"{D}.prompts", "did you mean 'photo'?"
    ),
    "dotted_path_to_nowhere": (TASK.replace("digits", "'n:L', 'n:L'"), "4: tasks[0].datasets[0]", "import 'n'"),
    # Tasks.
    "task_missing": ("tasks:\n  - datasets: [digits]\n", "2: tasks[0]", "'task' is missing; one of: corruptions, "),
    "unknown_task": (TASK.replace("zero_", "zero"), "3: tasks[0].task", "did you mean 'zero_shot'?"),
    "datasets_missing": ("tasks:\n  - task: retrieval\n", "2: tasks[0]", "'datasets' is missing; add it (Data sets"),
    "word_read_as_boolean": (TASK.replace("]", ", no]"), "4: tasks[0].datasets[1]", "write 'no' in quotes"),
    "wrong_type": (f"{TASK}    limit: many\n", "5: tasks[0].limit", "expected a whole number, got 'many'"),
    "limit_zero": (f"{TASK}    limit: 0\n", "5: tasks[0].limit", "give 1 or more"),
    "same_dataset_twice": (TASK.replace("]", ", scenes-shape, digits]"), "4: tasks[0].datasets[2]", "[0] on line 4"),
    "same_job_twice": (  # without prompts: its own
        f"{prompts('[photo, own]')}  - task: zero_shot\n    datasets: digits\n", "7: tasks[1].datasets",
        "as tasks[0].datasets[0] on line 4; delete one, or give them different prompts or limits",
    ),
    # Prompts.
    "same_prompts_twice": (prompts("[photo, photo]"), "5: tasks[0].prompts", "named twice: photo"),
    "unknown_prompt_set": (prompts("[imagenet-8, own]"), P, "did you mean 'imagenet-80'?"),
    "prompt_file_missing": (prompts("[./w.yaml, photo]"), P, "a path in a suite starts from the suite's folder"),
    "prompt_file_broken": (prompts("wording.yml"), "5: tasks[0].prompts", "wording.yml:5: templates[1]: 'a photo of a"),
    "descriptions_broken": (prompts("described.yml"), "5: tasks[0].prompts", "described.json: the key 'one' is there"),
    "template_with_braces": (prompts("['a {x}.']"), P, "write {} or {c}"),
    "template_without_braces": (prompts("[a pressed leaf]"), P, "has {} where the class name belongs"),
    "template_without_place": (prompt_set("templates: ['{}', a]"), f"{P}.templates[1]", "write {} where it belongs"),
    "inline_prompts_unknown_key": (prompt_set("template: []"), f"{P}.template", "did you mean 'templates'?"),
    "synonyms_from_in_a_suite": (prompt_set("synonyms_from: x"), f"{P}.synonyms_from", "did you mean 'synonyms'?"),
    "descriptions_from_in_a_suite": (
        prompt_set("descriptions_from: seen.json"), f"{P}.descriptions_from", "did you mean 'descriptions'?"
    ),
    "synonym_of_itself": (
        prompt_set("templates: ['{}'], synonyms: {one: [a, one]}"), f"{P}.synonyms.one[1]", "delete it"
    ),
    "family_of_one": (
        prompt_set("families: {f: ['{}']}"), f"{P}.families.f", "add another wording, or write it under templates"
    ),
    "control_of_no_family": (
        prompt_set("families: {negation: ['{}', 'no {}']},\n       controls: [negations]"),
        "6: tasks[0].prompts[0].controls[0]", "unknown family 'negations'; did you mean 'negation'?",
    ),
    "translation_without_names": (
        prompt_set("translations: {German: {templates: ['ein {}']}}"), f"{P}.translations.German",
        "'names' is missing; add it (The name of",
    ),
    "translations_beside_synonyms": (
        prompt_set("templates: ['{}'], synonyms: {a: [b]}, translations: {French: {templates: ['{}'], names: {a: c}}}"),
        f"{P}.translations", "stands beside synonyms",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_a_broken_suite_gives_exactly_its_message(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)
    error = user_error(load_suite, f"suites_broken/{name}.yaml")
    assert str(error) == EXACT[name].with_suffix(".txt").read_text(encoding="utf-8").rstrip("\n")


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_suite_is_told_by_line_and_key_with_the_way_out(name: str, tmp_path: Path) -> None:
    text, place, words = BROKEN[name]
    path = tmp_path / "mine.yaml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    for file, content in FILES.items():
        (tmp_path / file).write_text(content)
    error = user_error(load_suite, path)
    assert error.where == (f"{path}:{place}" if place else str(path))
    assert words in str(error)
    assert ("more: line" in str(error)) == ("more: line" in words), "one mistake is one problem"
