"""Prompt sensitivity on CIFAR-10 from command to result, against CLIP_benchmark run once for each template.

    python benchmarks/prompt_sensitivity.py --make-peer DIR         makes its environment in DIR, then measures
    python benchmarks/prompt_sensitivity.py --peer-python PYTHON    measures with an environment that is there
    python benchmarks/prompt_sensitivity.py --scale 50000 1000      the task alone on made-up features: time and memory

Whole commands are timed, start of Python included, with the same model, images, batches, precision and threads as in
zero_shot_end_to_end.py, and 80 templates. The peer is timed on a few of them; what all would take is extrapolated.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measure import Ratio, Run, Timed, Timing, alternate, show
from mirror import CIFAR10, development_data, mirror_cifar10
from prompt_scale import PROMPTS, SETTINGS, SPLIT, Evaluation, World, filled, needed_strings, warm_up
from threadpoolctl import threadpool_limits
from zero_shot_end_to_end import REPOSITORY, Bench, add_options, make_peer, peer_versions

from clipbench.datasets.adapters.webdataset import WebDataset
from clipbench.embed.encode import EncodeSettings
from clipbench.embed.image_set import SplitReader
from clipbench.embed.opened import OpenedModel
from clipbench.embed.store import Store
from clipbench.models.catalog import find_model
from clipbench.prompts.sets import load_prompt_set
from clipbench.results.records import JobResult, Table
from clipbench.tasks.base import DatasetFacts, Inputs, Outcome
from clipbench.tasks.prompt_sensitivity.prompt_sensitivity import PromptSensitivity

SUITE = f"""
name: templates
tasks:
  - {{task: prompt_sensitivity, datasets: [cifar10], prompts: {PROMPTS}}}
"""
EMPTY, ZERO_SHOT, AFTER = "clipbench, empty store", "clipbench, zero-shot", "clipbench, after zero-shot"
STORED, ALONE = "clipbench, new results, all stored", "the task alone, all stored"
AIM = 50
"""Times faster than the peer for all templates."""
AIM_ALONE = 10
"""Seconds of the task alone, at most."""
ROUNDING = 5
"""Images that the two sides may decide differently, template by template."""


@dataclass(frozen=True)
class PeerRuns:
    """The peer's timed templates with one number of loader processes."""

    workers: int
    labels: Mapping[str, str]
    """Template -> name of its run."""

    def extrapolated(self, timings: Mapping[str, Timing], templates: int) -> tuple[str, Timing]:
        """Return a name for, and the seconds of, all templates: the mean of those timed in a round, times so many."""
        means = np.mean([timings[label].seconds for label in self.labels.values()], axis=0)
        name = f"CLIP_benchmark, {self.workers} workers, {templates} templates (extrapolated from {len(self.labels)})"
        return name, Timing(tuple((templates * means).tolist()), None)


@dataclass(frozen=True)
class Sides:
    """The runs of both sides."""

    bench: Bench
    workers: int | None
    """clipbench's decoding processes; None: its own default."""

    def runs(self, python: Path, peers: Sequence[PeerRuns]) -> dict[str, Run]:
        """Return all of them, in the order in which a round makes them."""
        runs: dict[str, Run] = {EMPTY: self.sensitivity("first", "empty"), ZERO_SHOT: self.zero_shot}
        runs |= {AFTER: self.sensitivity("after", "warm"), STORED: self.sensitivity("again", "warm")}
        runs[ALONE] = self.alone
        for peer in peers:
            runs |= {label: self.peer(python, peer.workers, template) for template, label in peer.labels.items()}
        return runs

    def zero_shot(self, number: int) -> JobResult:
        """Embed CIFAR-10 into another store of the round, by the suite and the templates that users begin with."""
        return self._command("zeroshot", "zero-shot", self._store("warm", number), number)

    def sensitivity(self, results: str, store: str) -> Run:
        """Return a run of the whole command into one of the round's stores."""
        suite = self.bench.work / "templates.yaml"
        suite.write_text(SUITE)
        return lambda number: self._command(suite, results, self._store(store, number), number)

    def alone(self, number: int) -> Timed:
        """Evaluate the task in this process, on what the round's commands have stored."""
        inputs = _inputs(self.bench, self._store("warm", number))
        started = time.perf_counter()
        outcome = PromptSensitivity().evaluate(inputs, SETTINGS, filled(inputs.dataset.classes))
        return Timed(time.perf_counter() - started, outcome)

    def peer(self, python: Path, workers: int, template: str) -> Run:
        """Return a run of the peer with one template."""
        file = self.bench.work / "template.json"
        run_with_file = self.bench.peer(python, workers, "--custom_template_file", file)

        def run(number: int) -> Any:
            file.write_text(json.dumps({"vtab/cifar10": [template.replace("{}", "{c}")]}))
            return run_with_file(number)

        return run

    def _command(self, suite: str | Path, results: str, store: Path, number: int) -> JobResult:
        return self.bench.run_suite(suite, self.bench.work / f"{results}-{number}", store, self.workers)

    def _store(self, name: str, number: int) -> Path:
        return self.bench.work / f"store-{name}-{number}"


def _inputs(bench: Bench, store: Path) -> Inputs:
    dataset = WebDataset(path=bench.work / CIFAR10)
    source = find_model(f"open_clip:local-dir:{bench.model}")
    model = OpenedModel(source, Store(store), "float32", EncodeSettings("cpu"))
    index = model.images.embed(dataset.split(SPLIT), f"cifar10/{SPLIT}")
    images = SplitReader(model.store, model.fingerprint).open(index, ("projected",)).images
    facts = DatasetFacts("cifar10", dataset.classes, multilabel=False, splits=(SPLIT,))
    model.texts.embed(needed_strings(facts, filled(dataset.classes)))
    assert (model.images.encoded, model.texts.encoded) == (0, 0), "the commands have not stored everything"
    return Inputs(facts, model.info, {SPLIT: images}, model.texts.files.get)


def spread(templates: Sequence[str], count: int) -> list[str]:
    """Return so many of the templates, from the first to the last."""
    return [templates[place] for place in np.linspace(0, len(templates) - 1, count).round().astype(int)]


def peer_runs(workers: int, templates: Sequence[str]) -> PeerRuns:
    """Name the peer's runs of some templates."""
    return PeerRuns(workers, {text: f"CLIP_benchmark, {workers} workers, {text!r}" for text in templates})


def top1_of(found: JobResult | Outcome) -> dict[str, float]:
    """Return each template's top-1."""
    table = found.tables["templates"]
    frame = table.frame() if isinstance(table, Table) else table
    return dict(zip(frame["template"], frame["top1"], strict=True))


def compare_answers(timings: Mapping[str, Timing], peers: Sequence[PeerRuns], images: int) -> dict[str, str]:
    """Return both sides' top-1 of each timed template, and by how many images they differ.

    Raises:
        SystemExit: they differ by more than rounding, or clipbench's runs differ among themselves.
    """
    ours = top1_of(timings[EMPTY].last)
    for run in (AFTER, STORED, ALONE):
        if top1_of(timings[run].last) != ours:
            raise SystemExit(f"{run!r} gives other numbers than {EMPTY!r}")
    facts = {}
    for peer in peers:
        for template, label in peer.labels.items():
            theirs = timings[label].last["top-1"]
            apart = round(images * (ours[template] - theirs))
            facts[f"top-1 by {label}"] = f"{theirs:.4f}; clipbench {ours[template]:.4f}, {apart:+d} images"
            if abs(apart) > ROUNDING:
                raise SystemExit(f"{label}: top-1 {theirs}, clipbench {ours[template]}: {apart:+d} images")
    return facts


def beside_the_peer(arguments: argparse.Namespace) -> None:
    """Time both sides on CIFAR-10, round by round, and show what came out."""
    python = make_peer(arguments.make_peer) if arguments.make_peer else arguments.peer_python
    chosen = "default" if arguments.workers is None else arguments.workers
    facts: dict[str, object] = {"peer": peer_versions(python), "clipbench's workers": chosen}
    templates = load_prompt_set(PROMPTS).templates
    timed = spread(templates, arguments.peer_templates)
    peers = [peer_runs(int(workers), timed) for workers in arguments.peer_workers.split(",")]
    with tempfile.TemporaryDirectory() as name, threadpool_limits(arguments.threads, user_api="blas"):
        data = development_data()
        mirror_cifar10(data, Path(name) / CIFAR10, limit=arguments.limit_images)
        sides = Sides(Bench(Path(name), data / "models" / "cifar-clip", arguments.threads), arguments.workers)
        warm_up()
        timings = alternate(sides.runs(python, peers), arguments.rounds)
    images = len(timings[ALONE].last.examples)
    facts |= compare_answers(timings, peers, images)
    whole = dict(peer.extrapolated(timings, len(templates)) for peer in peers)
    best = min(whole, key=lambda label: whole[label].median)
    facts["peer's best"] = best
    facts["the task alone"] = f"{timings[ALONE].median:.2f} s (aim: under {AIM_ALONE})"
    ratios = [Ratio(f"{run}, times faster than the peer's best", run, best, AIM) for run in (EMPTY, AFTER, STORED)]
    title = f"{len(templates)} templates on {images:,} images of CIFAR-10, {arguments.threads} threads"
    show(title, timings | whole, ratios, items=images, unit="images", facts=facts, json_file=arguments.json)


def evaluate_in_a_child(world: World, threads: int) -> Timed:
    """Evaluate the task on a world that is written, in a process of its own."""
    command = [sys.executable, Path(__file__).with_name("prompt_scale.py"), world.folder, world.images, world.classes]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(list(map(str, command)), env=environment, stdout=subprocess.PIPE, text=True, check=True)
    evaluation = Evaluation(**json.loads(done.stdout))
    return Timed(evaluation.seconds, evaluation)


def at_scale(arguments: argparse.Namespace) -> None:
    """Time the task on made-up features, and show how much memory it had beside what its plan says."""
    images, classes = arguments.scale
    templates = len(load_prompt_set(PROMPTS).templates)
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), images, classes)
        world.write()
        timings = alternate({ALONE: lambda _: evaluate_in_a_child(world, arguments.threads)}, arguments.rounds)
    last: Evaluation = timings[ALONE].last
    facts = {
        "peak of memory": f"{last.peak / 1e9:.2f} GB, {last.before / 1e9:.2f} GB of it before the evaluation",
        "what the evaluation added": f"{(last.peak - last.before) / 1e9:.2f} GB",
        "memory by the job's plan": f"{last.planned / 1e9:.2f} GB",
        "mean top-1 of the templates": f"{last.mean_top1:.4f}",
    }
    title = f"{templates} templates x {classes:,} classes x {images:,} made-up images, {arguments.threads} threads"
    show(title, timings, [], items=images, unit="images", facts=facts, json_file=arguments.json)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time prompt sensitivity against CLIP_benchmark, or at scale.")
    what = parser.add_mutually_exclusive_group(required=True)
    add_options(parser, what)
    what.add_argument("--scale", type=int, nargs=2, metavar=("N", "C"), help="made-up images and classes instead")
    parser.add_argument("--peer-templates", type=int, default=3, help="templates that it is timed on [%(default)s]")
    arguments = parser.parse_args()
    if arguments.scale:
        at_scale(arguments)
    else:
        beside_the_peer(arguments)


if __name__ == "__main__":
    main()
