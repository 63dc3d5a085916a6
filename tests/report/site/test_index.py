"""The index: what its sentence says, its table against the source, and its size."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipbench.reference.published import openclip_columns, openclip_models
from clipbench.report.site import site
from clipbench.report.site.pages.index.page import SCRIPTS, IndexPage
from clipbench.report.site.site import write_site
from clipbench.results.folder import Results
from clipbench.results.records import JobResult

from ..findings import on_shift, over_shifts
from ..made_up import classification
from ..test_sentences import Claims

Make = Callable[..., Results]


@pytest.fixture(autouse=True)
def only_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write no other page."""
    monkeypatch.setattr(site, "PAGES", (IndexPage(),))


def at(model: str, dataset: str, share: float, chance: float | None = None, subset: str = "") -> JobResult:
    job = classification(model, dataset, share)
    record = replace(job.records[0], chance=chance)
    return replace(job, records=(record,), pedigree=replace(job.pedigree, subset=subset))


def headline(results: Results, folder: Path, **more: object) -> Claims:
    html = write_site(results, folder / "site", **more).read_text("utf-8")  # type: ignore[arg-type]
    assert "could not be made" not in html
    (said,) = re.findall(r'<p class="headline">.*?</p>', html, re.DOTALL)
    claims = Claims(said)
    assert claims.unfounded == []
    return claims


@pytest.mark.parametrize(
    ("shares", "chance", "said"),
    [
        ({"a": 0.9, "b": 0.5, "c": 0.4}, 0.1, "a is better than each of the other 2 models"),
        ({"a": 0.9, "b": 0.5}, None, "a is better than the other model"),
        ({"a": 0.6, "b": 0.59, "c": 0.2}, 0.1, "2 of 3 models cannot be told apart at the top"),
        ({"a": 0.6}, None, "a has 60.0"),
        ({"a": 0.3, "b": 0.29}, 0.4, "No model is above chance"),
    ],
)
def test_the_sentence_says_who_leads_where_the_intervals_say_so(
    make_results: Make, tmp_path: Path, shares: dict[str, float], chance: float | None, said: str
) -> None:
    claims = headline(make_results(*(at(name, "x", share, chance) for name, share in shares.items())), tmp_path)
    assert said in claims.text
    assert ("higher" in claims.verdicts) == ("is better" in said)
    assert "n = 1,000" in claims.text
    assert ("chance" in claims.text) == (chance is not None)


def test_the_sentence_names_limits_and_what_is_left_under_shift(
    make_results: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shifts = [on_shift("a", name, 0.8, 0.5) for name in ("imagenet-a", "imagenet-r")]
    found = (*shifts, over_shifts(shifts))
    monkeypatch.setattr("clipbench.report.site.data.assemble.analyse", lambda _: found)
    claims = headline(make_results(at("a", "imagenet", 0.8, subset="limit 7")), tmp_path)
    assert "limit 7" in claims.text
    assert "On 2 shifts a has 50.0" in claims.text
    assert "30.0 points" in claims.text
    assert claims.verdicts == {"higher"}


def test_no_random_board_says_more_than_its_intervals(make_results: Make, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for world in range(12):
        jobs = [
            at(f"m{m}", d, float(random.choice([0.05, 0.3, 0.31, 0.9])), float(random.choice([0.1, 0.3])))
            for m in range(random.integers(1, 4))
            for d in "xy"
        ]
        claims = headline(make_results(*jobs, name=f"run {world}"), tmp_path)
        assert "higher" not in claims.verdicts or "is better than" in claims.text


def cells(html: str) -> list[list[str]]:
    rows = re.findall(r"<tr data-place.*?</tr>", html, re.DOTALL)
    return [[re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)] for row in rows]


def test_the_published_table_is_that_of_the_source_light_and_not_ranked(tmp_path: Path) -> None:
    index = write_site(Results(tmp_path / "nothing"), tmp_path / "site", published=["open-clip"])
    html = index.read_text("utf-8")
    models, sets = openclip_models(), openclip_columns()
    shown = [row[-len(sets) :] for row in cells(html)]
    expected = [[model.accuracies.get(name) for name in sets] for model in models]
    assert [[None if text == "–" else float(text) for text in row] for row in shown] == [
        [None if value is None else float(f"{100 * value:.1f}") for value in row] for row in expected
    ]
    assert re.findall(r"(\d+) of 117 there", html)[:3] == ["1", "2", "3"]
    assert 'data-key="rank"' not in html
    assert "117 published models" in html
    assert len(re.findall(r"<[a-z]", html)) < 15_000
    files = [index, *(tmp_path / "site" / name for name in (*SCRIPTS, "assets/index.js", "assets/index.css"))]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < 150_000


def test_heads_say_what_numbers_rest_on_and_what_nothing_fills_is_left_out(make_results: Make, tmp_path: Path) -> None:
    jobs = [at(name, "x", share, 0.1, "limit 50") for name, share in (("a", 0.9), ("b", 0.5))]
    html = write_site(make_results(*jobs), tmp_path / "site").read_text("utf-8")
    head = html.split("</thead>")[0]
    assert "n = 1,000, limit 50" in head
    assert "chance 10.0" in head
    keys = re.findall(r'data-key="([^"]*)"', head)
    assert keys == ["rank", "model", "benchmark-mean", "plain", "x-zero-shot-test-photo"]


def test_nothing_from_results_is_markup(make_results: Make, tmp_path: Path) -> None:
    hostile = '</script><img src=x onerror="alert(1)">'
    jobs = [at(f"{hostile}{name}", hostile, 0.5) for name in "ab"]
    html = write_site(make_results(*jobs), tmp_path / "site", title=hostile).read_text("utf-8")
    assert "<img" not in html
    assert html.count("&lt;img src=x") > 5
