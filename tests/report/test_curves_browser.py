"""Curves and comparisons as a reader meets them, in headless Chromium."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clipbench.results.folder import Results

from .fitted import knn, linear_probe
from .visits import DESKTOP, PHONE, Visit

pytestmark = pytest.mark.browser
Make = Callable[..., Results]

CURVES = "#details [data-plot]"


def test_a_curve_is_drawn_when_its_details_are_opened(visit: Callable[..., Visit], fitted: Results) -> None:
    page = visit(fitted, DESKTOP, "dark")
    page.draw_all()
    assert page.page.locator(f"{CURVES} .main-svg").count() == 0
    box = page.page.locator("#details .jobs", has_text="linear probe").first.locator("details").first
    box.locator("summary").first.click()
    curve = box.locator("[data-plot]").first
    curve.scroll_into_view_if_needed()
    curve.locator(".scatterlayer .point").first.wait_for()
    assert page.page.locator(f"{CURVES} .main-svg .scatterlayer").count() == 1
    assert curve.evaluate("(box) => box.querySelector('.main-svg').getBoundingClientRect().width") > 250


def test_a_best_c_at_the_edge_and_fits_without_convergence_are_seen(
    visit: Callable[..., Visit], make_results: Make
) -> None:
    page = visit(make_results(linear_probe("m", "d", 0.8, at_edge=True, open_fits=4)))
    page.open_all()
    page.draw_all()
    assert page.page.get_by_text("best C at the edge of the grid", exact=True).is_visible()
    fills = page.evaluate(
        f"Array.from(document.querySelectorAll('{CURVES} .point')).map((point) => getComputedStyle(point).fill)"
    )
    card = "rgb(255, 255, 255)"
    assert fills.count(card) == 4
    assert len(fills) == 15


def test_a_curve_in_closed_details_takes_the_new_colours_when_opened_again(
    visit: Callable[..., Visit], make_results: Make
) -> None:
    page = visit(make_results(knn("m", "d", 0.8)))
    page.open_all()
    page.draw_all()
    line = f"getComputedStyle(document.querySelector('{CURVES} .js-line')).stroke"
    before = page.evaluate(line)
    page.evaluate("document.querySelectorAll('details').forEach((box) => { box.open = false; })")
    page.page.get_by_role("button", name="Use dark colours").click()
    page.page.set_viewport_size({"width": 700, "height": 800})
    page.open_all()
    page.page.locator(CURVES).first.scroll_into_view_if_needed()
    page.page.wait_for_function(f"() => {line} !== {before!r}")
    width = f"document.querySelector('{CURVES}').getBoundingClientRect().width"
    drawn = f"document.querySelector('{CURVES} .main-svg').getBoundingClientRect().width"
    page.page.wait_for_function(f"() => Math.abs({width} - {drawn}) < 1")


@pytest.mark.slow
def test_all_figures_fit_a_phone_and_their_labels_do_not_touch(visit: Callable[..., Visit], fitted: Results) -> None:
    page = visit(fitted, PHONE)
    page.open_all()
    page.draw_all()
    assert page.page.locator(f"{CURVES} .main-svg .scatterlayer").count() == page.page.locator(CURVES).count() == 14
    page.assert_fits()


def test_comparisons_fit_a_phone_with_their_numbers_in_view(visit: Callable[..., Visit], fitted: Results) -> None:
    page = visit(fitted, PHONE)
    cell = page.page.locator("#comparisons td.clear").first
    cell.scroll_into_view_if_needed()
    box = cell.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE[0]
    assert "+20.0" in cell.text_content()


def test_print_does_not_draw_what_is_folded_away(visit: Callable[..., Visit], make_results: Make) -> None:
    page = visit(make_results(*(knn(model, "d", 0.8) for model in "mn")))
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.page.wait_for_function("() => document.querySelectorAll('#sets [data-plot] .main-svg').length > 0")
    assert page.page.locator(f"{CURVES} .main-svg").count() == 0
