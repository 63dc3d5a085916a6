"""Whether models are right about the same images: kappa as scikit-learn has it, its interval, and the section."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from clipbench.analyses.base import AnalysisSettings, Evidence
from clipbench.analyses.rankings.error_consistency import ErrorConsistency
from clipbench.report.sections.error_consistency.section import ErrorConsistencySection
from clipbench.results.records import AnalysisResult, JobResult, Pedigree, Record, Subject

from ..report.findings import page_data, render
from ..report.made_up import HOSTILE, classification
from .conftest import MadeUp
from .conftest import found as found_by

N = 400


def similar(models: str, share: float, seed: int = 0, n: int = N) -> dict[str, np.ndarray]:
    """Models of about equal accuracy, with so much of what makes an image hard in common."""
    generator = np.random.default_rng(seed)
    common = generator.normal(size=n)
    return {model: share * common + (1 - share) * generator.normal(size=n) < 0.3 for model in models}


def consistency(world: MadeUp, answers: dict[str, np.ndarray]) -> AnalysisResult:
    for model, correct in answers.items():
        world.answers(model, correct)
    (result,) = found_by(world.results, "error_consistency")
    return result


def cells(both_right: int, both_wrong: int, only_first: int, only_second: int) -> dict[str, np.ndarray]:
    counts = (both_right, both_wrong, only_first, only_second)
    return {
        "a": np.repeat([True, False, True, False], counts),
        "b": np.repeat([True, False, False, True], counts),
    }


def test_kappa_is_scikit_learns_for_each_pair_and_their_mean(made_up: MadeUp) -> None:
    answers = similar("abcd", 0.6)
    result = consistency(made_up, answers)
    about = Subject(tuple("abcd"), ("toys",), split="test", task="zero_shot", prompts="photo", n=N)
    assert (result.about, result.verdict, result.notes) == (about, "higher", ())
    rows = result.tables["error_consistency"].dicts()
    assert [(row["first"], row["second"]) for row in rows] == list(combinations("abcd", 2))
    kappas = [cohen_kappa_score(answers[first], answers[second]) for first, second in combinations("abcd", 2)]
    assert [row["kappa"] for row in rows] == pytest.approx(kappas)
    assert all(row["low"] < row["kappa"] < row["high"] for row in rows)
    counts = [row["both_right"] + row["both_wrong"] + row["only_first"] + row["only_second"] for row in rows]
    assert counts == [row["n"] for row in rows] == [N] * 6
    assert rows[0]["both_right"] + rows[0]["only_second"] == answers["b"].sum()
    (mean,) = result.records
    assert (mean.metric, mean.unit, mean.main, mean.n) == ("error_consistency", "kappa", True, N)
    assert mean.value == pytest.approx(np.mean(kappas))
    # The mean of six varies less than one of them.
    assert 0 < mean.high - mean.low < rows[0]["high"] - rows[0]["low"]


def test_the_interval_is_the_bootstrap_over_images(made_up: MadeUp) -> None:
    answers = similar("ab", 0.6, n=100)
    (row,) = consistency(made_up, answers).tables["error_consistency"].dicts()
    drawn = np.random.default_rng(5).integers(0, 100, (3000, 100))
    first, second = (answers[model][drawn] for model in "ab")
    chance = first.mean(axis=1) * second.mean(axis=1) + (1 - first.mean(axis=1)) * (1 - second.mean(axis=1))
    kappas = ((first == second).mean(axis=1) - chance) / (1 - chance)
    assert (row["low"], row["high"]) == pytest.approx(np.quantile(kappas, [0.025, 0.975]), abs=0.03)


def test_models_that_err_independently_are_not_distinguished_from_chance(made_up: MadeUp) -> None:
    result = consistency(made_up, similar("ab", 0.0, seed=3))
    assert (result.verdict, abs(result.records[0].value) < 0.1) == ("not_distinguishable", True)


@pytest.mark.parametrize(
    ("counts", "kappa"),
    [
        ((60, 40, 0, 0), 1.0),
        ((60, 0, 40, 0), 0.0),
        ((4, 60, 20, 16), None),
        ((60, 4, 20, 16), None),
        ((60, 36, 2, 2), None),
        ((100, 0, 0, 0), "undefined"),
        ((0, 100, 0, 0), "undefined"),
    ],
)
def test_there_is_no_interval_where_resamples_hardly_vary(made_up: MadeUp, counts, kappa: float | str | None) -> None:
    result = consistency(made_up, cells(*counts))
    (row,) = result.tables["error_consistency"].dicts()
    assert (row["low"], row["high"], result.records[0].low, result.verdict) == (None, None, None, "undefined")
    if kappa == "undefined":
        assert row["kappa"] is result.records[0].value is None
    else:
        assert kappa is None or row["kappa"] == result.records[0].value == kappa


def test_an_interval_covers_as_often_as_it_says_where_there_is_one() -> None:
    generator, covered = np.random.default_rng(1), []
    analysis, settings = ErrorConsistency(), AnalysisSettings(analysis="error_consistency")
    top1 = (Record("top1", 0.9, main=True),)
    jobs = [JobResult(model, model, "toys", "test", "zero_shot", "", "done", Pedigree(), top1) for model in "ab"]
    # Accuracies 0.95 and 0.9 and kappa 0.3: both are right about 0.8695 of all images.
    shares = np.array([0.8695, 0.0195, 0.0805, 0.0305])
    truth = (0.889 - 0.86) / (1 - 0.86)
    for _ in range(100):
        answers = cells(*generator.multinomial(300, shares))
        tables = {model: pd.DataFrame({"id": range(300), "correct": correct}) for model, correct in answers.items()}
        (finding,) = analysis.analyse(Evidence(jobs, tables.__getitem__), settings)
        interval = finding.metrics[0].interval
        covered += [interval.low <= truth <= interval.high] if interval else []
    assert len(covered) > 50
    # Three standard deviations of so many draws below 0.95.
    assert np.mean(covered) >= 0.95 - 3 * (0.95 * 0.05 / len(covered)) ** 0.5


def test_what_cannot_be_set_side_by_side_is_left_out_or_told(made_up: MadeUp) -> None:
    answers = similar("abc", 0.5)
    made_up.answers("a", answers["a"])
    assert found_by(made_up.results, "error_consistency") == ()
    made_up.answers("b", answers["b"], prompts="other")
    made_up.write("zero_shot", {"labels": ["0 1"], "correct": [True]}, [Record("map", 0.5, main=True)], prompts="photo")
    assert found_by(made_up.results, "error_consistency") == ()
    made_up.answers("c", answers["c"], pedigree={"labels": "others"})
    (result,) = found_by(made_up.results, "error_consistency")
    assert (result.records, result.notes) == ((), ("Not compared: labels differs between the jobs.",))


# The section.

SECTION = ErrorConsistencySection()


def test_a_matrix_has_the_models_in_the_leaderboards_order_and_says_which_are_most_alike(made_up: MadeUp) -> None:
    answers = similar("ab", 0.8) | similar("c", 0.0, seed=9)
    result = consistency(made_up, answers)
    kappas = {(row["first"], row["second"]): row["kappa"] for row in result.tables["error_consistency"].dicts()}
    jobs = [classification(model, "toys", share) for model, share in {"a": 0.4, "b": 0.5, "c": 0.6}.items()]
    (part,) = SECTION.show(page_data(result, jobs=jobs), 0).parts
    assert [model for model, _ in part.matrix.models] == ["c", "b", "a"]
    assert part.matrix.rows[1][2].text == part.matrix.rows[2][1].text == f"{kappas['a', 'b']:.2f}"
    assert part.matrix.rows[1][2].shade == kappas["a", "b"]
    assert "both right" in part.matrix.rows[1][2].hover
    assert part.matrix.sentence.startswith(f"Largest kappa: a and b ({kappas['a', 'b']:.2f}); smallest: ")
    for said in (
        "On average over 3 pairs of models kappa is",
        '<span data-verdict="higher">more often than their accuracies explain</span>',
        "only the first is right",
    ):
        assert said in render(SECTION, page_data(result, jobs=jobs))


def test_of_two_models_a_sentence_says_it_and_of_one_nothing_does(made_up: MadeUp) -> None:
    result = consistency(made_up, cells(10, 10, 40, 40))
    assert (result.records[0].value, result.verdict) == (pytest.approx(-0.6), "lower")
    (part,) = SECTION.show(page_data(result), 0).parts
    assert part.matrix is None
    assert "Kappa is −0.60 [−0." in render(SECTION, page_data(result))
    undefined = replace(result, records=(), notes=("No kappa.",))
    assert "No kappa." in render(SECTION, page_data(undefined))


def test_names_of_models_are_text(made_up: MadeUp) -> None:
    names = dict(zip("abc", HOSTILE.values(), strict=False))
    result = consistency(made_up, {names[model]: correct for model, correct in similar("abc", 0.5).items()})
    assert "<script>" not in render(SECTION, page_data(result))


def test_clusters_are_drawn_whole_and_too_few_have_no_interval(made_up: MadeUp, another) -> None:
    answers = {model: np.repeat(right, 10) for model, right in similar("ab", 0.6, n=60).items()}
    alone = consistency(made_up, answers).tables["error_consistency"].dicts()[0]
    found = {}
    for name, size in (("many", 10), ("few", 50)):
        world = another(name)
        for model, right in answers.items():
            columns = {"label": np.zeros(600, int), "correct": right, "cluster": np.arange(600) // size}
            world.answers(model, right, columns=columns)
        (found[name],) = found_by(world.results, "error_consistency")
    (many,) = found["many"].records
    row = found["many"].tables["error_consistency"].dicts()[0]
    assert (many.interval, many.low, many.high) == ("cluster bootstrap", row["low"], row["high"])
    # Ten times the same image says as much as the one.
    assert row["high"] - row["low"] > 2.5 * (alone["high"] - alone["low"])
    assert [record.low for record in found["few"].records] == [None]
