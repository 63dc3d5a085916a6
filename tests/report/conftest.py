"""Results folders of made-up jobs, and a browser to open their pages in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clipbench.report.page import write_page
from clipbench.results.folder import Results
from clipbench.results.records import JobResult

from .fitted import fill_fitted
from .made_up import RUN, fill_plausible
from .visits import DESKTOP, FLAGS, Visit


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


@pytest.fixture
def fitted(make_results: Callable[..., Results]) -> Results:
    """Three models with zero-shot, probe, few-shot, neighbours and WiSE-FT on benchmark and shift sets."""
    return fill_fitted(make_results(name="fitted"))


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that puts results in the place of the analyses."""
    return lambda *results: monkeypatch.setattr("clipbench.report.page.analyse", lambda _: results)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Visit]]:
    """A function that writes a page and opens it; at the end nothing may have gone wrong in it."""
    opened: list[tuple[Any, Visit]] = []

    def open_page(results: Results, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> Visit:
        path = write_page(results, tmp_path / "page.html")
        viewport = {"width": size[0], "height": size[1]}
        context = browser.new_context(viewport=viewport, color_scheme=scheme, offline=True, reduced_motion="reduce")
        page = context.new_page()
        visited = Visit(page)
        visited.listen("file:")
        page.goto(path.as_uri())
        opened.append((context, visited))
        return visited

    yield open_page
    for context, visited in opened:
        context.close()
        assert visited.wrong == []
