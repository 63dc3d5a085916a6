"""A model's page in a browser: links to evidence, sorting, phone and dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clipbench.report.site.site import write_site
from clipbench.results.folder import Results

from ..made_up import classification
from ..visits import PHONE
from .visits import Browser

SHARES = {"imagenet": 0.6, "food101": 0.9, "pets": 0.7}


def test_evidence_opens_and_data_sets_sort(
    make_results: Callable[..., Results], tmp_path: Path, site_browser: Browser
) -> None:
    jobs = {name: classification("mine", name, share, n=5000) for name, share in SHARES.items()}
    write_site(make_results(*jobs.values()), tmp_path / "site")
    anchor = f"job-{jobs['pets'].hash}"
    visit = site_browser.open(tmp_path / "site", f"model/mine.html#{anchor}")
    opened = visit.page.locator(f"#{anchor}")
    assert opened.evaluate("(box) => box.open && Math.abs(box.getBoundingClientRect().top) < 900")
    assert opened.get_by_role("link", name="its record, JSON").get_attribute("href") == f"../jobs/{anchor[4:]}.json"

    visit.page.get_by_role("button", name="Value").click()
    links = "Array.from(document.querySelectorAll('.profile tbody td:nth-of-type(1) a'), (link) => link.hash)"
    best_first = sorted(jobs, key=lambda name: -SHARES[name])
    assert visit.evaluate(links) == [f"#job-{jobs[name].hash}" for name in best_first]
    visit.page.locator(".profile td a").first.click()
    assert visit.evaluate("document.querySelector('details:target').open")

    phone = site_browser.open(tmp_path / "site", "model/mine.html", PHONE, "dark")
    phone.open_all()
    phone.assert_sound()
