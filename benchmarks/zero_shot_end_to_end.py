"""Zero-shot on CIFAR-10 from command to result, against CLIP_benchmark in an environment of its own.

    python benchmarks/zero_shot_end_to_end.py --make-peer DIR       makes the environment in DIR, then measures
    python benchmarks/zero_shot_end_to_end.py --peer-python PYTHON  measures with an environment that is there

Whole commands are timed, start of Python included: `cifar-clip` (64 px), CIFAR-10's 10,000 test images in four tars,
18 templates, float32, batches of 64, equally many threads, no GPU, no network. Each round starts with an empty store.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from measure import Ratio, Run, alternate, show
from mirror import CIFAR10, development_data, mirror_cifar10

from clipbench import load_results
from clipbench.extend import JobResult

PEER = ("clip-benchmark==1.6.2", "requests")
"""It imports requests without declaring it."""
ANSWERS = {"top-1": 0.6733, "top-5": 0.9766}
BATCH = "64"
REPOSITORY = Path(__file__).resolve().parents[1]
FIRST, SECOND, WARM = "clipbench, first run", "clipbench, same run again", "clipbench, new results, warm store"


@dataclass(frozen=True)
class Bench:
    """Where things are."""

    work: Path
    """Holds the mirror, and all that the commands write."""
    model: Path
    threads: int

    def clipbench(self, results: str, workers: int | None) -> Run:
        """Return a run of clipbench into a results folder of the round's own; a round has one store."""

        def run(number: int) -> dict[str, float]:
            output, store = self.work / f"{results}-{number}", self.work / f"store-{number}"
            job = self.run_suite("zeroshot", output, store, workers)
            values = {record.metric: record.value for record in job.records}
            return {"top-1": values["top1"] or 0.0, "top-5": values["top5"] or 0.0}

        return run

    def run_suite(self, suite: str | Path, output: Path, store: Path, workers: int | None) -> JobResult:
        """Run clipbench's command on CIFAR-10, for which the suite has one job, and return what it found."""
        command: list[object] = [sys.executable, "-m", "clipbench", "run", suite, "--only", "cifar10"]
        command += ["--output", output, "--model", f"open_clip:local-dir:{self.model}", "--data-root", self.work]
        command += ["--device", "cpu", "--precision", "float32", "--batch-size", BATCH]
        command += [] if workers is None else ["--workers", workers]
        self._call(command, {"CLIPBENCH_CACHE": str(store), "PYTHONPATH": str(REPOSITORY)})
        (job,) = load_results(output).jobs()
        return job

    def peer(self, python: Path, workers: int, *options: object) -> Run:
        """Return a run of CLIP_benchmark with so many loader processes, and with further options."""
        output = self.work / "peer.json"
        script = Path(__file__).with_name("clip_benchmark_on_numpy2.py")
        command = [python, script, "eval", "--dataset", "wds/vtab/cifar10", "--dataset_root", self.work / CIFAR10]
        command += ["--task", "zeroshot_classification", "--model", f"local-dir:{self.model}", "--pretrained", ""]
        command += ["--no_amp", "--batch_size", BATCH, "--num_workers", workers, "--output", output, *options]

        def run(_: int) -> dict[str, float]:
            output.unlink(missing_ok=True)
            self._call(command, {})
            metrics = json.loads(output.read_text())["metrics"]
            return {"top-1": metrics["acc1"], "top-5": metrics["acc5"]}

        return run

    def _call(self, command: Sequence[object], environment: dict[str, str]) -> None:
        common = {"OMP_NUM_THREADS": str(self.threads), "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
        inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment = inherited | common | environment
        done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"failed: {' '.join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


def make_peer(folder: Path) -> Path:
    """Make CLIP_benchmark's environment, with the torch and open_clip that clipbench runs on; return its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    same = [f"{name}=={version(name).partition('+')[0]}" for name in ("torch", "torchvision", "open_clip_torch")]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PEER, *same], check=True)
    return python


def peer_versions(python: Path) -> str:
    """Return what is installed there; importing it warms the disk's cache as well."""
    names = ("clip-benchmark", "torch", "open_clip_torch", "numpy")
    code = f"import clip_benchmark.cli; from importlib.metadata import version; print(*map(version, {names}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{python} cannot import CLIP_benchmark; --make-peer DIR makes an environment\n{done.stderr}")
    return ", ".join(f"{name} {number}" for name, number in zip(names, done.stdout.split(), strict=True))


def add_options(parser: argparse.ArgumentParser, peer: argparse._MutuallyExclusiveGroup) -> None:
    """Add the options of a benchmark on CIFAR-10 beside CLIP_benchmark; those that name the peer to a group."""
    peer.add_argument("--peer-python", type=Path, help="the Python of an environment with CLIP_benchmark")
    peer.add_argument("--make-peer", type=Path, metavar="DIR", help="make such an environment here")
    parser.add_argument("--peer-workers", default="1,4", help="loader processes to try; its default is 4 [%(default)s]")
    parser.add_argument("--workers", type=int, help="clipbench's decoding processes [its own default]")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each side [%(default)s]")
    parser.add_argument("--limit-images", type=int, help="use the first so many images: to try the script")
    parser.add_argument("--rounds", type=int, default=3, help="how often each command is timed [%(default)s]")
    parser.add_argument("--json", type=Path, help="write the numbers to this file too")


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Time zero-shot on CIFAR-10 against CLIP_benchmark, command to result."
    )
    add_options(parser, parser.add_mutually_exclusive_group(required=True))
    arguments = parser.parse_args()
    python = make_peer(arguments.make_peer) if arguments.make_peer else arguments.peer_python
    workers = [int(number) for number in arguments.peer_workers.split(",")]
    chosen = "default" if arguments.workers is None else arguments.workers
    facts: dict[str, object] = {"peer": peer_versions(python), "clipbench's workers": chosen}
    with tempfile.TemporaryDirectory() as name:
        data = development_data()
        mirror_cifar10(data, Path(name) / CIFAR10, limit=arguments.limit_images)
        bench = Bench(Path(name), data / "models" / "cifar-clip", arguments.threads)
        runs = {
            FIRST: bench.clipbench("results", arguments.workers),
            SECOND: bench.clipbench("results", arguments.workers),
            WARM: bench.clipbench("others", arguments.workers),
        }
        peers = {f"CLIP_benchmark, {number} workers": bench.peer(python, number) for number in workers}
        timings = alternate(runs | peers, arguments.rounds)
    best = min(peers, key=lambda label: timings[label].median)
    for label, timing in timings.items():
        facts[f"answers of {label}"] = ", ".join(f"{metric} {value:.4f}" for metric, value in timing.last.items())
        if arguments.limit_images is None and any(round(timing.last[key], 4) != ANSWERS[key] for key in ANSWERS):
            raise SystemExit(f"{label}: {timing.last}, but the known answers are {ANSWERS}")
    facts["peer's best"] = best
    aims = {FIRST: None, SECOND: 10, WARM: 10}
    ratios = [Ratio(f"{label}, times faster than the peer's best", label, best, aim) for label, aim in aims.items()]
    items = arguments.limit_images or 10_000
    title = f"zero-shot on {items:,} images of CIFAR-10, {arguments.threads} threads"
    show(title, timings, ratios, items=items, unit="images", facts=facts, json_file=arguments.json)


if __name__ == "__main__":
    main()
