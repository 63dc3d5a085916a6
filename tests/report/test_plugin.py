"""What an installed package measures is shown as it declares it: in the terminal, the page and every export."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from clipbench import Results, run
from clipbench.cli.console import RunConsole
from clipbench.report.page import render, write_report

from .made_up import install

PLUGIN = """
from typing import Literal

import pandas as pd

from clipbench.extend import Interval, Metric, Needs, Outcome, TaskSettings
from clipbench.metrics.specs import ColumnSpec, CurveSpec, MetricSpec, TableSpec


class NoiseSettings(TaskSettings):
    task: Literal["noise"]


class Noise:
    name = "noise"
    protocol = 1
    Settings = NoiseSettings
    label = "noise of the features"
    metrics = (
        MetricSpec("floor", "noise floor", "dB", False, "how loud what is no signal is.", "Nobody 2026"),
    )
    tables = (
        TableSpec(
            "by_gain",
            "Noise by gain",
            (ColumnSpec("gain", unit="count"), ColumnSpec("floor", "noise floor, dB", "dB", "low", "high")),
            curve=CurveSpec("gain", "floor", log_x=True, chosen="best", chosen_label="the quietest"),
        ),
    )

    def needs(self, settings, dataset, model, prompts):
        return Needs(splits=(settings.split,))

    def evaluate(self, inputs, settings, prompts):
        images = inputs.sets[settings.split]
        metric = Metric("floor", -20.0, len(images), Interval(-21.0, -19.0, "guess"), "dB", main=True)
        rows = [(gain, gain - 20.0, -20.0, 2 * gain - 20.0, gain == 1) for gain in (4, 1, 2)]
        table = pd.DataFrame(rows, columns=["gain", "floor", "low", "high", "best"])
        examples = pd.DataFrame({"id": list(images.ids), "split": settings.split})
        return Outcome((metric,), examples, tables={"by_gain": table})
"""


@pytest.fixture
def measured(tmp_path: Path) -> tuple[Results, str]:
    """Results of a task that an installed package adds, and what was printed; the package is not installed any more."""
    install(tmp_path / "site", "clipbench.tasks", "noise", "noise_task:Noise", PLUGIN)
    suite, printed = tmp_path / "noise.yaml", io.StringIO()
    suite.write_text("tasks:\n  - {task: noise, datasets: digits, limit: 20}\n", encoding="utf-8")
    folders = {"output": tmp_path / "results", "cache": tmp_path / "cache"}
    listener = RunConsole(Console(file=printed, width=120))
    with pytest.MonkeyPatch.context() as installed:
        installed.syspath_prepend(tmp_path / "site")
        results = run(suite, "clip-tiny", device="cpu", progress=listener, **folders)
        listener.summarise(results)
    return results, printed.getvalue()


def test_the_metric_of_an_installed_package_is_shown_with_its_label_unit_and_direction(
    tmp_path: Path, measured: tuple[Results, str]
) -> None:
    results, printed = measured
    assert "noise floor −20 dB [−21, −19], n=20" in printed
    assert "digits (noise floor, dB; n = 20, limit 20)" in printed

    (job,) = results.jobs()
    louder = replace(job.records[0], value=-10.0, low=-11.0, high=-9.0)
    results.write_job(replace(job, hash="louder", model="louder", records=(louder,)))
    results = results.all()
    page = render(results)
    assert '<abbr title="how loud what is no signal is.">noise floor, dB</abbr>' in page
    assert 'data-first="ascending"><button class="sort" type="button"><bdi>digits' in page
    rows = {name: page.split(f'data-value="{name}"')[1].split("</tr>")[0] for name in ("clip-tiny", "louder")}
    assert {name: "data-best" in row for name, row in rows.items()} == {"clip-tiny": True, "louder": False}
    assert "<dt>noise floor:</dt> <dd>how loud what is no signal is. (Nobody 2026)</dd>" in page
    assert page.count("Noise floor, dB, with intervals; ring: gain = 1, the quietest") == 1  # of both models

    texts = {}
    for ending in ("csv", "md", "tex"):
        write_report(results, tmp_path / f"table.{ending}")
        texts[ending] = (tmp_path / f"table.{ending}").read_text(encoding="utf-8")
    assert list(csv.reader(texts["csv"].splitlines()))[1:] == [["clip-tiny", "-20.0"], ["louder", "-10.0"]]
    assert "digits (noise floor, dB; n = 20, limit 20)" in texts["md"]
    assert "−20 [−21, −19]" in texts["md"]
    assert r"\ensuremath{-}20 \ensuremath{\pm} 1" in texts["tex"]
