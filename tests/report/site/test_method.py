"""The page that says how numbers are made, what changed, and how to cite them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clipbench.report.site import site
from clipbench.report.site.pages.method.page import MethodPage
from clipbench.report.site.site import write_site
from clipbench.results.folder import Results

from ..fitted import few_shot
from ..made_up import HOSTILE, classification
from .visits import Browser

Make = Callable[..., Results]
Write = Callable[..., str]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """A function that writes a site of results, of this page alone, into the same folder and returns the page."""
    monkeypatch.setattr(site, "PAGES", (MethodPage(),))

    def write(results: Results, *published: str, title: str | None = None) -> str:
        write_site(results, tmp_path / "site", published=published, title=title)
        return (tmp_path / "site" / "method.html").read_text("utf-8")

    return write


def ids(page: str) -> set[str]:
    return set(re.findall(r'<h[2-4] id="([^"]+)"', page))


def shown(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())


def test_only_what_the_site_has_is_explained(make_results: Make, written: Write, tmp_path: Path) -> None:
    page = written(Results(tmp_path / "nothing"), "open-clip")
    assert {"published", "choices", "data", "cite", "changes"} <= ids(page)
    assert not {"numbers", "intervals", "runs"} & ids(page)
    assert "MIT, as open_clip" in shown(page)
    page = written(make_results(classification("a", "digits", 0.5)))
    assert {"numbers", "intervals", "means", "metrics", "runs"} <= ids(page)
    assert not {"published", "marks"} & ids(page)


def test_a_metric_is_defined_once_under_its_task(make_results: Make, written: Write) -> None:
    jobs = (classification("a", "digits", 0.5), classification("b", "pets", 0.5), few_shot("a", "digits", 4, 0.5))
    page = shown(written(make_results(*jobs)))
    assert page.count("share of images whose highest-scoring class is the right one.") == 1
    assert "the mean over several random draws" in page


def test_a_choice_says_how_many_of_its_sets_are_here_and_whose_it_is(make_results: Make, written: Write) -> None:
    page = written(make_results(classification("a", "cifar10", 0.5), classification("a", "pets", 0.5)))
    rows = [shown(row) for row in re.findall(r"<tr><th.*?</tr>", page, re.DOTALL)]
    assert any(
        re.fullmatch(r"CLIP paper ?2 ?27 ?Radford et al\. 2021.*table 11 ?food101, cifar100, .*", row) for row in rows
    )


def test_the_citation_has_the_digest_of_the_content(make_results: Make, written: Write) -> None:
    results = make_results(classification("a", "digits", 0.5))
    page = shown(written(results, "open-clip", title="Leaves & trees"))
    digest = re.search(r"the digest of its content is ([0-9a-f]{64})", page)
    assert digest
    assert f"content {digest[1][:16]}." in page
    assert f"@misc{{board-{digest[1][:8]}, title = {{Leaves \\& trees}}" in page
    assert "@misc{table-open-clip," in page
    assert "@misc{data-digits," in page


def test_what_changed_is_told_with_a_link_to_the_evidence(make_results: Make, written: Write, tmp_path: Path) -> None:
    job = classification("a", "digits", 0.5)
    assert "The first build." in written(make_results(job, name="one"))
    other = replace(classification("a", "digits", 0.6, pedigree=replace(job.pedigree, weights="x")), model="a")
    page = written(make_results(other, classification("b", "digits", 0.6), name="two"))
    assert "New models (1): b" in shown(page)
    assert f'<a href="model/a.html#job-{other.hash}">60.0\u202f%</a></td><td class="words"><bdi>weights' in page
    wider = replace(other, records=(replace(other.records[0], low=0.1), *other.records[1:]))
    page = written(make_results(wider, classification("b", "digits", 0.6), name="three"))
    assert "no value moved and no rank range changed" in shown(page)


def test_the_page_is_sound_with_hostile_texts_on_a_phone(
    make_results: Make, written: Write, tmp_path: Path, site_browser: Browser
) -> None:
    run = {"suite": HOSTILE["script"], "description": HOSTILE["closing"], "suite_text": HOSTILE["quotes"]}
    written(make_results(classification("a", "digits", 0.5), name="one"))
    jobs = [classification(text, text, 0.6) for text in HOSTILE.values()]
    written(make_results(*jobs, classification("a", "digits", 0.7), name="two", run=run), title=HOSTILE["closing"])
    visit = site_browser.open(tmp_path / "site", "method.html", size=(390, 800), scheme="dark")
    visit.evaluate("document.querySelectorAll('details').forEach((part) => part.open = true)")
    visit.assert_sound()
