"""The page on robustness: measured and published models on shifts, and what may be said of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clipbench.reference.robustness import published_robustness
from clipbench.report.site import site
from clipbench.report.site.data.assemble import make_board
from clipbench.report.site.pages.robustness.page import RobustnessPage
from clipbench.report.site.pages.robustness.published import with_published
from clipbench.report.site.site import write_site
from clipbench.results.folder import Results
from clipbench.results.records import AnalysisResult

from ..findings import PUBLISHED, corrupted, on_shift, over_shifts, specs, words
from ..made_up import classification
from ..test_sentences import Claims

Make = Callable[..., Results]


@pytest.fixture
def page(make_results: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A function that returns the page of two models with these findings."""

    jobs = [classification(model, name, 0.6) for model in "ab" for name in ("imagenet", "imagenet-v2")]
    results = make_results(*jobs)
    monkeypatch.setattr(site, "PAGES", (RobustnessPage(),))

    def write(*found: AnalysisResult, published: tuple[str, ...] = ()) -> str:
        monkeypatch.setattr("clipbench.report.site.data.assemble.analyse", lambda _: found)
        write_site(results, tmp_path / "site", published=published)
        path = tmp_path / "site" / "robustness.html"
        return path.read_text("utf-8") if path.exists() else ""

    return write


def _rows(html: str, title: str) -> list[list[str]]:
    """Return the cells of a table's rows, as text."""
    (table,) = re.findall(rf'aria-label="{re.escape(title)}[^"]*">(.*?)</table>', html, re.DOTALL)
    rows = re.findall(r"<tr><th scope=\"row\".*?</tr>", table, re.DOTALL)
    return [[words(cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)] for row in rows]


def _told(html: str) -> list[str]:
    found = re.findall(r"<p>((?:Of \d+ models?, )?<span data-verdict.*?)</p>", html, re.DOTALL)
    return [words(text) for text in found]


def test_there_is_no_page_where_nothing_was_measured_under_shift(page: Callable[..., str]) -> None:
    assert page() == ""


def test_published_models_have_the_effective_robustness_of_the_reference_and_no_ranks(
    page: Callable[..., str],
) -> None:
    html = page(published=("open-clip",))
    rows = {row[0]: row for row in _rows(html, "Published models on shifts of imagenet")}
    assert len(rows) == 117
    known = {found.pair.shift: found for found in published_robustness("ViT-B-32/openai")}
    v2 = known["imagenet-v2"]
    assert v2.rho is not None
    assert v2.interval is not None
    row = rows["ViT-B-32/openai"]
    assert row[1:3] == [f"{100 * v2.model.reference_top1:.1f}", f"{100 * v2.model.shift_top1:.1f}"]
    assert row[3] == f"{100 * v2.rho:+.1f} [{100 * v2.interval.low:+.1f}, {100 * v2.interval.high:+.1f}]"
    # On the other three it was not class-matched, so nothing is expected of it there.
    assert sum(bool(re.match(r"[+−]", cell)) for cell in row) == 2
    assert 'href="model/vit-b-32-openai.html#published-imagenet-v2' in html
    assert _told(html) == []


def test_the_testbed_is_behind_shifts_and_no_row_of_the_board(tmp_path: Path) -> None:
    board = make_board(Results(tmp_path), ["imagenet-testbed"])
    assert (board.models, board.columns) == ((), ())
    assert [table.key for table in board.published] == ["imagenet-testbed"]
    shifts = {shift.about.dataset: beside for shift, beside in with_published([], {"imagenet-testbed"}) if beside}
    assert set(shifts) == {"imagenet-v2", "imagenet-sketch", "imagenet-r", "objectnet", "imagenet-a"}
    assert len(shifts["imagenet-v2"].shown.models) == 335


def test_each_residual_stands_below_its_model_and_says_what_the_table_says(page: Callable[..., str]) -> None:
    found = [on_shift(model, "sketch", here, 0.4, baseline=PUBLISHED) for model, here in (("a", 0.7), ("b", 0.6))]
    html = page(*found, *(over_shifts([one]) for one in found))
    (spec,) = specs(html, "shift-1-")
    below: list[dict[str, Any]] = [trace for trace in spec["data"] if "of" in trace["meta"]]
    assert [trace["yaxis"] for trace in below] == ["y2", "y2"]
    for trace, result in zip(below, found, strict=True):
        assert spec["data"][trace["meta"]["of"]]["x"] == trace["x"]
        record = result.record("effective_robustness")
        assert record is not None
        assert trace["y"] == [record.value]
    shown = [trace["customdata"][0].partition("points")[0].strip() for trace in below]
    assert [row[-1].partition(" [")[0] for row in _rows(html, "sketch beside imagenet")] == shown


def test_a_loss_is_counted_only_where_its_interval_leaves_out_zero(page: Callable[..., str]) -> None:
    lost, close = on_shift("a", "sketch", 0.7, 0.4), on_shift("b", "sketch", 0.5, 0.495)
    html = page(lost, close, over_shifts([lost]), over_shifts([close]))
    (told,) = _told(html)
    assert told.startswith("Of 2 models, 1 loses accuracy , and of 1 neither can be told , from imagenet")
    assert Claims(html).verdicts >= {"higher", "not_distinguishable"}
    assert Claims(html).unfounded == []
    html = page(close, over_shifts([close]))
    (told,) = _told(html)
    assert told.startswith("Neither a loss nor a gain can be told from imagenet")
    assert Claims(html).verdicts == {"not_distinguishable"}
    assert Claims(html).unfounded == []
    assert "data-plot style" not in html


def test_numbers_lead_to_the_jobs_that_they_rest_on(page: Callable[..., str]) -> None:
    jobs = [classification("a", name, 0.6).hash for name in ("imagenet", "imagenet-v2")]
    html = page(replace(on_shift("a", "imagenet-v2", 0.7, 0.4), jobs=tuple(jobs)))
    assert [f"#job-{job}" in html for job in jobs] == [True, True]


def test_corruptions_stand_in_one_row_a_model(page: Callable[..., str]) -> None:
    html = page(corrupted("a", "imagenet", 0.6, against="b"), corrupted("b", "imagenet", 0.5))
    first, second = _rows(html, "imagenet, cifar-c")
    assert (first[0], second[0], len(first)) == ("a", "b", len(second))
    assert html.count('class="heat"') == 30
