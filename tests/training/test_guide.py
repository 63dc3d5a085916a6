"""The guide's way from a CSV to a board, its files and its commands as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import PIL.Image
import pytest
import yaml

from clipbench.training.recipe import load_recipe

from ..conftest import REPOSITORY, command_environment

COLOURS = {"red": (200, 30, 30), "green": (30, 180, 60), "blue": (40, 60, 210), "grey": (120, 120, 120)}


def section() -> str:
    text = (REPOSITORY / "docs/training.md").read_text(encoding="utf-8")
    return text.split("\n## From a CSV to a board\n")[1].split("\n## ")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", section(), re.DOTALL | re.MULTILINE)


def write_photographs(folder: Path, count: int = 24) -> None:
    (folder / "photos").mkdir()
    lines = blocks("text")[0].splitlines()[:1]
    for number in range(count):
        name, colour = list(COLOURS.items())[number % 4]
        PIL.Image.new("RGB", (60 + number, 48), colour).save(folder / f"photos/{number}.jpg")
        lines.append(f"photos/{number}.jpg,a {name} thing number {number},{'test' if number % 3 == 0 else 'train'}")
    (folder / "captions.csv").write_text("\n".join(lines) + "\n")


def test_the_settings_of_the_guide_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that puts one's own table in the place of a packaged recipe's data."""
    monkeypatch.chdir(tmp_path)
    command = blocks("bash")[1]
    recipe, settings = re.search(r"train ([\w-]+)", command), re.findall(r'--set "([^"]+)"', command)
    assert recipe
    loaded = load_recipe(recipe[1], settings)
    assert loaded.definitions["pairs"].arguments["path"].resolve() == tmp_path / "captions.csv"
    assert len(settings) == 2


@pytest.mark.slow
def test_ten_commands_lead_from_a_csv_to_a_board(tmp_path: Path) -> None:
    """A few pictures for a few epochs in small batches; all else is as it stands."""
    write_photographs(tmp_path)
    recipe, suite = blocks("yaml")
    assert yaml.safe_load(recipe)["schedule"] == {"batch": 512, "epochs": 30, "warmup": 500}
    (tmp_path / "shop.yaml").write_text(recipe.replace("batch: 512, epochs: 30, warmup: 500", "batch: 8, epochs: 2"))
    (tmp_path / "measure.yaml").write_text(suite)
    commands = blocks("bash")[0]
    assert len(commands.splitlines()) == 10
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "clipbench"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m clipbench "$@"\n')
    program.chmod(0o755)
    environment = command_environment(tmp_path) | {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for name in ("recipe.schema.json", "shop/open_clip_model.safetensors", "shop.html", "site/index.html"):
        assert (tmp_path / name).is_file(), name
    assert "shop" in (tmp_path / "site/index.html").read_text(encoding="utf-8")
