"""The answer at the head of a report: who leads, what is lost, what labels change; and where it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html import unescape
from re import DOTALL, findall, sub

import pytest

from clipbench.report.page import render
from clipbench.results.folder import Results
from clipbench.results.records import AnalysisResult

from .findings import on_shift, over_shifts, standings
from .made_up import classification
from .test_comparisons import probe
from .test_sentences import PROBE, Claims

Make = Callable[..., Results]
Found = Callable[..., None]


def answers(page: str) -> dict[str, str]:
    """The sentences by what they answer."""
    (part,) = findall(r'<div class="answer.*?</dl>', page, DOTALL)
    told = findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", part, DOTALL)
    return {name: " ".join(unescape(sub(r"<[^>]*>", "", text)).split()) for name, text in told}


SHARES = {"a": 0.9, "b": 0.89, "c": 0.5}


@pytest.mark.parametrize(
    ("worse", "said"),
    [
        ({"b": 1, "c": 2}, "a leads with 90.0 % [88.0, 91.7]: top-1 on digits"),
        ({"c": 2}, "a and b lead and cannot be told apart, with 90.0 % [88.0, 91.7] to 89.0 % [86.9, 90.8]"),
        ({}, "No model is shown to lead: 3 models have 50.0 % [46.9, 53.1] (c) to 90.0 % [88.0, 91.7] (a)"),
    ],
    ids=["one", "several", "none"],
)
def test_who_leads_is_whom_none_is_surely_ahead_of(
    worse: dict[str, int], said: str, make_results: Make, found: Found
) -> None:
    jobs = [classification(model, "digits", share) for model, share in SHARES.items()]
    found(standings(jobs, worse))
    assert answers(render(make_results(*jobs)))["Who leads"].startswith(said)


def test_where_nobody_is_above_chance_nobody_leads(make_results: Make) -> None:
    jobs = [classification(model, "digits", 0.1) for model in "ab"]
    jobs = [replace(job, records=(replace(job.records[0], chance=0.1),)) for job in jobs]
    assert answers(render(make_results(*jobs)))["Who leads"].startswith("None of 2 models is above chance")


def shifts(loss: float) -> list[AnalysisResult]:
    singles = [on_shift(model, "sketch", 0.6, 0.6 - loss, reference="digits") for model in "ab"]
    return [*singles, *(over_shifts([single], half=0.01) for single in singles)]


def test_a_loss_is_said_only_where_its_interval_leaves_out_zero(make_results: Make, found: Found) -> None:
    results = make_results(*(classification(model, "digits", 0.6) for model in "ab"))
    for loss, said in ((0.2, "20.0 points [19.0, 21.0] lost"), (0.0, "neither a loss nor a gain can be told")):
        found(*shifts(loss), probe("a", "digits", *PROBE))
        page = render(results)
        told = answers(page)
        assert said in told["What is left elsewhere"]
        assert ("All 2 models are shown to lose there." in told["What is left elsewhere"]) == (loss > 0)
        assert told["What labels change"].startswith("A linear probe of a on digits is 10.0 points [5.0, 15.0] better")
        assert Claims(page).unfounded == []


def test_the_worst_classes_of_the_best_model_are_open(make_results: Make) -> None:
    names = tuple(f"class {place}" for place in range(30))
    jobs = [classification(model, "digits", share, classes=names) for model, share in SHARES.items()]
    page = render(make_results(*jobs))
    part = page.split('<section id="failures">')[1].split("</section>")[0]
    assert findall(r'<h3 id="fails-\d">.*?<bdi[^>]*>(.)</bdi>', part, DOTALL) == ["a", "b"]
    worst = sorted(jobs[0].tables["per_class"].dicts(), key=lambda row: (row["accuracy"], -row["n"], row["class"]))[0]
    assert f"<bdi>{worst['class']}</bdi>" in part.split("Worst classes</caption>")[1]
    assert "<details" not in part


def test_a_note_of_several_sets_is_said_once(make_results: Make) -> None:
    jobs = [replace(classification("a", name, 0.5), notes=("Of both.", f"Of {name}.")) for name in ("x", "y")]
    page = render(make_results(*jobs))
    assert page.count("Of both.") == page.count("Of x.") == 1
