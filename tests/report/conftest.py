"""Results folders of made-up jobs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clipbench.records import JobResult
from clipbench.results import Results

from .made_up import RUN, fill_plausible


@pytest.fixture
def make_results(tmp_path: Path) -> Callable[..., Results]:
    """A function that writes jobs into a new results folder."""

    def make(*jobs: JobResult, name: str = "run", run: dict[str, Any] | None = None) -> Results:
        results = Results(tmp_path / name)
        (results.folder / "jobs").mkdir(parents=True)
        results.write_run(RUN if run is None else run)
        for job in jobs:
            results.write_job(job)
        return results

    return make


@pytest.fixture
def plausible(make_results: Callable[..., Results]) -> Results:
    """Two models on benchmark and shift sets, a retrieval set, a failure, broken images and pictures."""
    return fill_plausible(make_results())
