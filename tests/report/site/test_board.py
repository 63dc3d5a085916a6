"""The board of what was measured: models, columns, marks, means and ranks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from clipbench.analyses.rankings.all_pairs import compare_all, ranks
from clipbench.analyses.rankings.rank_sets import rank_sets
from clipbench.report.site.data.assemble import make_board
from clipbench.report.site.data.board import Board, Model, Preset
from clipbench.results.folder import Results
from clipbench.results.records import JobResult, Record

from ..findings import on_shift, over_shifts
from ..fitted import few_shot
from ..made_up import classification, failure, proportion, retrieval

Make = Callable[..., Results]


def answers(results: Results, model: str, dataset: str, right: np.ndarray, variant: str = "photo") -> JobResult:
    """Write a job with its per-example table."""
    record = replace(proportion("top1", right.mean(), len(right), main=True), value=float(right.mean()))
    job = replace(classification(model, dataset, 0.5, n=len(right), variant=variant), records=(record,))
    path = results.examples_path(job.hash)
    path.parent.mkdir(exist_ok=True)
    ids = [f"{number}" for number in range(len(right))]
    pd.DataFrame({"id": ids, "label": 0, "correct": right}).to_parquet(path)
    results.write_job(job)
    return job


def preset(board: Board, slug: str = "measured") -> Preset:
    (found,) = (preset for preset in board.presets if preset.slug == slug)
    return found


def named(board: Board, name: str) -> Model:
    (found,) = (model for model in board.models if model.name == name)
    return found


def test_ranks_are_those_of_paired_answers_over_the_common_sets(make_results: Make) -> None:
    results, drawn = make_results(), np.random.default_rng(0)
    shares = {"a": 0.8, "b": 0.79, "c": 0.6, "d": 0.5}
    easy = {name: drawn.random(400) for name in ("one", "two")}
    rights = {name: np.stack([easy[name] + drawn.normal(0, 0.05, 400) < p for p in shares.values()]) for name in easy}
    for dataset, right in rights.items():
        for model, row in zip(shares, right, strict=True):
            answers(results, model, dataset, row)
    board = make_board(results)
    (ranking,) = preset(board).rankings
    found = {board.models[row.model].name: (row.lowest, row.highest, row.value) for row in ranking.rows}
    expected = {
        r.model: (r.lowest, r.highest, pytest.approx(r.value)) for r in rank_sets([*rights.values()], [*shares])
    }
    assert found == expected
    assert (ranking.paired, ranking.datasets) == (True, ("one", "two"))
    assert found["a"][:2] == found["b"][:2] == (1, 2)


def test_ranks_of_a_column_are_those_of_its_own_pairs_and_flagged_models_have_none(make_results: Make) -> None:
    results, drawn = make_results(), np.random.default_rng(0)
    shares = {"a": 0.8, "b": 0.79, "c": 0.6}
    right = np.stack([drawn.random(400) < share for share in shares.values()])
    for model, row in zip(shares, right, strict=True):
        answers(results, model, "one", row)
    other = answers(results, "other", "one", right[0])
    results.write_job(replace(other, pedigree=replace(other.pedigree, data="else")))
    board = make_board(results)
    (column,) = board.columns
    assert column.ranks
    found = {board.models[rank.model].name: (rank.lowest, rank.highest) for rank in column.ranks}
    assert found == {r.model: (r.lowest, r.highest) for r in rank_sets([right], [*shares])}
    frame = ranks(compare_all(results, models=[*shares]))
    assert found == {row.model: (row.lowest, row.highest) for row in frame.itertuples()}


def test_a_column_is_a_tie_where_no_single_model_is_surely_the_best(make_results: Make) -> None:
    shares = {"clear": (0.9, 0.5), "tie": (0.9, 0.89), "alone": (0.9,)}
    jobs = [classification(m, data, p) for data, of in shares.items() for m, p in zip("ab", of, strict=False)]
    board = make_board(make_results(*jobs))
    assert {column.dataset: column.tied for column in board.columns} == {"clear": False, "tie": True, "alone": None}
    assert (preset(board).ties, preset(board).compared) == (1, 2)


def test_without_tables_of_answers_the_intervals_decide(make_results: Make) -> None:
    jobs = [classification(name, "d", share) for name, share in (("a", 0.9), ("b", 0.89), ("c", 0.5))]
    (ranking,) = preset(make_board(make_results(*jobs))).rankings
    assert ranking.paired is False
    assert [(row.lowest, row.highest) for row in ranking.rows] == [(1, 2), (1, 2), (3, 3)]


def test_between_two_models_at_chance_nothing_is_ranked(make_results: Make) -> None:
    def at(name: str, share: float, chance: float) -> JobResult:
        record = replace(proportion("top1", share, 1000, main=True), chance=chance)
        return replace(classification(name, "d", share), records=(record,))

    for chance, expected in ((0.5, [(1, 2), (1, 2)]), (0.05, [(1, 1), (2, 2)])):
        results = make_results(at("a", 0.4, chance), at("b", 0.1, chance), name=f"chance {chance}")
        (ranking,) = preset(make_board(results)).rankings
        assert [(row.lowest, row.highest) for row in ranking.rows] == expected


def test_a_model_that_lacks_common_sets_stands_apart(make_results: Make) -> None:
    jobs = [classification(name, data, 0.7) for name in "ab" for data in ("one", "two")]
    board = make_board(make_results(*jobs, classification("c", "two", 0.9)))
    (ranking,) = preset(board).rankings
    assert {board.models[row.model].name for row in ranking.rows} == {"a", "b"}
    ((place, value, *_, datasets),) = ranking.apart
    assert (board.models[place].name, value, datasets) == ("c", 0.9, ("two",))


def test_each_regime_has_a_mean_and_a_preset_is_one_whole(make_results: Make) -> None:
    jobs = [classification("a", "imagenet", 0.8), classification("a", "imagenet-a", 0.4, regime="shift")]
    board = make_board(make_results(*jobs))
    assert [ranking.regime for ranking in preset(board).rankings] == ["benchmark", "shift"]
    (ranking,) = preset(board, "vtab-plus").rankings
    assert (ranking.datasets, ranking.rows[0].value, ranking.paired) == (
        ("imagenet", "imagenet-a"),
        pytest.approx(0.6),
        None,
    )
    model = named(board, "a")
    assert model.benchmark_mean
    assert model.shift_mean
    assert (model.benchmark_mean.value, model.shift_mean.value) == (0.8, 0.4)
    assert model.matched_gap is None


def test_numbers_of_other_conditions_and_tasks_are_ranked_apart(make_results: Make) -> None:
    jobs = [few_shot("a", "digits", shots, 0.5) for shots in (1, 4)]
    board = make_board(make_results(*jobs, classification("a", "digits", 0.5), retrieval("a", "captions", 0.4)))
    told = [(ranking.label, len(ranking.columns)) for ranking in preset(board).rankings]
    expected = ("zero-shot classification", "few-shot, 1 shot", "few-shot, 4 shots", "retrieval")
    assert told == [(label, 1) for label in expected]


def test_what_is_no_fraction_is_a_column_without_a_mean(make_results: Make) -> None:
    rank = Record("level", 3.0, "dB", main=True)
    jobs = [classification(name, "d", share) for name, share in (("a", 0.9), ("b", 0.5))]
    jobs.append(replace(classification("c", "d", 0.5, variant="own"), records=(rank,)))
    board = make_board(make_results(*jobs))
    (ranking,) = preset(board).rankings
    assert {column.unit for column in board.columns} == {"fraction", "dB"}
    assert (len(preset(board).columns), len(ranking.columns), len(ranking.rows)) == (2, 1, 2)


def test_gaps_and_effective_robustness_are_those_of_the_analysis(
    make_results: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    shifts = [
        on_shift("a", "imagenet-a", 0.8, 0.5, baseline="testbed"),
        on_shift("a", "imagenet-r", 0.8, 0.7, baseline="x"),
    ]
    summary = over_shifts(shifts)
    monkeypatch.setattr("clipbench.report.site.data.assemble.analyse", lambda _: (*shifts, summary))
    model = named(make_board(make_results(classification("a", "imagenet", 0.8))), "a")
    assert model.matched_gap
    assert model.effective_robustness
    assert (model.matched_gap.value, model.matched_gap.unit) == (pytest.approx(0.2), "gap")
    assert model.matched_gap.datasets == ("imagenet-a", "imagenet-r")
    assert model.matched_gap.reference == "imagenet"
    assert model.effective_robustness.value == summary.record("mean_effective_robustness").value


def test_cells_carry_their_marks_and_their_evidence(make_results: Make) -> None:
    seen = classification("seen", "digits", 0.3)
    seen = replace(seen, run_metadata={"trained_on": ["Digits"]}, records=(replace(seen.records[0], chance=0.35),))
    other = classification("other", "digits", 0.5)
    flagged = replace(other, model="flagged", hash="f" * 32, pedigree=replace(other.pedigree, data="else"))
    board = make_board(make_results(seen, other, flagged, failure("broken", "digits", "no weights")))
    (column,) = board.columns
    cells = {board.models[cell.model].name: cell for cell in column.cells}
    assert {name: cell.marks for name, cell in cells.items()} == {
        "seen": "cs",
        "other": "b",
        "flagged": "f",
        "broken": "x",
    }
    assert cells["flagged"].job == "f" * 32
    (note,) = board.footnotes
    assert (note.number, note.column) == (cells["flagged"].footnote, column.slug)
    assert [board.models[place].name for place in note.models] == ["flagged"]
    assert named(board, "seen").trained_on == ("Digits",)
    assert named(board, "other").trained_on is None


def test_family_and_parameters_are_told_where_the_name_tells_them(make_results: Make) -> None:
    names = ("vit-b-32-laion2b", "open_clip:ViT-B-32-quickgelu/openai", "resnet-50", "mine")
    board = make_board(make_results(*(classification(name, "digits", 0.5) for name in names)))
    told = {model.name: (model.family, model.parameters) for model in board.models}
    assert told["vit-b-32-laion2b"] == ("laion2b", 151_280_000)
    assert told["open_clip:ViT-B-32-quickgelu/openai"] == ("openai", 151_280_000)
    assert told["resnet-50"] == (None, 25_560_000)
    assert told["mine"] == (None, None)


def test_the_address_of_a_column_does_not_depend_on_the_others(make_results: Make) -> None:
    few = make_board(make_results(classification("a", "digits", 0.5)))
    jobs = [classification("a", "digits", 0.5), classification("a", "digits", 0.5, variant="own")]
    many = make_board(make_results(*jobs, name="many"))
    assert few.columns[0].slug == "digits-zero-shot-test-photo"
    assert {column.slug for column in many.columns} == {"digits-zero-shot-test-photo", "digits-zero-shot-test-own"}


def test_models_that_are_alike_without_their_folders_are_told_apart(make_results: Make) -> None:
    names = ("local:/home/ann/one/model", "local:/home/ann/two/model")
    board = make_board(make_results(*(classification(name, "digits", 0.5) for name in names)))
    assert len({model.name for model in board.models}) == len({model.slug for model in board.models}) == 2
    assert not any("ann" in model.name or "ann" in model.slug for model in board.models)


def test_several_prompts_of_a_data_set_count_once_image_by_image(make_results: Make) -> None:
    results, drawn = make_results(), np.random.default_rng(0)
    rights = {variant: drawn.random((2, 400)) < [[0.7], [0.5]] for variant in ("own", "photo")}
    for variant, right in rights.items():
        for model, row in zip("ab", right, strict=True):
            answers(results, model, "d", row, variant)
    (ranking,) = preset(make_board(results)).rankings
    found = {row.model: (row.lowest, row.highest, row.value) for row in ranking.rows}
    expected = rank_sets(np.mean([*rights.values()], axis=0), ["0", "1"])
    assert found == {int(r.model): (r.lowest, r.highest, pytest.approx(r.value)) for r in expected}
    assert (ranking.datasets, len(ranking.columns), ranking.paired) == (("d",), 2, True)


def test_each_table_of_answers_is_read_once_for_all_choices(
    make_results: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, drawn = make_results(), np.random.default_rng(0)
    for model in "ab":
        for dataset in ("cifar10", "pets"):
            answers(results, model, dataset, drawn.random(100) < 0.6)
    make_board(results)
    read: list[str] = []
    examples = Results.examples
    monkeypatch.setattr(Results, "examples", lambda self, job, *more: (read.append(job), examples(self, job, *more))[1])
    board = make_board(results)
    paired = [ranking.paired for found in board.presets for ranking in found.rankings]
    assert (paired, len(read)) == ([True] * 4, 4)
