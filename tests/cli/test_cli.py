"""The command line as a user meets it: output, exit codes, messages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import clipbench as package

from ..conftest import CommandLine, command_environment

SMALL = """
name: small
datasets:
  few-scenes: {adapter: scenes, by: shape, n: 60}
tasks:
  - task: zero_shot
    datasets: [few-scenes]
    prompts: ["a picture of a {}."]
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def folder_of_images(root: Path, broken: int = 0, count: int = 10) -> Path:
    for name in ("red", "blue"):
        (root / name).mkdir(parents=True)
        for row in range(count):
            colour = (230, 20, 20) if name == "red" else (20, 20, 230)
            pixels = np.full((24, 24, 3), colour, np.uint8)
            pixels[: row + 1] //= 2
            PIL.Image.fromarray(pixels).save(root / name / f"{row}.png")
    for row in range(broken):
        path = root / "red" / f"{row}.png"
        path.write_bytes(path.read_bytes()[:40])
    return root


def folder_suite(tmp_path: Path, extra: str = "") -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"name: mine\n{extra}datasets:\n  mine: {{adapter: folder, path: pictures}}\n"
        'tasks:\n  - task: zero_shot\n    datasets: [mine]\n    prompts: ["a {} picture."]\n'
    )
    return path


def test_a_run_ends_with_a_table_records_and_a_page(clipbench: CommandLine, suite: Path, tmp_path: Path):
    done = clipbench("run", suite, "--model", "clip-tiny")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 jobs, 1 to do" in done.stdout
    assert "few-scenes (top-1, %)" in done.stdout
    page = (tmp_path / "results" / "small" / "report.html").read_text()
    assert "clip-tiny" in page
    results = package.load_results(tmp_path / "results" / "small")
    top1 = results.frame[results.frame["metric"] == "top1"].iloc[0]
    assert top1["n"] == 60
    assert top1["low"] < top1["value"] <= top1["high"]
    assert results.wide().loc["clip-tiny", "few-scenes"] == top1["value"]
    examples = results.examples(top1["job"])
    assert len(examples) == 60
    assert examples["correct"].mean() == pytest.approx(top1["value"])


def test_a_second_run_encodes_nothing(clipbench: CommandLine, suite: Path, tmp_path: Path):
    assert clipbench("run", suite, "--model", "clip-tiny").returncode == 0
    stored = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.safetensors")}
    again = clipbench("run", suite, "--model", "clip-tiny")
    assert again.returncode == 0
    assert "1 jobs, 0 to do" in again.stdout
    assert "(as before)" in again.stdout
    elsewhere = clipbench("run", suite, "--model", "clip-tiny", "--output", "elsewhere")
    assert elsewhere.returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.safetensors")} == stored


def test_a_run_that_finds_everything_done_does_not_import_torch(clipbench: CommandLine, suite: Path, tmp_path: Path):
    arguments = ["run", str(suite), "--model", "clip-tiny", "--device", "cpu"]
    assert clipbench(*arguments).returncode == 0
    code = (
        f"import sys; from clipbench.cli.main import main; sys.argv = ['clipbench', *{arguments}]\n"
        "try: main()\nexcept SystemExit as end: assert end.code == 0\n"
        "print('torch' in sys.modules)"
    )
    command, environment = [sys.executable, "-c", code], command_environment(tmp_path)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "(as before)" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


def test_a_dry_run_prints_the_plan_and_runs_nothing(clipbench: CommandLine, suite: Path, tmp_path: Path):
    planned = clipbench("run", suite, "--model", "clip-tiny", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert "60 of 60" in planned.stdout
    assert "weights  clip-tiny: here" in planned.stdout
    assert "estimated time" in planned.stdout
    assert not (tmp_path / "results").exists()
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_limit_and_only_are_part_of_what_is_measured(clipbench: CommandLine, tmp_path: Path):
    run = clipbench("run", "quickstart", "--model", "clip-tiny", "--only", "digits", "--limit", 100)
    assert run.returncode == 0, run.stderr
    jobs = package.load_results(tmp_path / "results" / "quickstart").jobs()
    assert {job.task for job in jobs} == {"zero_shot", "linear_probe", "prompt_sensitivity"}
    for job in jobs:
        assert job.pedigree.subset == "limit 100"
        assert job.main.n == 100
        assert {row[1] for row in job.tables["per_class"].rows} == {10}


def test_a_broken_image_is_counted_and_named(clipbench: CommandLine, tmp_path: Path):
    folder_of_images(tmp_path / "pictures", broken=1)
    run = clipbench("run", folder_suite(tmp_path, "max_broken: 0.1\n"), "--model", "clip-tiny")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 broken" in run.stdout
    (job,) = package.load_results(tmp_path / "results" / "mine").jobs()
    assert (job.n_broken, job.main.n) == (1, 19)
    assert job.broken[0]["id"] == "red/0.png"


def test_too_many_broken_images_fail_the_job_with_the_list(clipbench: CommandLine, tmp_path: Path):
    folder_of_images(tmp_path / "pictures", broken=2)
    run = clipbench("run", folder_suite(tmp_path), "--model", "clip-tiny")
    assert run.returncode == 1
    assert "2 of 20 images cannot be read (1.0% are allowed): red/0.png" in run.stdout
    (job,) = package.load_results(tmp_path / "results" / "mine").jobs()
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
    again = clipbench("run", path, "--model", "clip-tiny")
    assert again.returncode == 0, again.stdout
    jobs = package.load_results(tmp_path / "results" / "mixed").jobs()
    assert [(job.dataset, job.status) for job in jobs] == [("few-scenes", "done"), ("gone", "done")]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            ["run", "small.yaml", "--model", "vit-b-23"],
            "'vit-b-23': no such model; did you mean 'vit-b-32'?",
        ),
        (["run", "nosuch", "--model", "clip-tiny"], "nosuch"),
        (["run", "small.yaml", "--model", "clip-tiny", "--only", "few-scene"], "did you mean 'few-scenes'?"),
        (["run", "small.yaml", "--model", "clip-tiny", "--device", "tpu"], "--device: unknown device 'tpu'"),
        (["run", "small.yaml", "--model", "clip-tiny", "--precision", "int4"], "--precision: unknown precision 'int4'"),
        (
            ["run", "small.yaml", "--model", "clip-tiny", "--batch-size", "many"],
            "--batch-size: not a batch size: 'many'",
        ),
        (["run", "small.yaml", "--model", "clip-tiny", "--model", "clip-tiny"], "two models are called 'clip-tiny'"),
        (["report", "nowhere"], "nowhere: holds no results"),
        (["run", "small.yaml"], "--model"),
        (["list", "planets"], "planets"),
    ],
)
def test_wrong_use_is_one_message_and_exit_code_2(
    clipbench: CommandLine, suite: Path, tmp_path: Path, command: list[str], message: str
):
    wrong = clipbench(*command)
    assert wrong.returncode == 2, wrong.stdout + wrong.stderr
    assert message in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert not (tmp_path / "results").exists()


def test_wrong_yaml_names_file_line_and_key(clipbench: CommandLine, tmp_path: Path):
    (tmp_path / "typo.yaml").write_text(SMALL.replace("datasets: [few-scenes]", "datset: [few-scenes]"))
    wrong = clipbench("run", "typo.yaml", "--model", "clip-tiny")
    assert wrong.returncode == 2
    assert "typo.yaml:7: tasks[0].datset: unknown key; did you mean 'datasets'?" in wrong.stderr
    assert not (tmp_path / "results").exists()


def test_a_model_that_cannot_be_had_says_so_before_anything_runs(clipbench: CommandLine, suite: Path, tmp_path: Path):
    missing = clipbench("run", suite, "--model", "clip-tiny", "--model", "vit-b-32")
    assert missing.returncode == 2
    assert "open_clip" in missing.stderr
    assert "clip-tiny" in missing.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("what", ["models", "datasets", "suites", "prompts", "tasks"])
def test_lists_name_what_is_there(clipbench: CommandLine, what: str):
    listed = clipbench("list", what)
    assert listed.returncode == 0, listed.stderr
    expected = {
        "models": "vit-b-32",
        "datasets": "cifar10",
        "suites": "quickstart",
        "prompts": "imagenet-80",
        "tasks": "zero_shot",
    }
    assert expected[what] in {line.split("\t")[0] for line in listed.stdout.splitlines()}


def test_the_schema_is_json_that_knows_the_tasks(clipbench: CommandLine):
    printed = clipbench("schema")
    assert printed.returncode == 0
    assert "zero_shot" in json.dumps(json.loads(printed.stdout))


def test_the_version_is_the_package_s(clipbench: CommandLine):
    from importlib.metadata import version

    assert clipbench("--version").stdout.strip() == f"clipbench {version('clipbench')}"


@pytest.mark.parametrize(
    "command", [["--help"], ["run", "--help"], ["list", "datasets"], ["schema"], ["cache", "list"]]
)
def test_quick_commands_import_nothing_heavy(tmp_path: Path, command: list[str]):
    code = (
        f"import sys; from clipbench.cli.main import main; sys.argv = ['clipbench', *{command}]\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'open_clip', 'pandas', 'datasets', 'plotly', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[]"


def test_reports_of_several_runs_come_as_page_and_as_tables(clipbench: CommandLine, suite: Path, tmp_path: Path):
    clipbench("run", suite, "--model", "clip-tiny", "--output", "a")
    clipbench("run", suite, "--model", "clip-tiny", "--output", "b", "--limit", 30)
    for ending, mark in (
        (".html", "<!doctype html>"),
        (".csv", "few-scenes"),
        (".md", "| --- |"),
        (".tex", "\\toprule"),
    ):
        made = clipbench("report", "a", "b", "-o", f"out{ending}")
        assert made.returncode == 0, made.stderr
        assert mark in (tmp_path / f"out{ending}").read_text().lower().replace("---:", "---").replace("\\TOPRULE", mark)
    wrong = clipbench("report", "a", "-o", "out.pdf")
    assert wrong.returncode == 2
    assert "no report ends in '.pdf'" in wrong.stderr


def test_the_cache_is_listed_measured_and_pruned(clipbench: CommandLine, suite: Path, tmp_path: Path):
    clipbench("run", suite, "--model", "clip-tiny")
    assert clipbench("cache", "list").stdout.splitlines()[1].startswith("clip-tiny\tfloat32\t")
    assert f"in {tmp_path / 'cache'}" in clipbench("cache", "size").stdout
    assert clipbench("cache", "prune").stdout.startswith("–")
    freed = clipbench("cache", "prune", "--model", "clip-tiny")
    assert "freed" in freed.stdout
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    assert clipbench("run", suite, "--model", "clip-tiny", "--output", "new").returncode == 0
