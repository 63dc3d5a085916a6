"""Results folders with made-up jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clipbench.analyses.base import Analysis, Evidence, Finding
from clipbench.analyses.run import analyse
from clipbench.errors import UserError
from clipbench.fingerprint import digest
from clipbench.results.folder import Results
from clipbench.results.records import AnalysisResult, JobResult, Pedigree, Record
from clipbench.stats.intervals import MIN_EXAMPLES, ends, wilson
from clipbench.tasks.base import Condition

PLAIN = Condition()


def found(results: Results, analysis: str = "probe_vs_zero_shot") -> tuple[AnalysisResult, ...]:
    """What one analysis finds."""
    return tuple(result for result in analyse(results) if result.analysis == analysis)


class MadeUp:
    """Writes jobs as runs do."""

    def __init__(self, folder: Path, n: int = 600) -> None:
        self.results = Results(folder)
        self.n = n
        self.difficulty = np.random.default_rng(0).random(n)

    def write(
        self, task, columns, records, *, model="m", prompts="", condition=PLAIN, finished="1", pedigree=(), **fields
    ) -> str:
        """Write a job and its per-example table, rows in an order of their own; return the job's hash."""
        parts = {"data": "d", "labels": "l", "prompts": prompts, "protocol": f"{task}/1", **dict(pedigree)}
        variant = ", ".join(part for part in (prompts, *condition.words) if part)
        name = digest([model, task, variant, finished, parts, repr(fields)])[:16]
        table = pd.DataFrame(columns)
        table.insert(0, "id", [f"i{row}" for row in range(len(table))])
        path = self.results.examples_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        table.sample(frac=1, random_state=int(name[:6], 16)).to_parquet(path)
        known = {"dataset": "toys", "split": "test", "status": "done", "run_metadata": {"finished": finished}}
        about = {"task": task, "variant": variant, "prompts": prompts, "condition": condition}
        found = {"pedigree": Pedigree(**parts), "records": tuple(records)}
        self.results.write_job(JobResult(name, model, **(known | about | found | fields)))
        return name

    def answers(self, model: str, correct: Sequence[Any], *, prompts: str = "photo", **more: Any) -> str:
        """Write a zero-shot job that is right about these examples."""
        columns = more.pop("columns", {"label": np.arange(len(correct)) % 3, "correct": correct})
        record = Record("top1", float(np.mean(correct)), n=len(correct), main=True)
        return self.write("zero_shot", columns, [record], model=model, prompts=prompts, **more)

    def head(self, task: str, accuracy: float, params: Mapping[str, Any] = {}, *, seeds: int = 0, **more: Any) -> str:
        """Write a job whose head is right about the easiest images, as all heads are, with some noise for each seed."""
        columns: dict[str, Any] = {"label": np.arange(self.n) % 3}
        generator = np.random.default_rng(len(more.get("prompts", "")) + seeds)
        noise = generator.normal(0, 0.05, (self.n, max(1, seeds)))
        correct = self.difficulty[:, None] + noise < accuracy
        columns["correct"] = correct.mean(axis=1) if seeds else correct[:, 0]
        columns |= {f"correct.{seed}": correct[:, seed] for seed in range(seeds)}
        value = float(correct.mean())
        records = [Record("top1", value, low=value - 0.03, high=value + 0.03, n=self.n, main=True, params=params)]
        return self.write(task, columns, records, **more)

    def zero_shot(self, accuracy: float = 0.6, prompts: str = "photo", **more: Any) -> str:
        return self.head("zero_shot", accuracy, prompts=prompts, **more)

    def probe(self, accuracy: float = 0.8, **more: Any) -> str:
        params = {"features": "pre_projection", "normalised": False, "n_train": 3000, "n_classes": 3}
        return self.head("linear_probe", accuracy, params, **more)

    def few_shot(
        self, k: int, accuracy: float, features: str = "", head: str = "", seeds: int = 5, pool: int = 1000
    ) -> str:
        params = {"features": features or "pre_projection", "normalised": False, "shots": k, "seeds": seeds}
        params["pool_share"] = k / pool
        return self.head("few_shot", accuracy, params, seeds=seeds, condition=Condition(k, features, head))

    def edit(self, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        """Change a job's per-example table."""
        path = self.results.examples_path(name)
        change(pd.read_parquet(path)).to_parquet(path)


class Given:
    """Zero-shot jobs in memory, each right about the first so many of n images."""

    def __init__(self) -> None:
        self.jobs: list[JobResult] = []
        self.tables: dict[str, pd.DataFrame] = {}

    def add(self, model, dataset, right, n, *, prompts="own", examples=False, pedigree=(), **fields) -> None:
        name = "|".join(part for part in (model, dataset, fields.get("matched"), fields.get("view")) if part)
        known = {"weights": model, "data": dataset, "labels": dataset, "prompts": prompts}
        parts = Pedigree(**known | {"view": fields.get("view", "")} | dict(pedigree))
        low, high = ends(wilson(right, n) if n >= MIN_EXAMPLES else None)
        record = Record("top1", right / n, low=low, high=high, interval="wilson", n=n, main=True)
        named = {"variant": prompts, "prompts": prompts, "status": "done", "records": (record,)}
        self.jobs.append(JobResult(name, model, dataset, "test", "zero_shot", pedigree=parts, **named, **fields))
        if examples:
            table = pd.DataFrame({"id": [f"i{number}" for number in range(n)], "correct": np.arange(n) < right})
            self.tables[name] = table.sample(frac=1, random_state=len(name))

    def analyse(self, analysis: Analysis[Any], **settings: Any) -> Sequence[Finding]:
        chosen = analysis.Settings(analysis=analysis.name, **settings)
        return analysis.analyse(Evidence(self.jobs, self._examples), chosen)

    def _examples(self, job: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        if job not in self.tables:
            raise UserError("no per-example table", where=job)
        return self.tables[job]


@pytest.fixture
def given() -> Given:
    return Given()


@pytest.fixture
def made_up(tmp_path: Path) -> MadeUp:
    return MadeUp(tmp_path / "run")


@pytest.fixture
def another(tmp_path: Path) -> Callable[..., MadeUp]:
    return lambda name, n=600: MadeUp(tmp_path / name, n)
