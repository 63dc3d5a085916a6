"""The page as a reader meets it: opened from disk in headless Chromium, with no network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clipbench.report.page import write_page
from clipbench.results.folder import Results

from .fitted import linear_probe
from .made_up import HOSTILE, classification, failure, with_pictures
from .site.conftest import site_browser as site_browser
from .site.visits import Browser
from .test_page import hostile_jobs
from .visits import DESKTOP, PHONE, Visit

pytestmark = pytest.mark.browser
Make = Callable[..., Results]


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_figures_are_drawn_and_nothing_moves_or_overflows(
    visit: Callable[..., Visit], plausible: Results, size: tuple[int, int], scheme: str
) -> None:
    page = visit(plausible, size, scheme)
    before = page.evaluate("document.documentElement.scrollHeight")
    page.draw_all()
    assert page.page.locator("[data-plot]").count() == 9
    assert page.page.locator("[data-plot] .barlayer .point path").count() == 16
    assert page.evaluate("document.documentElement.scrollHeight") == before
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    assert page.evaluate("document.documentElement.dataset.theme") == scheme


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_text_can_be_read_and_what_one_touches_can_be_hit(
    visit: Callable[..., Visit], make_results: Make, size: tuple[int, int]
) -> None:
    jobs = [classification(model, "digits", 0.5, classes=tuple(f"class {i}" for i in range(30))) for model in "abc"]
    other, seen = replace(jobs[2].pedigree, data="other"), {"trained_on": ["digits"]}
    jobs[2] = replace(jobs[2], pedigree=other, run_metadata=seen)
    page = visit(make_results(*jobs, failure("broken", "digits", "missing")), size)
    assert page.page.locator("sup a").count() > 1
    page.open_all()
    page.draw_all()
    assert page.too_small() == []


def test_nothing_overflows_a_phone_when_all_is_open(visit: Callable[..., Visit], make_results: Make) -> None:
    results = make_results()
    hostile_jobs(results)
    page = visit(results, PHONE)
    page.open_all()
    page.draw_all()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]


def test_hostile_names_are_shown_and_run_nothing(visit: Callable[..., Visit], make_results: Make) -> None:
    results = make_results()
    hostile_jobs(results)
    page = visit(results)
    page.draw_all()
    ticks = page.page.locator("#plot-1 .ytick text").all_text_contents()
    assert "{{7*7}}{% raw %}" in ticks
    assert any(tick.startswith("<script>") for tick in ticks)
    assert page.page.locator("[data-plot] a, [data-plot] b, [data-plot] script").count() == 0
    page.page.locator("#plot-1 .barlayer .point").first.hover(force=True)
    hover = page.page.locator("#plot-1 .hoverlayer .hovertext").first
    hover.wait_for()
    assert any(" ".join(name.split()) in hover.text_content() for name in HOSTILE.values())


def values(page: Visit, place: int) -> list[str]:
    script = f"Array.from(document.querySelectorAll('#board tbody tr')).map((row) => row.cells[{place}].dataset.value)"
    return list(page.evaluate(script))


def three_models(make_results: Make) -> Results:
    shares = {"m10": 0.4, "m2": 0.9, "m1": 0.6}
    jobs = [classification(model, "digits", share) for model, share in shares.items()]
    return make_results(*jobs, failure("broken", "digits", "missing"))


def test_a_click_sorts_best_first_then_worst_first(visit: Callable[..., Visit], make_results: Make) -> None:
    page = visit(three_models(make_results))
    button = page.page.get_by_role("button", name="digits")
    button.click()
    assert values(page, 1) == ["0.9", "0.6", "0.4", ""]
    head = page.page.locator("#board th", has=button)
    assert head.get_attribute("aria-sort") == "descending"
    button.click()
    assert values(page, 1) == ["0.4", "0.6", "0.9", ""]
    assert head.get_attribute("aria-sort") == "ascending"


def test_the_keyboard_sorts_too(visit: Callable[..., Visit], make_results: Make) -> None:
    page = visit(three_models(make_results))
    button = page.page.get_by_role("button", name="Model")
    button.focus()
    page.page.keyboard.press("Enter")
    assert values(page, 0) == ["broken", "m1", "m2", "m10"]
    page.page.keyboard.press("Space")
    assert values(page, 0) == ["m10", "m2", "m1", "broken"]
    assert page.page.locator("#board [aria-sort]").count() == 1


def test_the_button_changes_the_colours_of_page_and_figures(visit: Callable[..., Visit], plausible: Results) -> None:
    page = visit(plausible)
    page.draw_all()
    ground = "getComputedStyle(document.body).backgroundColor"
    bar = "getComputedStyle(document.querySelector('#plot-1 .barlayer .point path')).fill"
    before = (page.evaluate(ground), page.evaluate(bar))
    page.page.get_by_role("button", name="Use dark colours").click()
    page.page.wait_for_function(f"{bar} !== {before[1]!r}")
    assert page.evaluate(ground) != before[0]
    page.page.get_by_role("button", name="Use light colours").click()
    page.page.wait_for_function(f"{bar} === {before[1]!r}")
    assert page.evaluate(ground) == before[0]


def test_thumbnails_are_seen(visit: Callable[..., Visit], plausible: Results) -> None:
    page = visit(plausible)
    page.open_all()
    image = page.page.locator("#details .album img").first
    image.scroll_into_view_if_needed()
    page.page.wait_for_function("(image) => image.complete && image.naturalWidth === 128", arg=image.element_handle())
    assert image.is_visible()


def test_classes_can_be_searched(visit: Callable[..., Visit], plausible: Results) -> None:
    page = visit(plausible)
    page.open_all()
    box = page.page.locator("#details .searched").first
    box.locator("tbody tr").first.wait_for()
    assert box.locator("tbody tr").count() == 100
    name = box.locator("tbody th").nth(50).text_content()
    box.get_by_role("searchbox").fill(name)
    assert name in box.locator("tbody tr:visible th").all_text_contents()
    assert box.locator("tbody tr:visible").count() < 100


def test_the_link_of_a_failure_opens_its_details(visit: Callable[..., Visit], plausible: Results) -> None:
    page = visit(plausible)
    page.page.locator("#board").get_by_role("link", name="failed").click()
    message = page.page.locator("#details .notice.bad")
    message.wait_for()
    assert "fetch it with" in message.text_content()


def test_print_draws_every_figure_in_light_colours(visit: Callable[..., Visit], plausible: Results) -> None:
    page = visit(plausible, DESKTOP, "dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    drawn = "document.querySelectorAll('[data-plot] .main-svg .xaxislayer-above').length"
    page.page.wait_for_function(f"() => {drawn} >= 9")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_nothing_is_cut_on_paper(visit: Callable[..., Visit], make_results: Make) -> None:
    sets = [f"data-set-{place}" for place in range(16)]
    page = visit(make_results(*(classification(model, name, 0.5) for model in ("a" * 30, "b") for name in sets)))
    page.page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.page.locator("#plot-16 .main-svg").first.wait_for()
    paper = page.evaluate("document.querySelector('main').getBoundingClientRect().right")
    parts = "Array.from(document.querySelectorAll('#board, #board :is(th, td) > *, [data-plot] text'))"
    parts += ".filter((part) => !part.classList.contains('hidden'))"
    assert page.evaluate(f"Math.max(...{parts}.map((part) => part.getBoundingClientRect().right))") <= paper + 1
    wide = "document.querySelector('main').getBoundingClientRect().width"
    assert page.evaluate(wide) == pytest.approx(190 / 25.4 * 96, abs=1)
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    page.page.emulate_media(media="screen")
    assert page.evaluate(wide) > 1000


@pytest.mark.slow
def test_the_page_has_no_barrier_closed_or_open(site_browser: Browser, make_results: Make, tmp_path: Path) -> None:
    results = make_results(linear_probe("a", "x", 0.8))
    jobs = [classification(model, "x", 0.5) for model in "ab"]
    for job in (with_pictures(results, jobs[0], ["a cat"]), jobs[1]):
        results.write_job(job)
    write_page(results, tmp_path / "index.html")
    site_browser.open(tmp_path, bypass_csp=True).assert_sound()
    page = site_browser.open(tmp_path, size=PHONE, scheme="dark", bypass_csp=True)
    page.open_all()
    page.page.locator("#details .facts").first.wait_for()
    page.assert_sound()


def test_a_number_leads_to_its_job(visit: Callable[..., Visit], plausible: Results) -> None:
    page = visit(plausible)
    link = page.page.locator("#board td a").first
    link.click()
    job = page.page.locator(link.get_attribute("href"))
    job.locator(".facts").first.wait_for()
    assert job.evaluate("(box) => box.open")


def test_without_scripts_each_job_has_its_line_and_names_its_record(
    browser: Any, plausible: Results, tmp_path: Path
) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(write_page(plausible, tmp_path / "page.html").as_uri())
    assert page.get_by_text("leads with").is_visible()
    job = page.locator("#details details").first
    assert "%" in job.locator("summary").text_content()
    job.locator("summary").click()
    assert job.get_by_text("jobs/").is_visible()


def test_an_empty_page_opens(visit: Callable[..., Visit], make_results: Make) -> None:
    assert visit(make_results(), PHONE).page.get_by_text("No job has finished yet.").is_visible()
