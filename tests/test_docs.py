"""The documentation is true: what it links to and names is there, its commands parse, its blocks work."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

import clipbench as package
from clipbench.analyses.registry import ANALYSES
from clipbench.datasets.catalog import Declarations, adapter_names, argument_schema, catalog_definitions
from clipbench.documents.packaged import packaged_files
from clipbench.errors import UserError
from clipbench.models.catalog import find_model, model_names
from clipbench.prompts.sets import PromptSet, load_prompt_set
from clipbench.results.records import Pedigree
from clipbench.suite.reader import SuiteKeys
from clipbench.tasks.registry import load_task, task_names

from .conftest import REPOSITORY

PAGES = sorted(path for folder in (".", "docs", "examples", "reports") for path in REPOSITORY.glob(f"{folder}/*.md"))
ROOMS = "clipbench|suites|prompts|docs|tests|examples|benchmarks|reports"
APPS = {"clipbench": "clipbench.cli.main"}
PLACEHOLDER = re.compile(r"\b[A-Z]+\b|\.\.\.")
"""Words in capitals stand for something of the reader's."""


def named(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def page(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def slugs(path: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    titles = re.findall(r"^#+ (.*)$", prose(path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(REPOSITORY / "examples")


# What is linked to or named.


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_relative_links_lead_somewhere(path: Path):
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", prose(path.read_text(encoding="utf-8"))):
        file, _, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        assert place.exists(), f"{target} does not exist"
        assert not anchor or anchor in slugs(place), f"{target} has no such heading"


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_files_that_are_named_exist(path: Path):
    text = re.sub(r"https?://\S+", "", path.read_text(encoding="utf-8"))
    for mention in re.findall(rf"(?<![\w/.~-])(?:{ROOMS})/[\w./-]*\w", text):
        assert PLACEHOLDER.search(mention) or (REPOSITORY / mention).exists(), f"{mention} does not exist"


def test_every_page_is_in_the_index():
    assert {path.name for path in PAGES if path.parent.name == "docs"} - {"README.md"} <= set(
        re.findall(r"\]\(([\w-]+\.md)\)", page("docs/README.md"))
    )


# Commands.


def commands(text: str) -> Iterator[list[str]]:
    """The clipbench commands of a page, in blocks and in the text, without what the shell does with them."""
    lines = [line for block in blocks(text, "(?:bash|sh|console)") for line in block.splitlines()]
    lines = [part for line in lines for part in line.split("&&")] + re.findall(r"`([^`\n]+)`", prose(text))
    for line in lines:
        found = re.match(r"(?:\w+=\S+ |\$ )*(?:python3? -m )?(clipbench(?:\.training)?)(?= |$)(.*)", line.strip())
        if found and (found[2] or found[1] != "clipbench") and "=" not in found[2].split(" --")[0]:
            yield [found[1], *shlex.split(found[2].partition(">")[0], comments=True)]


def check_command(words: list[str]) -> None:
    """Raise if a command has an option, a sub-command or a name that clipbench does not know."""
    command: Any = typer.main.get_command(import_module(APPS[words[0]]).app)
    rest = words[1:]
    while rest and getattr(command, "commands", None) and not rest[0].startswith("-"):
        first, *others = rest.pop(0).split("|")
        for name in (first, *others):
            assert name in command.commands, f"{words}: no command {name!r}"
        command = command.commands[first]
    options = {name: option for option in command.params for name in (*option.opts, *option.secondary_opts)}
    given: dict[str, list[str]] = {"": []}
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            given[""].append(word)
            continue
        assert word in options or word in ("--help", "-h"), f"{words}: no option {word}"
        if word in options and not getattr(options[word], "is_flag", False):
            assert rest or len(words) <= 3, f"{words}: {word} wants a value"
            given.setdefault(word, []).append(rest.pop(0) if rest else "VALUE")
    check_names(command.name if words[1:2] == [command.name] else "", given)


def check_names(command: str, given: dict[str, list[str]]) -> None:
    for model in [*given.get("--model", []), *given.get("-m", [])] if command == "run" else []:
        if not PLACEHOLDER.search(model.partition("/")[0]):
            find_model(model)
    for what in given[""] if command == "list" else []:
        for alternative in what.split("|"):
            assert alternative in ("models", "datasets", "suites", "prompts", "tasks")
    for suite in given[""] if command == "run" else []:
        if not (suite.startswith("mine") or PLACEHOLDER.search(suite)):
            package.load_suite(suite).only(name for name in given.get("--only", []) if not PLACEHOLDER.search(name))


@pytest.mark.parametrize("path", [*PAGES, *sorted(REPOSITORY.glob("suites/*.yaml"))], ids=named)
def test_commands_parse(path: Path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".yaml":
        text = re.sub(r"(?m)^(?!#     clipbench ).*$|^#     (clipbench .*?)(?:   .*)?$", r"`\1`", text)
    for words in commands(text):
        check_command(words)


@pytest.mark.parametrize(
    "wrong",
    [
        "clipbench run quickstart --model clip-tiny --onyl digits",
        "clipbench run quickstart --model clip-tinny",
        "clipbench run quickstrt --model clip-tiny",
        "clipbench run quickstart --model clip-tiny --only digit",
        "clipbench cach list",
        "clipbench list model",
    ],
)
def test_a_wrong_command_would_be_noticed(wrong: str):
    (words,) = commands(f"Run `{wrong}`.")
    with pytest.raises((AssertionError, UserError)):
        check_command(words)


@pytest.mark.parametrize(
    ("name", "command", "app"),
    [
        ("docs/suites.md", "run", "clipbench"),
        ("docs/results.md", "report", "clipbench"),
        ("docs/publishing.md", "site", "clipbench"),
        ("docs/compare.md", "compare", "clipbench"),
        ("docs/store.md", "prune", "clipbench"),
        ("docs/training.md", "train", "clipbench"),
    ],
)
def test_every_option_is_documented(name: str, command: str, app: str):
    found: Any = typer.main.get_command(import_module(APPS[app]).app)
    commands = getattr(found, "commands", {})
    found = {"": found, **commands, **getattr(commands.get("cache"), "commands", {})}[command]
    names = [option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)]
    missing = [option for option in names if option.startswith("--") and option not in page(name)]
    assert missing in ([], ["--help"], ["--output"] if command == "report" else [])


# Keys and names.


@pytest.mark.parametrize("adapter", adapter_names())
def test_every_key_of_an_adapter_is_documented(adapter: str):
    keys = set(argument_schema(adapter)["properties"]) - set(Declarations.model_fields)
    assert {key for key in keys if f"`{key}`" not in section(page("docs/data-sets.md"), adapter)} == set()


def test_every_key_of_suites_tasks_prompts_and_declarations_is_documented():
    suites, text = page("docs/suites.md"), page("docs/data-sets.md")
    settings = {key for name in task_names() for key in load_task(name).Settings.model_fields}
    assert {key for key in {*SuiteKeys.model_fields, *settings} if f"| `{key}` |" not in suites} == set()
    assert {key for key in PromptSet.model_fields if f"{key}:" not in suites and f"`{key}`" not in suites} == set()
    assert {key for key in Declarations.model_fields if f"`{key}`" not in text} == set()


def test_the_catalogs_names_are_documented_and_no_others():
    listed = set(re.findall(r"`([\w-]+)`", section(page("docs/data-sets.md"), "The catalog")))
    assert listed == set(catalog_definitions())
    models = set(re.findall(r"`([\w-]+)`", section(page("docs/models.md"), "The catalog")))
    assert models <= set(model_names())
    assert {name for name in set(model_names()) - models if "siglip" not in name} == set()


# Blocks.


@pytest.mark.usefixtures("examples")
@pytest.mark.parametrize(
    "name", ["docs/suites.md", "docs/data-sets.md", "docs/real-world.md", "docs/own-data.md", "examples/README.md"]
)
def test_yaml_blocks_load(name: str, tmp_path: Path):
    found = blocks(page(name), "yaml")
    assert found
    for number, block in enumerate(found):
        content = yaml.safe_load(block)
        path = tmp_path / f"block-{number}.yaml"
        if "source" in content:
            path.write_text(block, encoding="utf-8")
            assert load_prompt_set(str(path)).templates
            continue
        if "tasks" not in content:
            block += f"tasks:\n  - {{task: zero_shot, datasets: [{', '.join(content['datasets'])}]}}\n"
        path.write_text(block, encoding="utf-8")
        assert package.load_suite(path).tasks


def run(suite: str, model: str, folder: Path, *only: str) -> package.Results:
    folders = {"output": folder, "cache": folder.parent / "cache"}
    return package.run(suite, model, only=only, device="cpu", workers=0, **folders)


def close(text: str, expected: str) -> bool:
    """Whether two texts agree up to spaces, and in numbers up to what another machine's rounding may change."""
    words, wanted = text.split(), expected.split()
    if len(words) != len(wanted):
        return False
    decimal = re.compile(r"-?\d+\.\d+")
    return all(
        abs(float(a) - float(b)) < 0.02 if decimal.fullmatch(a) and decimal.fullmatch(b) else a == b
        for a, b in zip(words, wanted, strict=True)
    )


@pytest.mark.usefixtures("examples")
def test_python_on_the_results_page_prints_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = page("docs/results.md")
    model = "colour_words_model:ColourWords"
    run("quickstart", model, tmp_path / "results" / "colours", "scenes-colour", "scenes-shape")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    pairs = re.findall(r"^```python\n(.*?)^```\n\n^```text\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(pairs) == len(blocks(text, "python")) > 0
    for code, expected in pairs:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        assert close(printed.getvalue(), expected), printed.getvalue()


def test_every_column_and_pedigree_part_is_on_the_results_page():
    text = page("docs/results.md")
    columns = set(package.Results(Path("nowhere")).frame.columns)
    assert {name for name in columns if f"`{name}`" not in text and not name.startswith("pedigree.")} == set()
    assert {part.name for part in fields(Pedigree) if f"`{part.name}`" not in text} == set()


def test_the_classes_in_contributing_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = blocks(page("CONTRIBUTING.md"), "python")
    assert len(found) == 4
    (tmp_path / "contributed.py").write_text("\n\n".join(found), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(ANALYSES, "range", "contributed:Range")
    suite = tmp_path / "suite.yaml"
    scenes = "datasets:\n  few: {adapter: scenes, n: 40}\n"
    tasks = '  - {task: zero_shot, datasets: [few]}\n  - {task: "contributed:Majority", datasets: [few]}\n'
    suite.write_text(f"{scenes}tasks:\n{tasks}", encoding="utf-8")
    for model in ("contributed:Random", "clip-tiny"):
        results = run(str(suite), model, tmp_path / "results")
    jobs = {(job.task, job.model): job for job in results.all().jobs()}
    assert {job.error for job in jobs.values()} == {""}
    assert jobs["majority", "contributed:Random"].main.value >= 1 / 8
    random, trained = (jobs["zero_shot", model].main.value for model in ("contributed:Random", "clip-tiny"))
    (result,) = (result for result in results.all().analysis_results() if result.analysis == "range")
    assert (result.about.dataset, result.records[0].value) == ("few", trained - random)


def test_suites_and_plain_python_are_the_ones_that_exist():
    assert set(packaged_files("suites")) <= {
        word for path in PAGES for word in re.findall(r"[\w-]+", path.read_text("utf-8"))
    }
    for path in PAGES:
        for block in blocks(path.read_text(encoding="utf-8"), "python"):
            ast.parse(block)
