"""A model's page in a browser: links to evidence, sorting, phone and dark."""

from __future__ import annotations

from pathlib import Path

from clipbench.report.site.site import write_site
from clipbench.results.folder import Results

from ..made_up import classification
from ..visits import PHONE
from .visits import Browser


def test_evidence_opens_and_data_sets_sort(plausible: Results, tmp_path: Path, site_browser: Browser) -> None:
    job = next(job for job in plausible.jobs() if (job.model, job.dataset) == ("clip-tiny", "imagenet"))
    for dataset, share in (("imagenet-v2", 0.3), ("food101", 0.9)):
        plausible.write_job(classification("clip-tiny", dataset, share, n=5000))
    write_site(plausible, tmp_path)
    visit = site_browser.open(tmp_path, f"model/clip-tiny.html#job-{job.hash}")
    opened = visit.page.locator(f"#job-{job.hash}")
    assert opened.evaluate("box => box.open && Math.abs(box.getBoundingClientRect().top) < 120")
    assert opened.get_by_role("link", name="its record, JSON").get_attribute("href") == f"../jobs/{job.hash}.json"
    visit.page.get_by_role("button", name="Value").click()
    first = "Array.from(document.querySelectorAll('.profile td:nth-of-type(1)'), (cell) => cell.dataset.value)"
    values = visit.evaluate(first)
    numbers = [float(value) for value in values if value]
    assert numbers == sorted(numbers, reverse=True)
    visit.page.locator(".profile a[href^='#job-']").first.click()
    assert visit.page.locator("details:target[open]").count() == 1

    phone = site_browser.open(tmp_path, "model/clip-tiny.html", PHONE, "dark")
    phone.open_all()
    phone.assert_sound()
