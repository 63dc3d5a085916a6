"""Robustness, wording and labels in a browser: the shift in the address, linked hover, phone and desk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clipbench.report.site import site
from clipbench.report.site.pages.labels.page import LabelsPage
from clipbench.report.site.pages.robustness.page import RobustnessPage
from clipbench.report.site.pages.wording.page import WordingPage
from clipbench.report.site.site import write_site
from clipbench.results.folder import Results

from ..findings import PUBLISHED, corrupted, on_shift, over_shifts
from ..made_up import HOSTILE, classification
from ..visits import PHONE
from .test_wording import prompted
from .visits import Browser, SiteVisit

Make = Callable[..., Results]

POINT = """(box) => {
  const curve = box.data.findIndex((trace) => trace.meta.of !== undefined);
  const of = box.data[curve].meta.of, { xaxis, yaxis } = box._fullLayout, place = box.getBoundingClientRect();
  const at = (axis, value) => axis._offset + axis.l2p(value);
  return [place.left + at(xaxis, box.data[of].x[0]), place.top + at(yaxis, box.data[of].y[0])];
}"""


def _shown(visit: SiteVisit) -> list[str]:
    return list(
        visit.evaluate("Array.from(document.querySelectorAll('[data-shift]:not([hidden])'), (a) => a.dataset.shift)")
    )


@pytest.mark.slow
def test_the_shift_is_in_the_address_and_what_is_pointed_at_is_shown_twice(
    make_results: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site_browser: Browser
) -> None:
    found = [on_shift("a", name, 0.7, 0.4, baseline=PUBLISHED) for name in ("sketch", "v2")]
    found += [on_shift(HOSTILE["closing"], name, 0.6, 0.5, baseline=PUBLISHED) for name in ("sketch", "v2")]
    found += [over_shifts(found[:2]), over_shifts(found[2:]), corrupted("a", "imagenet", 0.6)]
    monkeypatch.setattr("clipbench.report.site.data.assemble.analyse", lambda _: found)
    monkeypatch.setattr(site, "PAGES", (RobustnessPage(),))
    jobs = [classification(model, "imagenet", 0.6) for model in ("a", HOSTILE["closing"])]
    write_site(make_results(*jobs), tmp_path / "site")
    visit = site_browser.open(tmp_path / "site", "robustness.html?imagenet=v2")
    assert _shown(visit) == ["v2"]
    page = visit.page
    page.get_by_role("combobox", name="Shift").select_option("sketch")
    assert _shown(visit) == ["sketch"]
    assert page.url.endswith("robustness.html")
    page.go_back()
    assert _shown(visit) == ["v2"]
    page.goto(page.url.partition("?")[0] + "#imagenet-sketch")
    assert _shown(visit) == ["sketch"]
    visit.draw_all()
    page.mouse.move(*page.locator("[data-shift=sketch] [data-plot]").evaluate(POINT))
    assert page.locator("[data-shift=sketch] .hovertext").count() == 2
    visit.open_all()
    visit.assert_sound()
    site_browser.open(tmp_path / "site", "robustness.html", PHONE, "dark").assert_sound()


@pytest.mark.slow
def test_wording_and_labels_are_sound_on_a_phone_and_hold_no_markup_of_names(
    fitted: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site_browser: Browser
) -> None:
    monkeypatch.setattr(site, "PAGES", (WordingPage(), LabelsPage()))
    for model in ("clip-tiny", HOSTILE["script"]):
        fitted.write_job(replace(prompted(model, 0.2, 0.7, 0.1), model=model))
    write_site(fitted, tmp_path / "site")
    for name in ("wording.html", "labels.html"):
        visit = site_browser.open(tmp_path / "site", name, PHONE)
        visit.open_all()
        visit.draw_all()
        visit.assert_sound()
