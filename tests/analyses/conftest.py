"""Results folders with made-up jobs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clipbench.results.folder import Results
from clipbench.results.records import JobResult, Pedigree, Record


class MadeUp:
    """Writes jobs of one model on one data set of three classes; difficulty is shared by all heads."""

    def __init__(self, folder: Path, n: int = 600) -> None:
        self.results = Results(folder)
        self.n = n
        self.difficulty = np.random.default_rng(0).random(n)

    def write(self, task, variant, accuracy, *, params=None, seeds=0, finished="1", model="m", **pedigree):
        """Write a job whose head is right about the easiest examples, with some noise for each seed."""
        generator = np.random.default_rng(len(variant) + seeds)
        noise = generator.normal(0, 0.05, (self.n, max(1, seeds)))
        correct = self.difficulty[:, None] + noise < accuracy
        columns = {"id": [f"i{row}" for row in range(self.n)], "split": "test", "label": np.arange(self.n) % 3}
        columns["correct"] = correct.mean(axis=1) if seeds else correct[:, 0]
        columns |= {f"correct.{seed}": correct[:, seed] for seed in range(seeds)}
        value = float(correct.mean())
        records = [Record("top1", value, low=value - 0.03, high=value + 0.03, n=self.n, main=True, params=params or {})]
        if seeds:
            records.append(Record("top1_over_seeds", value, low=value - 0.05, high=value + 0.05, n=self.n))
        parts = {"weights": "w", "data": "d", "labels": "l", "protocol": f"{task}/1"} | pedigree
        name = f"{model}-{task}-{variant}-{finished}".replace(" ", "-")
        job = JobResult(
            hash=name,
            model=model,
            dataset="toys",
            split="test",
            task=task,
            variant=variant,
            status="done",
            pedigree=Pedigree(**parts),
            records=tuple(records),
            provenance={"finished": finished},
        )
        path = self.results.examples_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(columns).sample(frac=1, random_state=1).to_parquet(path)
        self.results.write_job(job)
        return name

    def zero_shot(self, accuracy=0.6, variant="photo", **more):
        return self.write("zero_shot", variant, accuracy, **more)

    def probe(self, accuracy=0.8, *, features="pre_projection", variant="", n_train=3000, **more):
        params = {"features": features, "normalised": False, "n_train": n_train, "n_classes": 3}
        return self.write("linear_probe", variant, accuracy, params=params, **more)

    def few_shot(self, k, accuracy, *, features="pre_projection", seeds=5, **more):
        params = {"features": features, "normalised": False, "shots": k, "seeds": seeds}
        return self.write("few_shot", f"{k} shots", accuracy, params=params, seeds=seeds, **more)


@pytest.fixture
def made_up(tmp_path) -> MadeUp:
    return MadeUp(tmp_path / "run")


@pytest.fixture
def another(tmp_path) -> Callable[..., MadeUp]:
    return lambda name, n=600: MadeUp(tmp_path / name, n)
