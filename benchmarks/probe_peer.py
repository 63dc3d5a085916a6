"""CLIP_benchmark's linear probe in an environment of its own, on given features."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import torch
from measure import Run, Timed
from probe_data import ProbeData, arrays, held_out

from clipbench.metrics.vectors import unit_rows

UNIT, STORED = "unit length", "as stored"
"""Features scaled as it scales them by default, and as clipbench's probe takes them."""


@dataclass(frozen=True)
class Sweep:
    """What its sweep came to."""

    top1: float
    weight_decay: float
    trainings: int
    epochs: int

    def __str__(self) -> str:
        trained = f"{self.trainings} trainings of {self.epochs} epochs, the last on all training images"
        return f"top-1 {self.top1:.4f} at weight decay {self.weight_decay:.4g}, {trained}"


@dataclass(frozen=True)
class Peer:
    """Where it is, and how it is to run."""

    python: Path
    work: Path
    """A folder for features and reports."""
    workers: int
    epochs: int | None
    """None: its own default."""
    on_gpu: bool

    def write_features(self, data: ProbeData) -> None:
        """Write the files that it looks for before it encodes: the three splits of each kind of features."""
        fitted, validation = held_out(data)
        splits = {"train": fitted, "val": validation, "test": arrays(data.test)}
        for kind in (UNIT, STORED):
            folder = self.work / kind / "features"
            folder.mkdir(parents=True)
            for split, (features, labels) in splits.items():
                scaled = unit_rows(features)[0] if kind == UNIT else features
                torch.save(torch.from_numpy(scaled), folder / f"features_{split}.pt")
                torch.save(torch.from_numpy(labels), folder / f"targets_{split}.pt")

    def sweep(self, kind: str, threads: int) -> Run:
        """Return a run of its search for the weight decay and its last training, timed inside its process."""
        output = self.work / "report.json"
        script = Path(__file__).with_name("clip_benchmark_probe.py")
        command = [self.python, script, "eval", "--quiet", "--no_amp", "--num_workers", self.workers]
        command += ["--feature_root", self.work / kind, "--output", output]
        command += [] if self.epochs is None else ["--fewshot_epochs", self.epochs]
        hidden = {} if self.on_gpu else {"CUDA_VISIBLE_DEVICES": ""}
        inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment = inherited | hidden | {"OMP_NUM_THREADS": str(threads)}

        def run(_: int) -> Timed:
            output.unlink(missing_ok=True)
            done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"failed: {' '.join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
            report = json.loads(output.read_text())
            metrics = report["metrics"]
            found = Sweep(metrics["lp_acc1"], metrics["weight_decay"], report["trainings"], metrics["epochs"])
            return Timed(report["seconds"], found)

        return run
