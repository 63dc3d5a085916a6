"""Made-up answers of three models to the same images, with pictures and wordings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clipbench.results.folder import Results
from clipbench.results.records import JobResult, Record, Table

from ..made_up import HOSTILE, RUN, classification, proportion, with_pictures

N = 200
CLASSES = ("cat", HOSTILE["script"], "ship")
LABELS = np.arange(N) % 3
GOOD, FAIR, POOR = "good", HOSTILE["closing"], "a/poor-one"
RIGHT = {GOOD: 150, FAIR: 144, POOR: 60}
"""Of each model how many images of the set `toys` it gets: the first ones, but of FAIR the last ones."""
TEMPLATES = {GOOD: (150, 100, 120), FAIR: (120, 140, 118), POOR: (60, 60, 60)}
"""Right answers with each of three templates; all are right about the first images."""


def answers(model: str) -> np.ndarray:
    """(N,) whether a model is right about the images of `toys`."""
    places = np.arange(N)
    return places >= N - RIGHT[model] if model == FAIR else places < RIGHT[model]


def write(results: Results, job: JobResult, columns: dict[str, np.ndarray]) -> None:
    """Write a job with its per-example table."""
    path = results.examples_path(job.hash)
    path.parent.mkdir(exist_ok=True)
    ids = [f"img-{row}" for row in range(N)]
    pd.DataFrame({"id": ids, "label": LABELS, "label_name": np.array(CLASSES)[LABELS], **columns}).to_parquet(path)
    results.write_job(job)


def zero_shot(results: Results, model: str, dataset: str, correct: np.ndarray, **more: Any) -> JobResult:
    """Write a job that is right about these images, with pictures of the first two that are wrong."""
    record = replace(proportion("top1", correct.mean(), N, main=True), value=float(correct.mean()), chance=1 / 3)
    job = replace(classification(model, dataset, 0.5, n=N, classes=CLASSES), records=(record,), **more)
    job = with_pictures(results, job, ["", ""])
    wrong = np.flatnonzero(~correct)[:2]
    shown = [{**picture, "id": f"img-{image}"} for picture, image in zip(job.pictures, wrong, strict=True)]
    job = replace(job, pictures=tuple(shown) if dataset == "toys" else ())
    named = np.array(CLASSES)[np.where(correct, LABELS, (LABELS + 1) % 3)]
    write(results, job, {"prediction_name": named, "correct": correct})
    return job


def prompt_sensitivity(results: Results, model: str) -> None:
    """Write a job that is right about the first so many images with each template."""
    right = np.array(TEMPLATES[model])
    correct = np.arange(N)[:, None] < right
    rows = tuple((place, f"wording {place} of {{}}", "", count / N) for place, count in enumerate(right.tolist()))
    job = classification(model, "toys", 0.5, n=N, classes=CLASSES, variant="wording")
    job = replace(
        job,
        hash=job.hash[::-1],
        task="prompt_sensitivity",
        records=(Record("mean", float(correct.mean()), n=N, main=True),),
        tables={"templates": Table(("position", "template", "role", "top1"), rows)},
    )
    write(results, job, {f"correct.{place}": correct[:, place] for place in range(len(right))})


def make_compared(folder: Path) -> Results:
    """Write three models on two benchmark sets, and two of them on a shift; POOR is not above chance on any."""
    results = Results(folder)
    (folder / "jobs").mkdir(parents=True)
    results.write_run(RUN)
    for model in (GOOD, FAIR, POOR):
        zero_shot(results, model, "toys", answers(model))
        zero_shot(results, model, "other", np.roll(answers(model), 7))
        prompt_sensitivity(results, model)
        if model != GOOD:
            poor = np.arange(N) < RIGHT[POOR] + (model == FAIR)
            zero_shot(results, model, "shifted", poor, about={"regime": "shift"})
    return results
