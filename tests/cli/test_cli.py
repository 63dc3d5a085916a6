"""The command line as a user meets it: output, exit codes, messages."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import clipbench as package

from ..conftest import CommandLine, output_of, printed_by

SMALL = """
name: small
datasets:
  few-scenes: {adapter: scenes, by: shape, n: 60}
tasks:
  - task: zero_shot
    datasets: [few-scenes]
    prompts: ["a picture of a {}."]
"""
FOLDER = """
name: mine
max_broken: {max_broken}
datasets:
  mine: {{adapter: folder, path: pictures}}
tasks:
  - {{task: zero_shot, datasets: [mine], prompts: ["a {{}} picture."]}}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def folder_of_images(root: Path, broken: int = 0, count: int = 10) -> None:
    for name, colour in (("red", (230, 20, 20)), ("blue", (20, 20, 230))):
        (root / name).mkdir(parents=True)
        for row in range(count):
            pixels = np.full((24, 24, 3), colour, np.uint8)
            pixels[: row + 1] //= 2
            PIL.Image.fromarray(pixels).save(root / name / f"{row}.png")
    for row in range(broken):
        path = root / "red" / f"{row}.png"
        path.write_bytes(path.read_bytes()[:40])


def stored(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (folder / "cache").rglob("*.safetensors")}


def last_line(folder: Path, arguments: list[str], code: str) -> str:
    """What Python prints last when it ran a command in a folder and then some code."""
    command = f"import sys; from clipbench.cli.main import main; sys.argv = ['clipbench', *{arguments}]\n"
    ended = "try: main()\nexcept SystemExit as end: assert not end.code\n"
    return printed_by(command + ended + code, folder).splitlines()[-1]


def test_a_run_ends_with_a_table_records_and_a_page(clipbench: CommandLine, suite: Path, tmp_path: Path):
    output = output_of(clipbench("run", suite, "--model", "clip-tiny"))
    assert "1 jobs, 1 to do" in output
    assert "few-scenes (top-1, %; n = 60" in output
    assert "clip-tiny" in (tmp_path / "results" / "small" / "report.html").read_text()
    results = package.load_results(tmp_path / "results" / "small")
    top1 = results.frame[results.frame["metric"] == "top1"].iloc[0]
    assert top1["n"] == 60
    assert top1["low"] < top1["value"] <= top1["high"]
    assert results.wide().loc["clip-tiny", "few-scenes"] == top1["value"]
    examples = results.examples(top1["job"])
    assert len(examples) == 60
    assert examples["correct"].mean() == pytest.approx(top1["value"])


def test_a_second_run_encodes_nothing_and_imports_no_torch(clipbench: CommandLine, suite: Path, tmp_path: Path):
    arguments = ["run", str(suite), "--model", "clip-tiny", "--device", "cpu"]
    output_of(clipbench(*arguments))
    first = stored(tmp_path)
    again = output_of(clipbench(*arguments))
    assert "1 jobs, 0 to do" in again
    assert "(as before)" in again
    output_of(clipbench(*arguments, "--output", "elsewhere"))
    assert stored(tmp_path) == first
    assert last_line(tmp_path, arguments, "print('torch' in sys.modules)") == "False"


def test_a_dry_run_prints_the_plan_and_runs_nothing(clipbench: CommandLine, suite: Path, tmp_path: Path):
    plan = output_of(clipbench("run", suite, "--model", "clip-tiny", "--dry-run"))
    (line,) = (line.split() for line in plan.splitlines() if line.startswith("  few-scenes"))
    assert line[-4:-2] == ["60", "8"]
    assert "weights  clip-tiny: here" in plan
    assert "classes  few-scenes: 8 (circle, square, triangle, " in plan
    assert "estimated time" in plan
    assert not (tmp_path / "results").exists()
    assert not stored(tmp_path)


@pytest.mark.slow
def test_limit_and_only_are_part_of_what_is_measured(clipbench: CommandLine, tmp_path: Path):
    output_of(clipbench("run", "quickstart", "--model", "clip-tiny", "--only", "digits", "--limit", 100))
    jobs = package.load_results(tmp_path / "results" / "quickstart").jobs()
    assert {job.task for job in jobs} == {"zero_shot", "linear_probe", "prompt_sensitivity"}
    for job in jobs:
        assert job.pedigree.subset == "limit 100"
        assert job.main.n == 100
        assert {row[1] for row in job.tables["per_class"].rows} == {10}


def test_broken_images_are_counted_and_named_and_too_many_fail_the_job(clipbench: CommandLine, tmp_path: Path):
    folder_of_images(tmp_path / "pictures", broken=1)
    (tmp_path / "mine.yaml").write_text(FOLDER.format(max_broken=0.1))
    assert "1 broken" in output_of(clipbench("run", "mine.yaml", "--model", "clip-tiny"))
    (job,) = package.load_results(tmp_path / "results" / "mine").jobs()
    assert (job.n_broken, job.main.n, job.broken[0]["id"]) == (1, 19, "red/0.png")
    (tmp_path / "mine.yaml").write_text(FOLDER.format(max_broken=0.01))
    run = clipbench("run", "mine.yaml", "--model", "clip-tiny", "--output", "strict")
    assert run.returncode == 1
    assert "1 of 20 images cannot be read (1.0% are allowed): red/0.png" in run.stdout
    (job,) = package.load_results(tmp_path / "strict").jobs()
    assert job.status == "failed"


def test_a_job_that_fails_does_not_stop_the_others_and_runs_again(clipbench: CommandLine, tmp_path: Path):
    path = tmp_path / "mixed.yaml"
    path.write_text(
        SMALL.replace("small", "mixed")
        .replace("tasks:", "  gone: {adapter: folder, path: pictures}\ntasks:")
        .replace("[few-scenes]", "[gone, few-scenes]")
    )
    run = clipbench("run", path, "--model", "clip-tiny")
    assert run.returncode == 1
    assert "failed  clip-tiny · gone" in run.stdout
    assert "done    clip-tiny · few-scenes" in run.stdout
    assert "1 job failed; the same command runs it again" in run.stdout

    folder_of_images(tmp_path / "pictures")
    output_of(clipbench("run", path, "--model", "clip-tiny"))
    jobs = package.load_results(tmp_path / "results" / "mixed").jobs()
    assert [(job.dataset, job.status) for job in jobs] == [("few-scenes", "done"), ("gone", "done")]


RUN = ["run", "small.yaml", "--model", "clip-tiny"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["run", "small.yaml", "--model", "vit-b-23"], "'vit-b-23': no such model; did you mean 'vit-b-32'?"),
        (["run", "nosuch", "--model", "clip-tiny"], "nosuch"),
        (["run", "typo.yaml", "--model", "clip-tiny"], "typo.yaml:7: tasks[0].datset: unknown key"),
        ([*RUN, "--only", "few-scene"], "did you mean 'few-scenes'?"),
        ([*RUN, "--device", "tpu"], "--device: unknown device 'tpu'"),
        ([*RUN, "--precision", "int4"], "--precision: unknown precision 'int4'"),
        ([*RUN, "--batch-size", "many"], "--batch-size: not a batch size: 'many'"),
        ([*RUN, "--model", "clip-tiny"], "two models are called 'clip-tiny'"),
        ([*RUN, "--model", "one=clip-tiny", "-m", "one=pixels:4"], "leave one out, or name it anew with --model NAME="),
        ([*RUN, "--output", "small.yaml"], "small.yaml: is a file; name a folder for the results with --output"),
        ([*RUN, "--model", "=clip-tiny"], "expected NAME=MODEL"),
        ([*RUN, "-m", "nowhere_at_all:Model"], "model nowhere_at_all:Model: cannot import 'nowhere_at_all'"),
        ([*RUN[:2], "--no-code", "-m", "colour_words_model:ColourWords"], "is code, which is refused"),
        (["report", "nowhere"], "nowhere: holds no results"),
        (["run", "small.yaml"], "--model"),
        (["list", "planets"], "planets"),
    ],
)
def test_wrong_use_is_one_message_and_exit_code_2(
    clipbench: CommandLine, suite: Path, tmp_path: Path, command: list[str], words: str
):
    (tmp_path / "typo.yaml").write_text(SMALL.replace("datasets: [few-scenes]", "datset: [few-scenes]"))
    wrong = clipbench(*command)
    assert wrong.returncode == 2, wrong.stdout + wrong.stderr
    assert words in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_a_dry_run_of_jobs_that_will_fail_ends_with_1(clipbench: CommandLine, tmp_path: Path):
    (tmp_path / "mixed.yaml").write_text(SMALL.replace("few-scenes: {", "few-scenes: {adapter: folder, path: x} #"))
    run = clipbench("run", "mixed.yaml", "-m", "clip-tiny", "-m", "vit-b-32", "--dry-run")
    assert run.returncode == 1
    assert "will fail  clip-tiny · few-scenes" in run.stdout
    assert "--model clip-tiny runs offline" in run.stdout


def test_a_crash_of_our_own_is_one_line_and_exit_code_70(clipbench: CommandLine, suite: Path, tmp_path: Path):
    # No file of clipbench's is ever a folder.
    (tmp_path / "sitecustomize.py").write_text(
        "import clipbench.results.folder as folder\n"
        "def broken(*folders): raise ZeroDivisionError('a bug of ours \x1b[31m')\n"
        "folder.load_results = broken\n"
    )
    environment = {"PYTHONPATH": f"{tmp_path}:{Path(package.__file__).parents[1]}"}
    run = clipbench("report", "x", env=environment)
    assert run.returncode == 70
    assert run.stderr.splitlines() == [
        r"error: clipbench itself failed: unexpected ZeroDivisionError: a bug of ours \x1b[31m; please report it with "
        "what the same command says with --debug"
    ]
    for debug in (["--debug"], []):
        run = clipbench("report", "x", *debug, env={**environment, "CLIPBENCH_DEBUG": "" if debug else "1"})
        assert run.returncode == 70
        assert "Traceback" in run.stderr


def test_the_exit_codes_are_told(clipbench: CommandLine):
    told = " ".join(output_of(clipbench("run", "--help")).split())
    assert "0 all jobs are done, 1 some failed" in told
    assert "2 wrong use, or a results folder that cannot be written, 70 clipbench itself failed" in told
    page = (Path(package.__file__).parents[1] / "docs" / "suites.md").read_text().partition("### Exit codes")[2]
    assert re.findall(r"^\| ([\d, ]+) \|", page, re.MULTILINE) == ["0", "1", "2", "3, 4", "70", "130, 143"]


@pytest.mark.slow
def test_code_is_told_with_its_file_and_can_be_refused(clipbench: CommandLine, tmp_path: Path):
    example = Path(package.__file__).parents[1] / "examples" / "colour_words_model.py"
    (tmp_path / "own.py").write_text(example.read_text() + "from clipbench.datasets.adapters.digits import Digits\n")
    (tmp_path / "own.yaml").write_text(SMALL.replace("adapter: scenes, by: shape, n: 60", "adapter: 'own:Digits'"))
    run = ["run", "own.yaml", "--model", "words=own:ColourWords", "--limit", "20", "--dry-run"]
    plan = output_of(clipbench(*run))
    for name in ("own:Digits", "own:ColourWords"):
        assert f"code     {name} ({tmp_path / 'own.py'})" in plan
    for refused in (clipbench(*run, "--no-code"), clipbench(*run, env={"CLIPBENCH_NO_CODE": "1"})):
        assert refused.returncode == 2
        assert "own.yaml:4: datasets.few-scenes.adapter: 'own:Digits' is code, which is refused" in refused.stderr


@pytest.mark.slow
def test_listings_never_import_the_code_of_a_suite(clipbench: CommandLine, tmp_path: Path):
    (tmp_path / "own.py").write_text("raise SystemExit('imported')")
    (tmp_path / "own.yaml").write_text(
        SMALL.replace("adapter: scenes, by: shape, n: 60", "adapter: 'own:Digits'")
        + "  - {task: 'own:Task', datasets: digits}\n  - {task: zero_shot, datasets: ['own:Set'], "
        "prompts: {name: mine, templates: ['one {}.']}}\n"
    )
    output = output_of(clipbench("prompts", "show", "mine", "--suite", "own.yaml", "--dataset", "digits"))
    assert "one zero." in output


LISTED = {
    "models": "vit-b-32", "datasets": "cifar10", "suites": "quickstart", "prompts": "imagenet-80", "tasks": "zero_shot"
}  # fmt: skip


@pytest.mark.parametrize("what", LISTED)
def test_lists_name_what_is_there(clipbench: CommandLine, what: str):
    output = output_of(clipbench("list", what))
    assert LISTED[what] in {line.split("\t")[0] for line in output.splitlines()}


def test_the_schema_is_json_that_knows_the_tasks_and_the_version_is_the_package_s(clipbench: CommandLine):
    assert "zero_shot" in json.dumps(json.loads(output_of(clipbench("schema"))))
    assert "towers" in json.loads(output_of(clipbench("schema", "recipe")))["properties"]
    assert clipbench("--version").stdout.strip() == f"clipbench {version('clipbench')}"


@pytest.mark.parametrize(
    "command", [["--help"], ["run", "--help"], ["list", "datasets"], ["schema", "recipe"], ["cache", "list"]]
)
def test_quick_commands_import_nothing_heavy(tmp_path: Path, command: list[str]):
    heavy = {"torch", "open_clip", "pandas", "datasets", "plotly", "sklearn"}
    assert last_line(tmp_path, command, f"print(sorted({heavy} & set(sys.modules)))") == "[]"


@pytest.mark.slow
def test_reports_of_several_runs_come_as_page_and_as_tables(clipbench: CommandLine, suite: Path, tmp_path: Path):
    clipbench("run", suite, "--model", "clip-tiny", "--output", "a")
    clipbench("run", suite, "--model", "clip-tiny", "--output", "b", "--limit", 30)
    marks = {".html": "<!doctype html>", ".csv": "few-scenes", ".md": "| ---", ".tex": "\\toprule"}
    for ending, mark in marks.items():
        output_of(clipbench("report", "a", "b", "-o", f"out{ending}"))
        assert mark in (tmp_path / f"out{ending}").read_text().lower()
    wrong = clipbench("report", "a", "-o", "out.pdf")
    assert wrong.returncode == 2
    assert "no report ends in '.pdf'" in wrong.stderr


@pytest.mark.slow
def test_the_cache_is_listed_measured_and_pruned(clipbench: CommandLine, suite: Path, tmp_path: Path):
    clipbench("run", suite, "--model", "clip-tiny")
    assert clipbench("cache", "list").stdout.splitlines()[1].startswith("clip-tiny\tfloat32\t")
    assert f"in {tmp_path / 'cache'}" in clipbench("cache", "size").stdout
    assert clipbench("cache", "prune").stdout.startswith("–")
    assert "freed" in clipbench("cache", "prune", "--model", "clip-tiny").stdout
    assert not stored(tmp_path)
    output_of(clipbench("run", suite, "--model", "clip-tiny", "--output", "new"))
