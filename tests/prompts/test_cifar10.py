"""Prompt sensitivity of a trained model on real images, beside zero-shot jobs of each template and list of names."""

from __future__ import annotations

from pathlib import Path

import pytest

import clipbench
from clipbench.results.records import JobResult
from clipbench.runs.progress import ProgressListener

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]

TEMPLATES = ("a photo of a {}.", "{}", "a blurry photo of a {}.", "a bad picture of the {}")
SYNONYMS = {"airplane": ["aeroplane", "plane"], "automobile": ["car"], "frog": ["toad"]}


class Embedded(ProgressListener):
    """What a run had to embed."""

    def __init__(self) -> None:
        self.units: list[str] = []

    def started(self, job: object, total: int | None, unit: str) -> None:
        """Keep what is embedded."""
        self.units.append(unit)


def ran(suite: Path, model: str, output: Path, cache: Path) -> tuple[dict[tuple[str, str], JobResult], list[str]]:
    listener = Embedded()
    folders = {"output": output, "cache": cache}
    results = clipbench.run(suite, model, device="cpu", workers=0, progress=listener, **folders)
    return {(job.task, job.variant): job for job in results.jobs()}, listener.units


def test_templates_and_names_are_separate_zero_shot_runs_and_embed_no_image_again(shared_data: Path, tmp_path: Path):
    data = f"datasets:\n  cifar: {{adapter: hf, path: {shared_data / 'cifar10'}}}\n"
    listed = "".join(f"\n      - {template!r}" for template in TEMPLATES)
    names = f"{{name: names, templates: {list(TEMPLATES)}, synonyms: {SYNONYMS}}}"
    entry = "tasks:\n  - datasets: cifar\n    limit: 1000\n"
    (tmp_path / "alone.yaml").write_text(
        f"name: alone\n{data}{entry}    task: zero_shot\n    prompts:{listed}\n      - {names}\n"
    )
    (tmp_path / "wording.yaml").write_text(
        f"name: wording\n{data}{entry}    task: prompt_sensitivity\n    prompts: {names}\n"
    )
    model = f"open_clip:local-dir:{shared_data / 'models' / 'cifar-clip'}"
    alone, units = ran(tmp_path / "alone.yaml", model, tmp_path / "one", tmp_path / "cache")
    assert "images" in units
    jobs, units = ran(tmp_path / "wording.yaml", model, tmp_path / "two", tmp_path / "cache")
    assert "images" not in units

    job = jobs["prompt_sensitivity", "names"]
    table = job.tables["templates"].frame()
    top1 = {template: alone["zero_shot", template].main.value for template in TEMPLATES}
    assert dict(zip(table["template"], table["top1"], strict=True)) == top1
    assert len(set(top1.values())) > 1
    together = job.tables["names"].frame().set_index("how")["top1"]
    assert together["all names averaged"] == alone["zero_shot", "names"].main.value
    assert together.nunique() > 2
