"""What is told of a training: its log, TensorBoard's files, what a terminal shows, and the page of curves."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import ModuleType

import plotly.graph_objects
import pytest
from rich.console import Console

from clipbench.cli.training_console import TrainingConsole, score_told, told
from clipbench.training.loop import Progress
from clipbench.training.monitor.curves import MOST, figures, thinned, write_curves
from clipbench.training.monitor.evaluation import Score
from clipbench.training.monitor.log import StepLog, read_log

from ..conftest import user_error

STEP = Progress(
    step=1,
    steps=200,
    loss=2.5,
    scale=14.28,
    rate=5e-4,
    images_per_second=1234.5,
    seconds=10.0,
    skipped=0,
    broken=0,
    seconds_left=90.0,
)
SCORE = Score(
    dataset="leaves",
    split="test",
    task="zero_shot",
    prompts="photo",
    metric="top1",
    label="top-1",
    value=0.25,
    low=0.2,
    high=0.31,
    n=400,
    metrics={"top1": 0.25, "top5": 0.5, "mean_rank": None},
    seconds=2.0,
)


def step(number: int, **changes: object) -> Progress:
    return replace(STEP, step=number, **changes)  # type: ignore[arg-type]


def logged(folder: Path, *steps: Progress, resume: bool = False) -> list[dict[str, object]]:
    log = StepLog(folder, resume=resume)
    for progress in steps:
        log.add(progress)
    log.close()
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_line_holds_a_step_and_its_scores(tmp_path: Path) -> None:
    first, second = logged(tmp_path, step(1), step(2, scores=(replace(SCORE, value=0.0, trained_on=True),)))
    names = ["step", "loss", "scale", "rate", "images_per_second", "seconds", "skipped", "broken"]
    assert list(first) == names
    assert list(second) == [*names, "scores"]
    (score,) = second["scores"]  # type: ignore[misc]
    assert {"value": 0.0, "low": 0.2, "n": 400, "trained_on": True}.items() <= score.items()
    assert "problem" not in score
    assert score["metrics"] == {"top1": 0.25, "top5": 0.5, "mean_rank": None}


def test_a_loss_that_is_not_finite_is_null(tmp_path: Path) -> None:
    assert logged(tmp_path, step(1, loss=float("nan")))[0]["loss"] is None


def test_steps_that_are_done_again_take_the_place_of_their_lines(tmp_path: Path) -> None:
    logged(tmp_path, step(1), step(2, scores=(SCORE,)), step(3, scores=(SCORE,)))
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 4, "loss": 2.')
    again = logged(tmp_path, step(3, loss=2.0), step(4), resume=True)
    assert [(line["step"], line["loss"], "scores" in line) for line in again] == [
        (1, 2.5, False),
        (2, 2.5, True),
        (3, 2.0, False),
        (4, 2.5, False),
    ]
    assert len(logged(tmp_path, step(1))) == 1


def test_tensorboard_is_told_the_same_where_it_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logged(tmp_path, step(1), step(2, loss=9.0), step(3, loss=9.0))
    logged(tmp_path, step(2, scores=(SCORE,)), step(3), resume=True)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 2.5), (2, 2.5), (3, 2.5)]
    (score,) = events.Scalars("leaves test, zero_shot, photo/top1")
    assert (score.step, score.value) == (2, 0.25)


def test_a_writer_is_told_loss_scale_rate_speed_and_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As above, with a writer that remembers: runs where TensorBoard is not installed too."""
    written: list[tuple[object, ...]] = []

    class Writer:
        def __init__(self, folder: str, purge_step: int) -> None:
            written.append((Path(folder).name, purge_step))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append((name, value, step))

        def close(self) -> None:
            written.append(("closed",))

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    logged(tmp_path, step(7, scores=(SCORE,)))
    assert written == [
        ("tensorboard", 7),
        ("loss", 2.5, 7),
        ("scale", 14.28, 7),
        ("rate", 5e-4, 7),
        ("images_per_second", 1234.5, 7),
        ("leaves test, zero_shot, photo/top1", 0.25, 7),
        ("leaves test, zero_shot, photo/top5", 0.5, 7),
        ("closed",),
    ]


def test_without_tensorboard_there_is_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert len(logged(tmp_path, step(1))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def shown(*steps: Progress, every: float = 0.0, **terminal: object) -> str:
    console = Console(file=StringIO(), width=120, **terminal)  # type: ignore[arg-type]
    with TrainingConsole(console, every=every) as training:
        for progress in steps:
            training.show(progress)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_what_is_told_of_a_step() -> None:
    assert told(STEP) == "loss 2.500  scale 14.3  1,234 images/s  2 min left"
    last = step(200, skipped=2, broken=1)
    assert told(last) == "loss 2.500  scale 14.3  1,234 images/s  10 s  2 steps skipped  1 broken images"


def test_what_is_told_of_a_score() -> None:
    assert score_told(SCORE) == "leaves test, zero_shot, photo: top-1 25.0\u202f% [20.0, 31.0], n=400"
    seen = replace(SCORE, low=None, high=None, broken=3, trained_on=True, prompts="")
    assert score_told(seen) == "leaves test, zero_shot: top-1 25.0\u202f%, n=400, 3 broken (trained on these images)"
    assert score_told(replace(SCORE, problem="no luck")) == "leaves test, zero_shot, photo: failed: no luck"


def test_without_a_terminal_there_is_a_line_now_and_then_and_for_each_score() -> None:
    steps = [step(1), step(2), step(3, scores=(replace(SCORE, dataset="[red]\x1b[2J"),)), step(200)]
    lines = shown(*steps, every=1e9).splitlines()
    assert [re.sub(r"^[\d:]{8}", "TIME", line)[:24] for line in lines] == [
        "TIME  step 1 of 200  los",
        r"  [red]\x1b[2J test, zer",
        "TIME  step 200 of 200  l",
    ]
    assert len(shown(*steps[:2]).splitlines()) == 2


def test_in_a_terminal_there_is_a_bar_and_in_the_end_a_line() -> None:
    text = shown(step(100), step(150, scores=(SCORE,)), step(200), force_terminal=True, no_color=True)
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text)
    assert "100/200 ━" in plain
    assert "200/200 ━" in plain
    assert "top-1 25.0" in plain
    assert plain.count("step 200 of 200") == 1


def test_a_long_curve_is_thinned_to_means_of_consecutive_steps() -> None:
    curve = [(number, float(number % 2)) for number in range(1, 10_001)]
    thin = thinned(curve)
    assert len(thin) == MOST
    assert thin[0] == (3.0, pytest.approx(0.6))
    assert sum(value or 0 for _, value in thin) / len(thin) == pytest.approx(0.5)
    assert thinned(curve[:MOST]) == curve[:MOST]
    assert thinned([(1, None), (2, 4.0), (3, None)], most=2) == [(1.5, 4.0), (3, None)]


def test_the_page_of_curves_is_made_of_the_log_alone(tmp_path: Path) -> None:
    evil = replace(SCORE, dataset="</script><b>leaves&")
    failed = Score("oaks", "test", "retrieval", "", problem="no luck")
    steps = [
        step(1, scores=(SCORE, evil)),
        step(2, loss=float("inf"), skipped=1),
        step(3, scores=(SCORE, evil, failed)),
    ]
    logged(tmp_path, *steps)
    page = write_curves(tmp_path).read_text()
    assert "<b>" not in page
    assert page.count("</script>") == 3
    assert (tmp_path / "plotly.min.js").stat().st_size > 1_000_000
    assert "http" not in page
    assert "3 steps; the last one&#x27;s loss is 2.5" in page
    assert "oaks test, retrieval could not be evaluated at step 3: no luck" in page
    drawn = figures(read_log(tmp_path / "log.jsonl"))
    assert list(drawn) == ["Loss", "Scores", "Logit scale", "Learning rate", "Images a second"]
    for figure in drawn.values():
        plotly.graph_objects.Figure(figure)
    assert drawn["Loss"]["data"][0]["y"] == [2.5, None, 2.5]
    scores = drawn["Scores"]["data"]
    assert [trace["name"] for trace in scores] == [
        "leaves test, zero_shot, photo: top-1",
        "&lt;/script&gt;&lt;b&gt;leaves&amp; test, zero_shot, photo: top-1",
    ]
    assert (list(scores[0]["x"]), list(scores[0]["y"])) == ([1, 3], [25.0, 25.0])
    assert scores[0]["error_y"]["array"] == pytest.approx([6.0, 6.0])


def test_a_folder_without_a_log_has_no_curves(tmp_path: Path) -> None:
    assert "no step" in user_error(write_curves, tmp_path).problem
