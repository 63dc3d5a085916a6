"""Folders of plain-coloured images, so that every accuracy is known before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import PIL.Image
import pytest

from clipbench.results.folder import Results
from clipbench.results.records import JobResult
from clipbench.runs.progress import Listener
from clipbench.runs.runner import RunOptions, run
from clipbench.suite.loading import load_suite

from ..conftest import REPOSITORY

MODEL = "colour_words_model:ColourWords"
PAINT = {"red": (220, 30, 30), "green": (40, 160, 60), "blue": (40, 80, 220), "yellow": (245, 225, 40)}


class Told(Listener):
    """Keeps what a run tells."""

    def __init__(self) -> None:
        self.results: list[tuple[JobResult, bool]] = []
        self.embedded: list[str] = []

    def finished(self, result: JobResult, again: bool) -> None:
        self.results.append((result, again))

    def started(self, job, total, unit) -> None:
        self.embedded.append(f"{job.label}: {unit}")


class Workplace:
    """A folder with a suite, its images, its cache and its results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told = Told()

    def paint(self, name: str, classes: Mapping[str, Sequence[str]]) -> None:
        """Make a folder data set: for each class one image of each colour named."""
        for label, colours in classes.items():
            for at, colour in enumerate(colours):
                path = self.folder / name / label / f"{at}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                # One pixel tells images apart, so that none is a copy of another.
                image = PIL.Image.new("RGB", (32, 32), PAINT[colour])
                image.putpixel((at % 32, at // 32), (0, 0, 0))
                image.save(path)

    def run(self, suite: str, **options: object) -> Results:
        path = self.folder / "suite.yaml"
        path.write_text(suite)
        self.told = Told()
        chosen = {"output": self.folder / "results", "cache": self.folder / "cache", "device": "cpu", "workers": 0}
        limit = options.pop("limit", None)
        loaded = load_suite(path)
        loaded = loaded.with_limit(limit) if limit else loaded  # type: ignore[arg-type]
        return run(loaded, [MODEL], RunOptions(**{**chosen, **options}), self.told)  # type: ignore[arg-type]

    def findings(self, task: str) -> dict[tuple[str, str], JobResult]:
        results = Results(self.folder / "results")
        return {(one.dataset, one.variant): one for one in results.findings() if one.task == task}


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    monkeypatch.syspath_prepend(str(REPOSITORY / "examples"))
    return Workplace(tmp_path)


@pytest.fixture
def values() -> Callable[[JobResult], dict[str, float | None]]:
    return lambda job: {record.metric: record.value for record in job.records}
