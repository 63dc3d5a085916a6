"""Prompt sensitivity and rank stability as a reader meets them, in headless Chromium."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from clipbench.results.folder import Results
from clipbench.results.records import JobResult

from . import test_wordings as tables
from .test_comparisons import flips
from .visits import DESKTOP, PHONE, Visit

pytestmark = pytest.mark.browser

MODELS = ("a", "b", "c", *(f"open_clip:a-model-of-a-long-name-{at}" for at in range(9)))


def job() -> JobResult:
    found = tables.job(
        templates=tables.TEMPLATES,
        gains=tables.GAINS,
        families=tables.FAMILIES,
        names=tables.NAMES,
        choice=tables.CHOICE,
        variance=tables.VARIANCE,
    )
    return replace(found, notes=tables.NOTES)


@pytest.mark.slow
def test_all_figures_fit_a_phone_and_their_labels_do_not_touch(
    visit: Callable[..., Visit], make_results: Callable[..., Results]
) -> None:
    page = visit(make_results(job()), PHONE, "dark")
    page.open_all()
    page.draw_all()
    assert page.page.locator("#details [data-plot] .main-svg .scatterlayer").count() == 6
    page.assert_fits()


def test_what_was_found_is_seen_before_a_job_is_opened(
    visit: Callable[..., Visit], make_results: Callable[..., Results]
) -> None:
    page = visit(make_results(job()), DESKTOP)
    assert page.page.get_by_text(tables.FLIPS).is_visible()
    assert not page.page.get_by_text(tables.NOTES[0]).is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_matrix_scrolls_beside_the_names_of_its_rows(
    visit: Callable[..., Visit], make_results: Callable[..., Results], found: Callable[..., None], scheme: str
) -> None:
    found(flips(MODELS))
    page = visit(make_results(job()), PHONE, scheme)
    matrix = page.page.locator(".pairs .plain")
    matrix.scroll_into_view_if_needed()
    matrix.evaluate("(box) => { box.scrollLeft = box.scrollWidth; }")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    name, last = (matrix.locator(f"tbody tr:first-child > :{place}-child") for place in ("first", "last"))
    assert name.bounding_box()["x"] >= 0
    assert name.bounding_box()["x"] + name.bounding_box()["width"] <= last.bounding_box()["x"] + 1
    assert last.bounding_box()["x"] + last.bounding_box()["width"] <= PHONE[0]
