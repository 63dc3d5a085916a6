"""The page on labels: fitted heads beside zero-shot, and what may be said of the difference."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from clipbench.report.site import site
from clipbench.report.site.pages.labels.page import LabelsPage
from clipbench.report.site.site import write_site
from clipbench.results.folder import Results

from ..findings import words
from ..made_up import classification
from ..test_sentences import Claims

Make = Callable[..., Results]


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Results], str]:
    """A function that returns the page of some results."""
    monkeypatch.setattr(site, "PAGES", (LabelsPage(),))

    def write(results: Results) -> str:
        write_site(results, tmp_path / "site")
        path = tmp_path / "site" / "labels.html"
        return path.read_text("utf-8") if path.exists() else ""

    return write


def test_there_is_no_page_without_a_fitted_head(make_results: Make, page: Callable[[Results], str]) -> None:
    assert page(make_results(classification("a", "pets", 0.8))) == ""


def test_heads_stand_by_how_many_labels_they_need_and_gains_are_those_of_the_analysis(
    fitted: Results, page: Callable[[Results], str]
) -> None:
    html = page(fitted)
    assert "could not be made" not in html
    (head,) = re.findall(r'aria-label="digits: zero-shot beside fitted heads.*?</thead>', html, re.DOTALL)
    names = [words(name).removesuffix(", %") for name in re.findall(r"<bdi>([^<]*, %)</bdi>", head)]
    assert names[0].startswith("zero-shot")
    assert [name.split()[0] for name in names if "shots" in name] == ["2", "4", "8", "16"]
    assert names[-2:] == ["linear probe", "WiSE-FT head"]
    assert Claims(html).unfounded == []
    text = words(html)
    assert "Of 2 linear probes, 2 are better than zero-shot of the same model" in text
    assert text.count("The linear probe is") >= 2
    assert html.count("data-plot style") == 3
