"""The compare page in a browser: its choices, their addresses, and what they show."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from clipbench.report.site.site import write_site

from ..visits import PHONE
from .compared import FAIR, make_compared
from .visits import Browser, SiteVisit

ROWS = """() => Array.from(document.querySelectorAll("[data-measurement]:not([hidden])")).map((row) => [
    row.cells[0].querySelector("bdi").textContent, row.querySelector(".v").textContent, row.dataset.verdict])"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    return write_site(make_compared(folder / "run"), folder / "site").parent


def chosen(visit: SiteVisit) -> tuple[str, str]:
    return visit.page.input_value("#a"), visit.page.input_value("#b")


def lead(visit: SiteVisit) -> list[str]:
    return list(visit.evaluate("Array.from(document.querySelectorAll('#lead b')).map((part) => part.textContent)"))


def test_two_models_are_chosen_swapped_and_found_again(site: Path, site_browser: Browser) -> None:
    visit = site_browser.open(site, "compare.html?a=good&b=a-poor-one")
    page = visit.page
    assert lead(visit) == ["2", "2", "0", "0"]
    assert visit.evaluate(ROWS)[:2] == [["other", "+45.0", "higher"], ["toys", "+45.0", "higher"]]
    page.click("#swap")
    assert visit.evaluate(ROWS)[0] == ["other", "−45.0", "lower"]
    assert lead(visit) == ["2", "0", "2", "0"]
    assert parse_qs(urlsplit(page.url).query)["a"] == ["a-poor-one"]

    # A model that is chosen a second time changes places with the other one; the back button undoes it.
    page.select_option("#a", "good")
    assert chosen(visit) == ("good", "a-poor-one")
    page.go_back()
    assert chosen(visit) == ("a-poor-one", "good")
    assert visit.evaluate(ROWS)[0] == ["other", "−45.0", "lower"]

    # Another pair has another measurement, on which neither is above chance.
    page.select_option("#b", label=FAIR)
    assert ["shifted", "−0.5", "chance"] in visit.evaluate(ROWS)
    assert page.locator(".names bdi").all_inner_texts() == ["a/poor-one", FAIR]
    link = page.locator("[data-measurement^=toys] .value a").first.get_attribute("href")
    assert link.startswith("model/a-poor-one.html#job-")
    visit.assert_sound()

    # All pairs: another measurement has fewer models; a cell opens its pair.
    page.select_option("#measure", label="shifted, zero-shot classification, prompts photo, top-1; n = 200")
    assert page.locator(".matrix tbody th:visible").count() == 2
    assert page.locator(".matrix tbody a:visible").all_inner_texts() == ["+0.5", "−0.5"]
    page.go_back()
    page.locator(".matrix a", has_text="+45.0").click()
    assert chosen(visit) == ("good", "a-poor-one")


def test_pictures_and_wordings_are_those_of_the_pair(site: Path, site_browser: Browser) -> None:
    slug = site_browser.open(site, "compare.html").page.locator("#b option", has_text=FAIR)
    other = slug.get_attribute("value")
    visit = site_browser.open(site, f"compare.html?a=good&b={other}", PHONE, "dark")
    # GOOD alone gets the first 56 images, FAIR alone the last 50; of either two have a picture.
    summary = visit.page.locator("[data-pictures] summary b").all_inner_texts()
    assert summary == ["56", "50"]
    sides = [box.locator("li").count() for box in visit.page.locator("[data-right]").all()]
    assert sides == [2, 2]
    assert visit.page.locator("[data-right] img").evaluate_all(
        "(all) => all.every((image) => image.src.includes('/img/'))"
    )
    said = visit.page.locator("[data-wordings] p").inner_text()
    assert said.startswith("The wording decides which of them is ahead.")
    assert "A is ahead with 2 of 3 templates (1 of them beyond chance), B with 1 (1)." in said
    ahead = [table.locator("tbody tr").all_inner_texts() for table in visit.page.locator("[data-ahead]").all()]
    assert [[row.split("\t") for row in rows] for rows in ahead] == [
        [["wording 0 of {}", "15.0"], ["wording 2 of {}", "1.0"]],
        [["wording 1 of {}", "20.0"]],
    ]
    visit.assert_sound()


def test_two_models_have_no_matrix(site_browser: Browser, tmp_path: Path) -> None:
    results = make_compared(tmp_path / "run")
    for job in results.jobs():
        if job.model == FAIR:
            results.job_path(job.hash).unlink()
    write_site(results, tmp_path / "site")
    visit = site_browser.open(tmp_path / "site", "compare.html")
    assert visit.page.locator(".matrix, #measure").count() == 0
    visit.page.click("#swap")
    assert chosen(visit) == ("a-poor-one", "good")
