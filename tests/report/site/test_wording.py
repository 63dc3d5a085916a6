"""The page on wording: how far each model moves with its prompts, and whether the order of models does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clipbench.report.site import site
from clipbench.report.site.pages.wording.page import WordingPage
from clipbench.report.site.site import write_site
from clipbench.results.folder import Results
from clipbench.results.records import AnalysisResult, JobResult, Record, Table

from ..findings import finding, words
from ..made_up import classification, proportion
from ..test_sentences import Claims

Make = Callable[..., Results]

TEMPLATES = Table(
    ("position", "template", "family", "role", "first_prompt", "top1", "low", "high"),
    (
        (0, "a <b>photo</b> of a {}.", "case", "", "", 0.7, 0.66, 0.73),
        (1, "not a {}.", "", "control", "", 0.2, 0.1, 0.3),
    ),
)
FAMILIES = Table(
    ("family", "plain", "others", "difference", "low", "high"),
    (("case", "a photo of a {}.", 4, -0.02, -0.03, -0.01), ("plural", "a photo of a {}.", 3, 0.01, -0.01, 0.03)),
)


def prompted(model: str, worst: float, best: float, spread: float, chance: float = 0.1) -> JobResult:
    """A finished job of prompt sensitivity."""
    mean = (worst + best) / 2
    shares = {"mean": mean, "worst": worst, "best": best, "ensemble_top1": mean + 0.02}
    of_template = {"worst": {"template": "{}"}, "best": {"template": "a <b>photo</b> of a {}."}}
    records = [
        replace(
            proportion(name, share, main=name == "mean"), chance=chance, params=of_template.get(name, {"templates": 5})
        )
        for name, share in shares.items()
    ]
    records.append(Record("template_spread", spread, "fraction", spread - 0.01, spread + 0.01, n=1000))
    records.append(Record("ensemble_gain", 0.02, "fraction", 0.01, 0.03, family=4, n=1000))
    base = classification(model, "pets", mean, variant="wording")
    return replace(
        base,
        task="prompt_sensitivity",
        records=tuple(records),
        tables={"templates": TEMPLATES, "family_effects": FAMILIES},
    )


def _orders(jobs: list[JobResult], flips: int) -> AnalysisResult:
    size = {"models": 2, "templates": 5, "pairs": 1}
    counts = {"surviving_claims": 1 - flips, "significant_surviving_claims": 0, "significant_order_flips": flips}
    records = [Record("kendall_tau", 0.4, "tau", main=True, params=size, n=1000)]
    records.append(Record("order_flip_share", 0.4 * flips, params=size | {"ties": 0.0}, n=1000))
    records += [
        Record(name, float(value), "pairs", params=size | {"tests": 5}, n=1000) for name, value in counts.items()
    ]
    names = ("first", "second", "first_ahead", "second_ahead", "ties", "first_significant", "second_significant")
    columns = (*names, "flip_share", "survives", "against", "difference", "low", "high")
    row = ("a", "b", 3, 2, 0, flips, flips, 0.4 * flips, "no" if flips else "yes", "", 0.01, -0.01, 0.03)
    tables = {"rank_flips": Table(columns, (row,))}
    return finding("rank_stability", ["a", "b"], "pets", records, tables=tables, jobs=tuple(job.hash for job in jobs))


@pytest.fixture
def page(make_results: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A function that returns the page of some jobs and findings."""
    monkeypatch.setattr(site, "PAGES", (WordingPage(),))

    def write(*jobs: JobResult, found: tuple[AnalysisResult, ...] = ()) -> str:
        monkeypatch.setattr("clipbench.report.site.data.assemble.analyse", lambda _: found)
        write_site(make_results(*jobs), tmp_path / "site")
        path = tmp_path / "site" / "wording.html"
        return path.read_text("utf-8") if path.exists() else ""

    return write


def test_there_is_no_page_without_prompt_sensitivity(page: Callable[..., str]) -> None:
    assert page(classification("a", "pets", 0.8)) == ""


def test_the_range_over_templates_is_a_bar_on_the_score(page: Callable[..., str]) -> None:
    job = prompted("a", 0.2, 0.7, 0.15)
    html = page(job)
    # On a scale from 20 to 70 %.
    assert "--v:0.5000;--l:0.0000;--h:1.0000;--r:0.5400" in html
    text = words(html)
    assert "the top-1 of a has a spread of 15.0 points [14.0, 16.0]" in text
    assert "a <b>photo</b> of a {}." in text
    assert f"#job-{job.hash}" in html


def test_the_finding_names_the_smallest_and_the_largest_spread_and_whose_order_moves(page: Callable[..., str]) -> None:
    jobs = [prompted("a", 0.2, 0.7, 0.15), prompted("b", 0.5, 0.7, 0.05), prompted("none", 0.08, 0.11, 0.0)]
    html = page(*jobs, found=(_orders(jobs[:2], 1),))
    assert Claims(html).unfounded == []
    text = words(html)
    assert "from 5.0 points [4.0, 6.0] ( b ) to 15.0 points [14.0, 16.0] ( a )" in text
    assert "Not above chance with any wording, so that nothing moves with it: none" in text
    assert "The wording decides the order of the one pair of models" in text


def test_an_effect_of_a_family_is_bold_only_beyond_chance(page: Callable[..., str]) -> None:
    html = page(prompted("a", 0.2, 0.7, 0.15))
    (table,) = (part for part in html.split("<table") if "rewording does, points. Headings" in part)
    assert ['class="clear"' in cell for cell in table.split("<td")[1:]] == [True, False]
