"""The index in a browser: each control and its address, permalinks, keys, phone, print, hostile names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipbench.report.site import site
from clipbench.report.site.pages.index.page import IndexPage
from clipbench.report.site.site import write_site
from clipbench.results.folder import Results

from ..made_up import HOSTILE, RUN, classification
from ..visits import PHONE
from .test_board import answers
from .visits import Browser, SiteVisit

SETS = {"cifar10": 10_000, "pets": 500, "imagenet-a": 400}
SHARES = {"clear": 0.9, "second": 0.885, "third": 0.6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of three models with answers, one with a hostile name, and the published rows; the index alone."""
    here = tmp_path_factory.mktemp("index")
    results = Results(here / "run")
    (results.folder / "jobs").mkdir(parents=True)
    results.write_run(RUN)
    drawn = np.random.default_rng(0)
    for dataset, n in SETS.items():
        easy = drawn.random(n)
        for model, share in SHARES.items():
            job = answers(results, model, dataset, easy + drawn.normal(0, 0.02, n) < share)
            regime = "shift" if dataset == "imagenet-a" else "benchmark"
            job = replace(job, about={**job.about, "regime": regime})
            if model == "second":
                job = replace(job, run_metadata={"trained_on": ["pets"]})
            results.write_job(replace(job, records=(replace(job.records[0], chance=0.7),)))
    results.write_job(replace(classification(HOSTILE["closing"], "pets", 0.5, n=500), tables={}))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(site, "PAGES", (IndexPage(),))
        write_site(results, here / "site", title=HOSTILE["script"], published=["open-clip"])
    return here / "site"


ROWS = "[...document.querySelectorAll('#board tbody tr:not([hidden])')]"


def names(visit: SiteVisit) -> list[str]:
    return list(visit.evaluate(f"{ROWS}.map((row) => row.querySelector('th a').textContent)"))


def columns(visit: SiteVisit) -> list[str]:
    heads = "[...document.querySelectorAll('#board thead th')].filter((th) => getComputedStyle(th).display !== 'none')"
    return list(visit.evaluate(f"{heads}.map((th) => th.dataset.key)"))


def column(visit: SiteVisit, key: str) -> list[str]:
    place = "document.querySelector(`#board [data-key='${key}']`).cellIndex"
    script = f"(key) => {ROWS}.map((row) => row.cells[{place}].textContent.trim())"
    return list(visit.page.evaluate(script, key))


def address(visit: SiteVisit) -> str:
    return str(visit.evaluate("location.hash"))


CIFAR = "cifar10-zero-shot-test-photo"


def test_each_control_shows_what_it_says_and_can_be_linked_to(folder: Path, site_browser: Browser) -> None:
    visit = site_browser.open(folder)
    page, seen = visit.page, []
    first = names(visit)
    assert first[:3] == ["clear", "second", "third"]
    assert column(visit, "rank")[:3] == ["1", "2", "3"]
    assert len(first) > 100  # published rows stand beside those measured, where these sets have their figures

    def did(act: Any, expected: str) -> None:
        before = len(seen)
        act()
        assert expected in address(visit)
        seen.append((address(visit), names(visit), columns(visit)))
        assert len(seen) == before + 1

    page.click("summary:has-text('Filter')")
    chip = "[data-filter={}][data-value='{}']".format
    did(lambda: page.click(chip("origin", "measured")), "#origin=measured")
    assert sorted(names(visit)) == sorted([*SHARES, HOSTILE["closing"]])
    did(lambda: page.click(chip("trained", "declared")), "trained=declared")
    assert names(visit) == ["second"]
    page.click(chip("trained", "declared"))
    did(lambda: page.click(chip("regime", "shift")), "regime=shift")
    assert [key for key in columns(visit) if "zero-shot-test" in key] == ["imagenet-a-zero-shot-test-photo"]
    assert "rank" not in columns(visit)  # of benchmark sets, which are not shown
    page.click(chip("regime", "shift"))
    page.keyboard.press("Escape")
    did(lambda: page.fill("[name=q]", "SEC"), "q=SEC")
    assert names(visit) == ["second"]
    page.fill("[name=q]", "")
    did(lambda: page.check("[name=complete]"), "complete=1")
    assert sorted(names(visit)) == sorted(SHARES)
    did(lambda: page.click(f"[data-key='{CIFAR}'] .sort"), f"sort=-{CIFAR}")
    did(lambda: page.click(f"[data-key='{CIFAR}'] .sort"), f"sort={CIFAR}")
    assert names(visit) == ["third", "second", "clear"]
    assert page.get_attribute(f"[data-key='{CIFAR}']", "aria-sort") == "ascending"
    did(lambda: page.select_option("[name=show]", "rank"), "show=rank")
    assert column(visit, CIFAR) == ["3", "2", "1"]
    did(lambda: page.select_option("[name=show]", "difference"), "show=difference")
    did(lambda: page.select_option("[name=pin]", "second"), "pin=second")
    assert column(visit, CIFAR)[1] == "0.0"
    assert column(visit, CIFAR)[0].startswith("−")
    did(lambda: page.check("[name=heat]"), "heat=1")
    assert visit.evaluate("document.querySelectorAll('#board[data-heat] td[style]').length") > 0
    did(lambda: page.select_option("[name=preset]", "natural-shifts"), "preset=natural-shifts")
    page.click("summary:has-text('Choose')")
    did(lambda: page.uncheck("#picker input:checked >> nth=0"), "columns=")
    assert "plain" in columns(visit)
    assert page.input_value("[name=preset]") == "own"
    # A link shows the same, and the back button leads back through it.
    for link, *expected in seen:
        again = site_browser.open(folder, f"index.html{link}") if link in {seen[3][0], seen[-1][0]} else None
        assert again is None or [names(again), columns(again)] == expected
    for link, *expected in reversed(seen[-4:-1]):
        page.go_back()
        assert [address(visit), names(visit), columns(visit)] == [link, *expected]
    page.click("#reset")
    assert [address(visit), names(visit)] == ["", first]


def test_a_choice_of_ones_own_has_plain_means_and_no_ranks(folder: Path, site_browser: Browser) -> None:
    visit = site_browser.open(
        folder, f"index.html#columns={CIFAR},imagenet-a-zero-shot-test-photo&origin=measured&complete=1"
    )
    values = [[float(text.split()[0].strip("○‡")) for text in column(visit, key)] for key in columns(visit)[-2:]]
    means = [float(text) for text in column(visit, "plain")]
    assert means == pytest.approx(np.mean(values, axis=0), abs=0.11)
    assert "rank" not in columns(visit)
    assert "no ranks" in visit.page.inner_text("[data-key=plain]")


def test_a_number_has_an_address_its_evidence_and_keys(folder: Path, site_browser: Browser) -> None:
    visit = site_browser.open(folder, "index.html#cell=third,cifar10,zero_shot")
    page = visit.page
    panel = page.locator("#cell")
    assert "third on cifar10" in panel.inner_text()
    for told in ("10,000", "70.0", "not above chance", "3 of 3"):
        assert told in panel.inner_text()
    links = [link.get_attribute("href") for link in panel.locator("a").all()]
    assert links[0].startswith("model/third.html#job-")
    assert (folder / links[1]).exists()
    assert links[2] == "dataset/cifar10.html"
    assert visit.barriers() == []
    page.keyboard.press("Escape")
    assert (panel.is_visible(), address(visit)) == (False, "")
    # Tab reaches one number, arrows the others, Enter opens it.
    page.locator("#region").focus()
    page.keyboard.press("Tab")
    for _ in range(60):
        if page.evaluate("document.activeElement.matches('#board td > a')"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert address(visit) == "#cell=second,pets,zero_shot"
    assert "declares this data set" in panel.inner_text()
    page.go_back()
    assert not panel.is_visible()


def test_what_is_seen_can_be_copied_with_its_marks_and_notes(folder: Path, site_browser: Browser) -> None:
    visit = site_browser.open(folder, "index.html#origin=measured&q=second")
    page = visit.page
    page.click("summary:has-text('Copy')")
    texts = {}
    for form in ("csv", "md", "tex"):
        with page.expect_download() as found:
            page.click(f"[data-save={form}]")
        texts[form] = Path(found.value.path()).read_text("utf-8")
    assert all("second" in text and "clear" not in text for text in texts.values())
    assert texts["csv"].count("‡") == 2  # at the number, and at its note
    assert texts["md"].startswith("| Rank")
    assert "\\ddag{}" in texts["tex"]
    assert "\\toprule" in texts["tex"]


@pytest.mark.slow
def test_the_index_is_sound_in_the_dark_on_a_phone_and_on_paper(folder: Path, site_browser: Browser) -> None:
    dark = site_browser.open(folder, "index.html#heat=1&origin=measured", scheme="dark")
    dark.assert_sound()
    assert "<script>" in dark.page.inner_text(".mark")
    assert dark.evaluate("document.querySelectorAll('*').length") < 15_000
    phone = site_browser.open(folder, "index.html#origin=measured", PHONE)
    phone.assert_sound()
    phone.page.select_option("[name=metric]", CIFAR)
    assert address(phone) == f"#sort=-{CIFAR}&metric={CIFAR}&origin=measured"
    cards = phone.evaluate(f"{ROWS}.map((row) => row.innerText)")
    assert all(name in card for name, card in zip(SHARES, cards, strict=False))
    assert "90." in cards[0]
    paper = site_browser.open(folder, "index.html#preset=all", (1046, 720)).page
    paper.emulate_media(media="print")
    assert paper.evaluate("document.documentElement.scrollWidth") <= 1046
    cut = "(cell) => cell.offsetParent && cell.scrollWidth > cell.clientWidth + 1"
    assert paper.evaluate(f"[...document.querySelectorAll('#board :is(th, td)')].filter({cut}).length") == 0


def test_without_scripts_all_columns_can_be_read(folder: Path, site_browser: Browser) -> None:
    visit = site_browser.open(folder, java_script_enabled=False)
    page = visit.page
    assert not page.locator("#controls").is_visible()
    assert page.locator("#board thead th").all_inner_texts()[1].strip().startswith("Model")
    assert page.locator("#board tbody tr").count() > 117
    assert page.locator("#board tbody tr >> nth=0").locator("td > a").first.get_attribute("href").startswith("model/")
