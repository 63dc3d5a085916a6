"""Models that answer the same images, as many as one likes, of several families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from clipbench.results.folder import Results
from clipbench.results.records import JobResult, Table

from ..made_up import classification, wilson

TAGS = ("laion2b_s34b_b79k", "openai", "datacomp_xl_s13b_b90k", "laion400m_e32", "metaclip_fullcc")


def model_names(count: int) -> list[str]:
    """Names of models of open_clip, of five families in turn."""
    return [f"open_clip:ViT-B-{32 + place // len(TAGS)}/{TAGS[place % len(TAGS)]}" for place in range(count)]


def write_answers(
    results: Results,
    dataset: str,
    models: Sequence[str],
    n: int = 400,
    classes: int = 10,
    skill: tuple[float, float] = (0.5, 0.9),
) -> list[JobResult]:
    """Write zero-shot jobs with their answers; every 20th image has the next class's label, which few models give."""
    generator = np.random.default_rng(len(dataset))
    shown = generator.integers(0, classes, n)
    labels = np.where(np.arange(n) % 20 == 0, (shown + 1) % classes, shown)
    names = np.array([f"class {place}" for place in range(classes)], object)
    hard = generator.random(n)
    jobs = []
    for model, share in zip(models, np.linspace(*skill, len(models)), strict=True):
        knows = hard + generator.normal(0, 0.2, n) < share
        given = np.where(knows, shown, generator.integers(0, classes, n))
        right = given == labels
        job = classification(model, dataset, float(right.mean()), n=n, classes=tuple(names))
        rows = []
        for place, name in enumerate(names):
            count, correct = int((labels == place).sum()), int((right & (labels == place)).sum())
            rows.append((name, count, correct, correct / count if count else None, *wilson(correct, max(count, 1))))
        per_class = Table(("class", "n", "correct", "accuracy", "low", "high"), tuple(rows))
        prompts = Table(("template", "first_prompt"), (("a photo of a {}.", f"a photo of a {names[0]}."),))
        job = replace(job, tables={"per_class": per_class, "prompts": prompts})
        columns = {"label": labels, "label_name": names[labels], "prediction": given, "correct": right}
        frame = pd.DataFrame({"id": [f"img-{place}" for place in range(n)], "split": "test", **columns})
        frame["score"] = np.where(right, 0.8, 0.2)
        results.examples_path(job.hash).parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(results.examples_path(job.hash))
        results.write_job(job)
        jobs.append(job)
    return jobs
