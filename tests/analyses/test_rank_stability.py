"""Whether the order of models depends on the wording: known answers, what is refused, and what the section says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from clipbench.analyses.rankings.template_orders import TemplateOrders
from clipbench.results.records import AnalysisResult, Record, Subject, Table
from clipbench.stats.paired import score_interval
from clipbench.stats.ranks import flip_shares

from ..report.findings import said
from .conftest import MadeUp, found

N = 200


def first(*counts: int) -> np.ndarray:
    """(N, T) right about the first so many images, with each template."""
    return np.arange(N)[:, None] < np.array(counts)


def write(world: MadeUp, model: str, correct: np.ndarray, *, controls: int = 0, **more: Any) -> str:
    """Write a job; so many of its templates, the last ones, are controls."""
    rows, templates = correct.shape
    columns = {"label": np.arange(rows) % 3} | {f"correct.{place}": correct[:, place] for place in range(templates)}
    roles = [""] * (templates - controls) + ["control"] * controls
    listed = tuple((place, f"wording {place} {{}}", role) for place, role in enumerate(roles))
    tables = {"templates": Table(("position", "template", "role"), listed)}
    records = [Record("mean", float(correct.mean()), n=rows, main=True)]
    more = {"prompts": "wording", "tables": tables} | more
    return world.write("prompt_sensitivity", columns, records, model=model, **more)


def three(world: MadeUp) -> None:
    """Write a > b > c, then b > a > c, then a = b > c."""
    for model, counts in {"c": (10, 20, 30), "b": (150, 150, 150), "a": (160, 145, 150)}.items():
        write(world, model, first(*counts))


def only(world: MadeUp) -> AnalysisResult:
    (result,) = found(world.results, "rank_stability")
    return result


def ordered(world: MadeUp, a: np.ndarray, b: np.ndarray) -> tuple[AnalysisResult, dict[str, Any], dict[str, Any]]:
    """What is found of two models: the result, its values and its one pair."""
    write(world, "a", a)
    write(world, "b", b)
    result = only(world)
    (pair,) = result.tables["rank_flips"].dicts()
    return result, {record.metric: record.value for record in result.records}, pair


def test_three_models_and_three_templates_by_hand(made_up: MadeUp, another: Callable[..., MadeUp]) -> None:
    three(made_up)
    result = only(made_up)
    records = {record.metric: record for record in result.records}
    about = Subject(("a", "b", "c"), ("toys",), split="test", task="prompt_sensitivity", prompts="wording", n=N)
    assert (result.about, result.notes) == (about, ())
    tau, flips = records["kendall_tau"], records["order_flip_share"]
    assert (tau.value, tau.unit, tau.main) == (pytest.approx((1 / 3 + 2 * 2 / 6**0.5) / 3), "tau", True)
    assert tau.params["template_pairs"] == 3
    assert (flips.value, flips.params["ties"]) == (pytest.approx(1 / 9), pytest.approx(2 / 9))
    claims = records["surviving_claims"]
    assert (claims.value, claims.unit, claims.params["pairs"]) == (2, "pairs", 3)
    assert records["significant_surviving_claims"].value == 2
    assert [row["models"] for row in result.tables["orders"].dicts()] == ["a > b > c", "b > a > c", "a = b > c"]
    best, *others = result.tables["rank_flips"].dicts()
    known = {"first": "a", "second": "b", "first_ahead": 1, "second_ahead": 1, "ties": 1, "survives": "no"}
    assert best.items() >= known.items()
    assert (best["flip_share"], best["difference"]) == pytest.approx((1 / 3, 0.05))
    # Ten images of 200 that only a gets right with the first template; of three pairs two nearly coincide.
    alone, bonferroni = (score_interval(10, 0, N, critical) for critical in (norm.ppf(0.975), norm.ppf(1 - 0.025 / 3)))
    assert bonferroni[0] <= best["low"] < alone[0]
    assert alone[1] < best["high"] <= bonferroni[1]
    assert all((record.low, record.high) == (None, None) for record in result.records)
    assert [(row["first"], row["second"], row["survives"]) for row in others] == [("a", "c", "yes"), ("b", "c", "yes")]
    tests = "(9 tests, of each pair with each template, that hold together; n = 200)"
    assert said(result) == [
        "No order of two models is shown to depend on the wording: 1 of 3 pairs of models changes order on these "
        f"images, which may be chance {tests}.",
        "In 2 of 3 pairs of models the same one is ahead with each of 3 templates, in 2 of these beyond chance with "
        "the first template (intervals that hold for all 3 pairs together).",
        "Two models stand in opposite orders in 11.1\u202f% of pairs of templates, chance included; in 22.2\u202f% "
        "they are equal with one of the two, which is no flip.",
    ]
    again = another("again")
    three(again)
    assert only(again) == result


def test_controls_are_no_wordings_that_a_claim_has_to_survive(made_up: MadeUp) -> None:
    write(made_up, "b", first(100, 110, 190), controls=1)
    write(made_up, "a", first(150, 160, 10), controls=1)
    result = only(made_up)
    assert [row["template"] for row in result.tables["orders"].dicts()] == ["wording 0 {}", "wording 1 {}"]
    assert result.record("surviving_claims").value == 1


def test_a_claim_may_survive_every_wording_without_being_significant(made_up: MadeUp) -> None:
    result, values, _ = ordered(made_up, first(103, 102), first(100, 100))
    assert (values["kendall_tau"], values["order_flip_share"]) == (1, 0)
    assert (values["surviving_claims"], values["significant_surviving_claims"]) == (1, 0)
    assert said(result) == [
        "No pair of models changes order with the wording on these images (n = 200).",
        "In the one pair of models the same one is ahead with each of 2 templates, which with the first template may "
        "be chance.",
    ]


def test_an_order_flips_significantly_where_each_is_ahead_beyond_chance(made_up: MadeUp) -> None:
    result, _, pair = ordered(made_up, first(100, 100, 90, 80), first(80, 98, 100, 100))
    # Of 4 tests: 20 images that only one is right about, z = 4.5, with two templates; 10, z = 3.2; 2.
    assert (pair["first"], pair["first_ahead"], pair["second_ahead"]) == ("b", 2, 2)
    assert (pair["first_significant"], pair["second_significant"]) == (2, 1)
    assert pair["against"] == "wording 0 {}, wording 1 {}"
    record = result.record("significant_order_flips")
    assert (record.value, record.unit, record.params["tests"], record.params["pairs"]) == (1, "pairs", 4, 1)
    assert said(result) == [
        "The wording decides the order of the one pair of models: each of the two is ahead beyond chance with some of "
        "4 templates (4 tests, of each pair with each template, that hold together; n = 200).",
        "In no pair of models is the same one ahead with each of 4 templates.",
        "Two models stand in opposite orders in 66.7\u202f% of pairs of templates, chance included.",
    ]


def test_an_order_that_a_few_images_turn_round_does_not_flip_significantly(made_up: MadeUp) -> None:
    _, values, pair = ordered(made_up, first(100, 100), first(80, 103))
    assert (pair["first"], pair["first_significant"], pair["second_significant"]) == ("a", 1, 0)
    assert (pair["survives"], pair["against"], values["significant_order_flips"]) == ("no", "wording 1 {}", 0)


def test_models_that_are_equally_good_flip_significantly_as_seldom_as_they_should(monkeypatch: Any) -> None:
    monkeypatch.setattr("clipbench.stats.simultaneous.DRAWS", 1000)
    generator, flips, significant = np.random.default_rng(7), 0, 0
    for _ in range(200):
        hard = generator.normal(size=(N, 1))
        correct = np.stack([hard + generator.normal(0, 0.5, (N, 6)) < 0.3 for _ in range(3)])
        orders = TemplateOrders(("a", "b", "c"), tuple("123456"), correct)
        flips += bool((flip_shares(orders.signs) > 0).any())
        significant += bool(orders.significant.any())
    assert flips > 150
    # Of 18 tests together one may be wrong in 5 % of the worlds; three standard deviations of 200 such draws.
    assert significant / 200 <= 0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5


@pytest.mark.parametrize(("repeats", "clustered", "expected"), [(1, False, 0), (5, False, 1), (5, True, 0)])
def test_what_repeats_within_a_cluster_is_no_further_evidence(repeats: int, clustered: bool, expected: int) -> None:
    correct = np.repeat(np.stack([first(103, 103), first(100, 100)]), repeats, axis=1)
    clusters = np.repeat(np.arange(N), repeats) if clustered else None
    orders = TemplateOrders(("a", "b"), ("1", "2"), correct, clusters)
    assert orders.significant.tolist() == [[expected, expected]]
    assert (orders.claims[0].interval.low > 0) == bool(expected)
    few = TemplateOrders(("a", "b"), ("1", "2"), correct, np.arange(correct.shape[1]) % 10)
    assert (few.significant.any(), few.claims[0].interval) == (False, None)


def test_equal_models_have_no_order(made_up: MadeUp) -> None:
    result, values, _ = ordered(made_up, first(100, 90), first(100, 90))
    assert (values["kendall_tau"], values["order_flip_share"], values["surviving_claims"]) == (None, 0, 0)
    assert result.record("order_flip_share").params["ties"] == 1
    assert "tau is undefined" in said(result)[-1]


@pytest.mark.parametrize("part", ["data", "labels", "prompts", "protocol", "settings"])
def test_jobs_that_differ_where_it_matters_are_not_ordered(made_up: MadeUp, part: str) -> None:
    write(made_up, "a", first(100, 90))
    write(made_up, "b", first(90, 100), pedigree={part: "other"})
    result = only(made_up)
    assert (result.records, result.about.models) == ((), ("a", "b"))
    assert said(result) == list(result.notes) == [f"Not compared: {part} differs between the jobs."]


def test_a_model_with_other_prompts_is_left_out_of_the_others(made_up: MadeUp) -> None:
    three(made_up)
    write(made_up, "d", first(100, 100, 100), pedigree={"prompts": "other"})
    write(made_up, "d", first(100, 90), prompts="alone, without a rank")
    result = only(made_up)
    assert result.about.models == ("a", "b", "c")
    assert result.notes == ("Left out, since a part of the pedigree differs: d (prompts).",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.iloc[1:], "other examples or labels"),
        (lambda table: table.drop(columns="correct.1"), "the per-example table of b does not say"),
        (None, "per-example table is missing"),
    ],
)
def test_tables_that_do_not_fit_are_told(made_up: MadeUp, change: Any, words: str) -> None:
    write(made_up, "a", first(100, 90))
    name = write(made_up, "b", first(90, 100))
    made_up.edit(name, change) if change else made_up.results.examples_path(name).unlink()
    result = only(made_up)
    assert (result.records, words in result.notes[0]) == ((), True)
