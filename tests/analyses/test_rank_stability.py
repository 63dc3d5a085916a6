"""Whether the order of models depends on the wording: known answers, what is refused, and what the page says."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from clipbench.analyses.rankings.template_orders import TemplateOrders
from clipbench.analyses.run import analyse
from clipbench.report.page import render
from clipbench.results.folder import Results
from clipbench.results.records import JobResult, Pedigree, Record, Table
from clipbench.stats.ranks import flip_shares

from ..report.test_page import Outline

N = 200


def first(*counts: int) -> np.ndarray:
    """(N, T) right about the first so many images, with each template."""
    return np.arange(N)[:, None] < np.array(counts)


class World:
    """A results folder to which prompt-sensitivity jobs of made-up models are added."""

    def __init__(self, folder: Path) -> None:
        self.results = Results(folder)

    def job(self, model: str, correct: np.ndarray, *, variant: str = "wording", controls: int = 0, **parts: str) -> str:
        """Write a job; so many of its templates, the last ones, are controls."""
        name = "-".join([model, variant, parts.get("subset", "")]).replace(" ", "-")
        rows, templates = correct.shape
        columns = {"id": [f"i{row}" for row in range(rows)], "label": np.arange(rows) % 3}
        columns |= {f"correct.{position}": correct[:, position] for position in range(templates)}
        path = self.results.examples_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(columns).sample(frac=1, random_state=len(model)).to_parquet(path)
        roles = [""] * (templates - controls) + ["control"] * controls
        listed = [(at, f"wording {at} {{}}", roles[at], float(of)) for at, of in enumerate(correct.mean(axis=0))]
        known = {"data": "d", "labels": "l", "prompts": "p", "protocol": "prompt_sensitivity/1", "weights": model}
        job = JobResult(
            name,
            model,
            "toys",
            "test",
            "prompt_sensitivity",
            variant,
            "done",
            Pedigree(**(known | parts)),
            (Record("mean", float(correct.mean()), n=rows, main=True),),
            {"templates": Table(("position", "template", "role", "top1"), tuple(listed))},
        )
        self.results.write_job(job)
        return name

    def three(self) -> None:
        """Write a > b > c, then b > a > c, then a = b > c."""
        self.job("c", first(10, 20, 30))
        self.job("b", first(150, 150, 150))
        self.job("a", first(160, 145, 150))

    def finding(self) -> JobResult:
        (found,) = analyse(self.results)
        assert (found.task, found.status) == ("rank_stability", "done")
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "run")


def metrics(finding: JobResult) -> dict[str, Record]:
    return {record.metric: record for record in finding.records}


def rows(finding: JobResult, table: str) -> list[dict[Any, Any]]:
    return finding.tables[table].frame().to_dict("records")


def test_three_models_and_three_templates_by_hand(world: World) -> None:
    world.three()
    finding = world.finding()
    found = metrics(finding)
    assert (finding.model, finding.dataset, finding.variant) == ("a · b · c", "toys", "wording")
    assert found["kendall_tau"].value == pytest.approx((1 / 3 + 2 * 2 / 6**0.5) / 3)
    assert (found["kendall_tau"].unit, found["kendall_tau"].main) == ("tau", True)
    assert found["kendall_tau"].params["template_pairs"] == 3
    assert found["order_flip_share"].value == pytest.approx(1 / 9)
    assert found["order_flip_share"].params["ties"] == pytest.approx(2 / 9)
    assert (found["surviving_claims"].value, found["surviving_claims"].params["pairs"]) == (2, 3)
    assert (found["significant_surviving_claims"].value, found["surviving_claims"].unit) == (2, "pairs")
    assert [row["models"] for row in rows(finding, "orders")] == ["a > b > c", "b > a > c", "a = b > c"]
    best, *others = rows(finding, "rank_flips")
    # Ten images of 200 that only a gets right with the first template: p = 2 / 2^10.
    assert (best["first"], best["second"], best["first_ahead"], best["second_ahead"], best["ties"]) == (
        *("a", "b"),
        *(1, 1, 1),
    )
    assert (best["flip_share"], best["survives"]) == (pytest.approx(1 / 3), "no")
    assert (best["difference"], best["p_holm"]) == (pytest.approx(0.05), pytest.approx(2 / 2**10))
    assert 0 < best["low"] < 0.05 < best["high"]
    assert [(row["first"], row["second"], row["survives"]) for row in others] == [("a", "c", "yes"), ("b", "c", "yes")]
    assert finding.notes[0] == (
        "The order of 3 models flips in 11.1 % of pairs between templates; 2 of 3 claims 'A beats B' survive every "
        "wording, 2 nine wordings in ten."
    )
    assert "1 pair changes order with the wording, 0 of them beyond the chance of these images" in finding.notes[3]
    assert "In 22.2 % more" in finding.notes[2]


def test_controls_are_no_wordings_that_a_claim_has_to_survive(world: World) -> None:
    world.job("b", first(100, 110, 190), controls=1)
    world.job("a", first(150, 160, 10), controls=1)
    finding = world.finding()
    assert finding.tables["orders"].frame()["template"].tolist() == ["wording 0 {}", "wording 1 {}"]
    assert {record.metric: record.value for record in finding.records}["surviving_claims"] == 1


def test_tau_is_scipys_and_lies_within_its_interval(world: World) -> None:
    generator = np.random.default_rng(0)
    hard = generator.random((N, 1))
    answers = {f"m{at}": hard + generator.normal(0, 0.2, (N, 4)) < 0.6 + at / 50 for at in range(5)}
    for model, correct in answers.items():
        world.job(model, correct)
    top1 = np.array([correct.mean(axis=0) for correct in answers.values()])
    theirs = [kendalltau(top1[:, s], top1[:, t]).statistic for s, t in combinations(range(4), 2)]
    for name in ("kendall_tau", "order_flip_share"):
        record = metrics(world.finding())[name]
        assert record.low is not None
        assert record.low <= record.value <= record.high  # type: ignore[operator]
        assert record.high <= 1  # type: ignore[operator]
    assert metrics(world.finding())["kendall_tau"].value == pytest.approx(np.mean(theirs))


def test_a_claim_may_survive_every_wording_without_being_significant(world: World) -> None:
    world.job("a", first(103, 102))
    world.job("b", first(100, 100))
    finding = world.finding()
    found = metrics(finding)
    assert (found["kendall_tau"].value, found["order_flip_share"].value) == (1, 0)
    assert (found["surviving_claims"].value, found["significant_surviving_claims"].value) == (1, 0)
    assert "Of these, 0 are significant with the first template, 'wording 0 {}'" in finding.notes[1]


def test_an_order_flips_significantly_where_each_is_ahead_beyond_chance(world: World) -> None:
    world.job("a", first(100, 100, 90, 80))
    world.job("b", first(80, 98, 100, 100))
    finding = world.finding()
    (pair,) = rows(finding, "rank_flips")
    # Of 4 tests: 20 images that only one is right about, p = 2 / 2^20, with two templates; 10, with one; 2, with one.
    assert (pair["first"], pair["first_ahead"], pair["second_ahead"]) == ("b", 2, 2)
    assert (pair["first_significant"], pair["second_significant"]) == (2, 1)
    assert pair["against"] == "wording 0 {}, wording 1 {}"
    found = metrics(finding)["significant_order_flips"]
    assert (found.value, found.unit, found.params["tests"], found.params["pairs"]) == (1, "pairs", 4, 1)
    told = "1 pair changes order with the wording, 1 of them beyond the chance of these images"
    assert told in "".join(finding.notes)


def test_an_order_that_a_few_images_turn_round_does_not_flip_significantly(world: World) -> None:
    world.job("a", first(100, 100))
    world.job("b", first(80, 103))
    finding = world.finding()
    (pair,) = rows(finding, "rank_flips")
    assert (pair["first"], pair["first_significant"], pair["second_significant"]) == ("a", 1, 0)
    assert (pair["survives"], pair["against"]) == ("no", "wording 1 {}")
    assert metrics(finding)["significant_order_flips"].value == 0


def test_models_that_are_equally_good_flip_significantly_as_seldom_as_they_should(world: World) -> None:
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


def test_what_is_the_same_in_every_resample_has_no_interval(world: World) -> None:
    world.job("a", first(N, N))
    world.job("b", first(0, 0))
    finding = world.finding()
    tau = metrics(finding)["kendall_tau"]
    assert (tau.value, tau.low, tau.high) == (1, None, None)
    assert "it has no interval" in finding.notes[-1]


def test_equal_models_have_no_order(world: World) -> None:
    world.job("a", first(100, 90))
    world.job("b", first(100, 90))
    finding = world.finding()
    found = metrics(finding)
    assert (found["kendall_tau"].value, found["order_flip_share"].value) == (None, 0)
    assert (found["order_flip_share"].params["ties"], found["surviving_claims"].value) == (1, 0)
    assert "tau is undefined" in finding.notes[-1]


def test_one_model_has_no_rank(world: World) -> None:
    world.job("a", first(100, 90))
    world.job("b", first(100, 90), variant="other")
    assert analyse(world.results) == ()


@pytest.mark.parametrize("part", ["data", "labels", "prompts", "protocol", "settings"])
def test_jobs_that_differ_where_it_matters_are_not_ordered(world: World, part: str) -> None:
    world.job("a", first(100, 90))
    world.job("b", first(90, 100), **{part: "other"})
    finding = world.finding()
    assert (finding.records, finding.model) == ((), "a · b")
    assert finding.notes == (f"Not compared: {part} differs between the jobs.",)


def test_a_model_with_other_prompts_is_left_out_of_the_others(world: World) -> None:
    world.three()
    world.job("d", first(100, 100, 100), prompts="other")
    finding = world.finding()
    assert finding.model == "a · b · c"
    assert finding.notes[-1] == "Left out, since a part of the pedigree differs: d (prompts)."


def broken(path: Path, columns: Sequence[str], rows: int) -> None:
    pd.read_parquet(path).drop(columns=list(columns)).iloc[rows:].to_parquet(path)


@pytest.mark.parametrize(
    ("columns", "left_out", "words"),
    [((), 1, "other examples or labels"), (("correct.1",), 0, "the per-example table of b lacks templates")],
)
def test_tables_that_do_not_fit_are_told(world: World, columns: Sequence[str], left_out: int, words: str) -> None:
    world.job("a", first(100, 90))
    broken(world.results.examples_path(world.job("b", first(90, 100))), columns, left_out)
    finding = world.finding()
    assert (finding.records, words in finding.notes[0]) == ((), True)


def test_a_missing_table_is_told(world: World) -> None:
    world.job("a", first(100, 90))
    world.results.examples_path(world.job("b", first(90, 100))).unlink()
    assert "per-example table is missing" in world.finding().notes[0]


def test_the_page_shows_the_orders_beside_all_models_names(world: World) -> None:
    world.three()
    text = Outline(render(world.results)).text
    shown = text[text.index("Rank stability") :]
    assert "a · b · c" in shown
    assert "The order of 3 models flips in 11.1 % of pairs between templates" in shown
    assert "agreement of orders, tau" in shown
    assert "claims that survive, pairs" in shown
    assert "b > a > c" in shown


def test_it_is_the_same_every_time(world: World, tmp_path: Path) -> None:
    again = World(tmp_path / "again")
    for one in (world, again):
        one.three()
    assert world.finding() == again.finding()
