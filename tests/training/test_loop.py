"""A short training: it learns, it repeats, it goes on where it was broken off, and its folder loads."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from clipbench.errors import UserError
from clipbench.models.catalog import find_model
from clipbench.training.loop import Progress
from clipbench.training.recipe import load_recipe
from clipbench.training.start import build, train
from clipbench.training.step.optimiser import make_optimiser, set_rate
from clipbench.training.towers.base import Trainable

from ..commands import start
from ..conftest import CommandLine, command_environment, output_of

SHORT = ("schedule.steps=6", "schedule.batch=32", "schedule.warmup=2", "seed=3", "save_every=2")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(output: Path, *settings: str, resume: bool = False) -> tuple[Trainable, list[Progress]]:
    seen: list[Progress] = []
    loaded = load_recipe("clip-tiny", [*SHORT, *settings])
    return train(loaded, output, resume=resume, progress=seen.append), seen


def test_the_first_losses_are_those_of_the_packaged_model(tmp_path: Path) -> None:
    """Computed by the loop that made clip-tiny: schedule, batches, objective and optimiser are the same.

    On one kind of processor they are equal to the bit; another one rounds otherwise, which grows with each step.
    """
    settings = ["schedule.steps=4", "schedule.warmup=1"]
    seen: list[Progress] = []
    train(load_recipe("clip-tiny", settings), tmp_path, progress=seen.append)
    expected = [5.97622013092041, 6.49403190612793, 7.69117546081543, 6.589360237121582]
    assert seen[0].loss == pytest.approx(expected[0], rel=1e-6)
    assert [progress.loss for progress in seen] == pytest.approx(expected, rel=1e-3)


def test_a_training_repeats_and_another_seed_is_another(tmp_path: Path) -> None:
    first, one = tiny(tmp_path / "one")
    again, two = tiny(tmp_path / "two")
    assert [progress.step for progress in one] == [1, 2, 3, 4, 5, 6]
    assert [progress.loss for progress in one] == [progress.loss for progress in two]
    weights = again.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in first.model.state_dict().items())
    assert [progress.loss for progress in tiny(tmp_path / "three", "seed=4")[1]] != [p.loss for p in one]


@pytest.mark.parametrize("stop", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_a_broken_training_goes_on_as_if_it_had_not_been(tmp_path: Path, stop: int) -> None:
    whole, expected = tiny(tmp_path / "whole")

    class Killed(Exception):
        pass

    def kill(progress: Progress) -> None:
        if progress.step == stop:
            raise Killed

    with pytest.raises(Killed):
        train(load_recipe("clip-tiny", SHORT), tmp_path / "broken", progress=kill)
    resumed, seen = tiny(tmp_path / "broken", resume=True)
    assert [progress.loss for progress in seen] == [progress.loss for progress in expected][seen[0].step - 1 :]
    weights = resumed.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in whole.model.state_dict().items())


def test_another_recipe_does_not_go_on_with_the_checkpoints(tmp_path: Path) -> None:
    tiny(tmp_path)
    with pytest.raises(UserError, match="checkpoint of another recipe"):
        tiny(tmp_path, "optimiser.rate=1.0e-2", resume=True)


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    _, expected = tiny(tmp_path)
    newest = sorted((tmp_path / "checkpoints").iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    assert [progress.loss for progress in tiny(tmp_path, resume=True)[1]] == [p.loss for p in expected][4:]


def test_checkpoints_rotate(tmp_path: Path) -> None:
    tiny(tmp_path)
    names = [path.name for path in sorted((tmp_path / "checkpoints").iterdir())]
    assert names == ["step-000000004.pt", "step-000000006.pt"]


def test_a_training_that_diverges_stops_and_names_the_last_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"diverged.*step-0000000\d\d\.pt") as caught:
        tiny(tmp_path, "optimiser.rate=1.0e+30", "schedule.steps=60", "schedule.warmup=0", "save_every=1")
    assert caught.value.where is not None
    assert caught.value.where.startswith("step ")


def test_the_logit_scale_stays_below_its_bound(tmp_path: Path) -> None:
    _, seen = tiny(tmp_path, "objective.temperature=0.010001", "optimiser.text_rate=1.0", "schedule.warmup=0")
    assert max(progress.scale for progress in seen) <= 100.0 * (1 + 1e-5)


def test_decay_spares_gains_biases_and_the_logit_scale() -> None:
    loaded = load_recipe("clip-tiny", ["optimiser.rate=2.0", "optimiser.text_rate=1.0"])
    model = build(loaded)
    groups = make_optimiser(model, loaded.recipe.optimiser).param_groups
    assert all(group["betas"] == (0.9, 0.98) and group["eps"] == 1e-6 for group in groups)
    of_weight = {id(weight): group for group in groups for weight in group["params"]}
    for name, weight in model.model.named_parameters():
        is_gain_or_bias = name.endswith("bias") or "norm" in name or name == "log_scale" or weight.ndim == 1
        group = of_weight[id(weight)]
        assert group["weight_decay"] == (0.0 if is_gain_or_bias else 0.2), name
        assert group["highest"] == (2.0 if name.startswith("image.") else 1.0), name


def test_the_rate_warms_up_and_decays_to_nothing() -> None:
    optimiser = torch.optim.SGD([{"params": [torch.zeros(1)], "highest": 1.0}], lr=1.0)
    rates = []
    for step in range(101):
        set_rate(optimiser, step, 100, 10)
        rates.append(optimiser.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0, abs=1e-9)


def test_the_written_folder_loads_as_a_model(tmp_path: Path) -> None:
    trained, _ = tiny(tmp_path)
    model = find_model(f"local:{tmp_path}").load("cpu", "float32")
    assert model.info.trained_on == ("clipbench-scenes", "digits (train half)")
    tokens = model.tokenize(["a red star"])
    with torch.no_grad():
        expected = trained.text(tokens.ids)
    # Matrices are stored in float16.
    assert torch.allclose(model.encode_tokens(tokens.ids), expected, atol=2e-2 * float(expected.abs().max()))


def command(*arguments: str, output: Path) -> Sequence[str]:
    settings = [part for setting in SHORT for part in ("--set", setting)]
    return ["train", "clip-tiny", "--threads", "1", "--output", str(output), *settings, *arguments]


@pytest.mark.slow
def test_a_process_that_is_killed_at_any_moment_goes_on(clipbench: CommandLine, tmp_path: Path) -> None:
    output_of(clipbench(*command(output=tmp_path / "whole")))
    expected = (tmp_path / "whole" / "model.safetensors").read_bytes()
    for round_ in range(10):
        output = tmp_path / f"killed-{round_}"
        process = start(command(output=output), tmp_path, command_environment(tmp_path), tmp_path / "printed")
        log, wanted = output / "log.jsonl", 1 + round_ % 6
        while process.is_alive() and (not log.exists() or len(log.read_text().splitlines()) < wanted):
            time.sleep(0.005)
        time.sleep(0.01 * round_)
        process.kill()
        process.join()
        output_of(clipbench(*command("--resume", "auto", output=output)))
        assert (output / "model.safetensors").read_bytes() == expected
        steps = [json.loads(line)["step"] for line in log.read_text().splitlines()]
        assert steps == [1, 2, 3, 4, 5, 6]


def test_a_folder_that_cannot_be_written_is_explained(clipbench: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = clipbench(*command(output=tmp_path / "file"))
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_loss_starts_at_chance_and_falls(tmp_path: Path) -> None:
    _, seen = tiny(tmp_path, "schedule.steps=20")
    assert seen[0].loss == pytest.approx(math.log(32), abs=1.0)
    assert sum(progress.loss for progress in seen[-5:]) / 5 < seen[0].loss - 0.3
