"""Folders of plain-coloured images, so that every accuracy is known before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import PIL.Image
import pytest

from clipbench.results.folder import Results
from clipbench.results.records import AnalysisResult, JobResult
from clipbench.runs.progress import ProgressListener
from clipbench.runs.runner import Runner

from ..analyses.conftest import Given

PAINT = {"red": (220, 30, 30), "green": (40, 160, 60), "blue": (40, 80, 220), "yellow": (245, 225, 40)}


class Told(ProgressListener):
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

    def __init__(self, folder: Path, make_runner: Callable[..., Runner]) -> None:
        self.folder = folder
        self.make_runner = make_runner
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
        self.told = Told()
        return self.make_runner(suite, self.told, **options).run()

    def findings(self, analysis: str) -> tuple[AnalysisResult, ...]:
        kept = Results(self.folder / "results").analysis_results()
        return tuple(result for result in kept if result.analysis == analysis)

    def on_shift(self, name: str) -> AnalysisResult:
        """What robustness found of one shift."""
        single = (result for result in self.findings("robustness") if not result.about.averaged)
        return next(result for result in single if result.about.dataset == name)

    def over_shifts(self) -> AnalysisResult:
        """What robustness found of all shifts together."""
        return next(result for result in self.findings("robustness") if result.about.averaged)


@pytest.fixture
def given() -> Given:
    return Given()


@pytest.fixture
def workplace(tmp_path: Path, make_runner) -> Workplace:
    return Workplace(tmp_path, make_runner)


@pytest.fixture
def values() -> Callable[[JobResult | AnalysisResult], dict[str, float | None]]:
    return lambda result: {record.metric: record.value for record in result.records}
