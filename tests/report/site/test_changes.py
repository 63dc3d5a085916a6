"""What changed between two builds of a site."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clipbench.report.site.data import changes
from clipbench.report.site.data.files import write_site_data
from clipbench.results.folder import Results
from clipbench.results.records import JobResult

from ..made_up import HOSTILE, classification

Make = Callable[..., Results]
Builder = Callable[..., Sequence[Mapping[str, Any]]]


@pytest.fixture
def build(make_results: Make, tmp_path: Path) -> Builder:
    """A function that builds a site of some jobs into the same folder and returns its log."""
    output, made = tmp_path / "site", iter(range(100))

    def write(*jobs: JobResult, **options: Any) -> Sequence[Mapping[str, Any]]:
        write_site_data(make_results(*jobs, name=f"run {next(made)}"), output, **options)
        found: Sequence[Mapping[str, Any]] = json.loads((output / "data" / "changes.json").read_text())["builds"]
        return found

    return write


def measured(model: str, share: float, dataset: str = "digits", **parts: str) -> JobResult:
    job = classification(model, dataset, share)
    return classification(model, dataset, share, pedigree=replace(job.pedigree, **parts)) if parts else job


def test_new_gone_and_moved_are_told_with_what_the_pedigrees_differ_in(build: Builder) -> None:
    first = build(measured("a", 0.9), measured("b", 0.5))
    assert [(entry["missing"], entry["models"], entry["columns"]) for entry in first] == [("first", 2, 1)]
    other = measured("a", 0.8, weights="x", subset="limit 100")
    latest, former = build(other, measured("c", 0.5), measured("c", 0.5, "pets"))
    assert (latest["new_models"], latest["gone_models"]) == (["c"], ["b"])
    assert latest["new_columns"] == ["pets, zero-shot classification, prompts photo"]
    assert "missing" not in latest
    (move,) = latest["moved"]
    assert (move["model"], move["before"], move["after"], move["job"]) == ("a", 0.9, 0.8, other.hash)
    assert move["why"] == ["weights", "examples (all → limit 100)"]
    assert latest["former"] == former["content"]


def test_the_same_content_is_no_new_build_and_what_rounds_alike_has_not_moved(build: Builder) -> None:
    job = measured("a", 0.9)
    assert build(job) == build(job)
    nearly = replace(job, records=(replace(job.records[0], value=0.90001), *job.records[1:]))
    latest, _ = build(nearly)
    assert latest["moved"] == []


def test_a_rank_range_that_changed_is_told_with_both_ranges(build: Builder) -> None:
    build(measured("a", 0.9), measured("b", 0.5))
    latest, _ = build(measured("a", 0.9), measured("b", 0.89, weights="better"))
    changed = {(found["model"], *found["before"], *found["after"]) for found in latest["ranks"]}
    assert changed == {("a", 1, 1, 2, 1, 2, 2), ("b", 2, 2, 2, 1, 2, 2)}


def test_a_value_that_moved_without_its_pedigree_is_told_so_and_a_lost_record_is_not_guessed(
    build: Builder, tmp_path: Path
) -> None:
    job = measured("a", 0.9)
    build(job)
    again = replace(job, records=(replace(job.records[0], value=0.7), *job.records[1:]))
    assert build(again)[0]["moved"][0]["why"] == []
    (tmp_path / "site" / "jobs" / f"{job.hash}.json").unlink()
    assert "why" not in build(measured("a", 0.5, weights="x"))[0]["moved"][0]


@pytest.mark.parametrize("content", ["", "[" * 100_000, '{"format": 2}', '{"format": 1, "builds": [{}]}', "\ud800"])
def test_what_cannot_be_read_is_not_compared_and_said_so(build: Builder, tmp_path: Path, content: str) -> None:
    build(measured("a", 0.9))
    (tmp_path / "site" / "data" / "changes.json").write_text(content, errors="surrogatepass")
    assert [entry["missing"] for entry in build(measured("a", 0.8))] == ["log unreadable"]
    (tmp_path / "site" / "data" / "board.json").write_text(content, errors="surrogatepass")
    latest, _ = build(measured("a", 0.7))
    assert (latest["missing"], latest["moved"]) == ("board unreadable", [])


def test_a_board_that_names_a_file_elsewhere_makes_nothing_read_there(build: Builder, tmp_path: Path) -> None:
    build(measured("a", 0.9))
    (tmp_path / "secret.json").write_text('{"pedigree": {"weights": "secret"}}')
    path = tmp_path / "site" / "data" / "board.json"
    board = json.loads(path.read_text())
    board["board"]["columns"][0]["cells"][0][5] = "../../secret"
    path.write_text(json.dumps(board | {"content": "other"}))
    assert "why" not in build(measured("a", 0.8, weights="x"))[0]["moved"][0]


@pytest.mark.parametrize("cell", [[99, 0.5], [-1, 0.5], [0, float("nan")], [0, "high"]])
def test_a_board_whose_cells_are_none_is_not_compared(build: Builder, tmp_path: Path, cell: list[Any]) -> None:
    build(measured("a", 0.9))
    path = tmp_path / "site" / "data" / "board.json"
    board = json.loads(path.read_text())
    board["board"]["columns"][0]["cells"] = [cell]
    path.write_text(json.dumps(board | {"content": "other"}))
    assert build(measured("a", 0.8))[0]["missing"] == "board unreadable"


def test_a_build_that_was_not_finished_is_not_told_twice(build: Builder, tmp_path: Path) -> None:
    build(measured("a", 0.9))
    board = tmp_path / "site" / "data" / "board.json"
    former = board.read_bytes()
    build(measured("a", 0.8))
    board.write_bytes(former)
    assert [entry["models"] for entry in build(measured("a", 0.7), measured("b", 0.7))] == [2, 1]


def test_the_log_stays_small(build: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "LISTED", 2)
    monkeypatch.setattr(changes, "BUILDS", 3)
    build(*(measured(name, 0.9) for name in "abc"))
    latest = build(measured("a", 0.5), measured("b", 0.6), measured("c", 0.4))[0]
    assert ([move["model"] for move in latest["moved"]], latest["more_moved"]) == (["c", "a"], 1)
    for share in (0.1, 0.2):
        builds = build(measured("a", share))
    assert [entry["models"] for entry in builds] == [1, 1, 3]


def test_hostile_names_and_folders_of_the_machine_are_told_as_texts(build: Builder, tmp_path: Path) -> None:
    build(measured("a", 0.9))
    names = [*HOSTILE.values(), "/home/ann/one/model"]
    half = replace(measured("b", 0.5), model="\ud800")
    latest = build(*(measured(name, 0.5) for name in names), half)[0]
    assert len(latest["new_models"]) == len(names) + 1
    assert "ann" not in (tmp_path / "site" / "data" / "changes.json").read_text()
