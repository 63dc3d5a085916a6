"""What a training looks like in a terminal, and in a log."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from clipbench.cli.console import format_seconds, shown
from clipbench.report.text import numbers
from clipbench.training.monitor.log import measured_on

if TYPE_CHECKING:
    from clipbench.training.loop import Progress as Training
    from clipbench.training.monitor.evaluation import Score


class TrainingConsole:
    """Shows a bar or, where there is no terminal, a line now and then; scores and what fails always."""

    def __init__(self, console: Console, *, every: float = 10.0) -> None:
        """Print to a console; `every`: seconds between lines where it is no terminal."""
        self.console = console
        self.every = every
        self._said: float | None = None
        columns = (
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            BarColumn(24),
            TextColumn("{task.fields[told]}"),
        )
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, training: Training) -> None:
        """Show a step; the first and the last one always."""
        now, last = time.monotonic(), training.step == training.steps
        if self.console.is_terminal:
            if not self._bar.task_ids:
                self._bar.add_task("", total=training.steps, told="")
            self._bar.update(self._bar.task_ids[0], completed=training.step, told=shown(told(training)))
            self._bar.start()
        if last or (not self.console.is_terminal and (self._said is None or now - self._said >= self.every)):
            self._said = now
            clock = datetime.now().astimezone().strftime("%H:%M:%S")
            self._print(f"{clock}  step {training.step:,} of {training.steps:,}  {told(training)}")
        for score in training.scores:
            self._print(f"  {score_told(score)}")

    def _print(self, line: str) -> None:
        self.console.print(shown(line), highlight=False, soft_wrap=True)


def told(training: Training) -> str:
    """Return what is told of a step beside its number: 'loss 3.412  scale 21.3  1,024 images/s  3 min left'."""
    last = training.step == training.steps
    parts = [
        f"loss {training.loss:.3f}",
        f"scale {training.scale:.1f}",
        f"{training.images_per_second:,.0f} images/s",
        format_seconds(training.seconds) if last else f"{format_seconds(training.seconds_left)} left",
        f"{training.skipped:,} steps skipped" if training.skipped else "",
        f"{training.broken:,} broken images" if training.broken else "",
    ]
    return "  ".join(filter(None, parts))


def score_told(score: Score) -> str:
    """Return e.g. 'digits test, zero_shot, photo: top-1 91.2 % [89.9, 92.4], n=1,000'."""
    name = measured_on(asdict(score))
    if score.problem:
        return f"{name}: failed: {score.problem}"
    value = numbers.with_ends(score.value, score.low, score.high, score.unit)
    broken = f", {score.broken:,} broken" if score.broken else ""
    seen = " (trained on these images)" if score.trained_on else ""
    return f"{name}: {score.label} {value}, n={score.n:,}{broken}{seen}"
