"""The linear probe's whole search and refit, against cold scikit-learn fits and CLIP_benchmark's AdamW sweep.

    python benchmarks/linear_probe.py                                  digits, scikit-learn alone: a minute
    python benchmarks/linear_probe.py --data cifar10 --make-peer DIR   makes CLIP_benchmark's environment, then measures
    python benchmarks/linear_probe.py --data cifar10 --peer-python PYTHON
    python benchmarks/linear_probe.py --synthetic 1280000 768 1000 --device cuda --cold-minutes 0

All get the same features, which lie in memory or, for CLIP_benchmark, in its own cache files, and choose the strength
of the penalty on the same fifth of the training images. Embedding, imports and the start of Python do not count.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from measure import Ratio, Run, Timing, alternate, show
from mirror import development_data
from probe_data import ProbeData, arrays, cifar10, digits, held_out, synthetic
from probe_peer import STORED, UNIT, Peer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits
from zero_shot_end_to_end import make_peer, peer_versions

from clipbench.embed.device import resolve_device
from clipbench.embed.housekeeping import default_cache
from clipbench.tasks.base import Outcome
from clipbench.tasks.probe.linear_probe import LinearProbe, LinearProbeSettings

OURS, FIVE, COLD = "clipbench", "clipbench, five hold-outs", "scikit-learn, cold"
SETTINGS = LinearProbeSettings(task="linear_probe", datasets=("benchmark",), hold_outs=1)
"""The others choose on one hold-out, too; by default there are four more, which say how far the choice hangs on it."""
MAX_ITERATIONS = 1000
Tried = list[float]
"""The values of C that clipbench's search visited last, ascending."""


@dataclass(frozen=True)
class ColdFits:
    """What fits that each begin at zero came to."""

    fits: int
    wanted: int
    not_converged: int
    top1: float | None = None
    """None: stopped before the end."""
    C: float | None = None

    def __str__(self) -> str:
        fits = f"{self.fits} of {self.wanted} fits, {self.not_converged} of them not converged"
        return f"stopped after {fits}" if self.top1 is None else f"top-1 {self.top1:.4f} at C = {self.C:.4g}, {fits}"


def probe(data: ProbeData, device: str, tried: Tried, hold_outs: int = 1) -> Run:
    """Return a run of the task: holding out, search, refit, test."""
    settings = SETTINGS.model_copy(update={"hold_outs": hold_outs})

    def run(_: int) -> Outcome:
        if device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats(device)
        outcome = LinearProbe().evaluate(data.inputs(device), settings, None)
        tried[:] = outcome.tables["validation_curve"]["C"]
        return outcome

    return run


def cold_fits(data: ProbeData, dtype: str, tried: Tried, minutes: float | None) -> Run:
    """Return a run of scikit-learn's fits at the values tried, and of a last one on all training images.

    After so many minutes no further fit of the search begins, and the last one is left out.
    """
    parts = ((features.astype(dtype, copy=False), labels) for features, labels in (*held_out(data), arrays(data.train)))
    fitted, validation, whole = parts
    features, labels = arrays(data.test)
    test = features.astype(dtype, copy=False), labels

    def run(_: int) -> ColdFits:
        started = time.perf_counter()
        scores: dict[float, float] = {}
        wanted, not_converged = len(tried) + 1, 0
        for C in tried:  # noqa: N806 - scikit-learn's name
            if minutes is not None and time.perf_counter() - started > 60 * minutes:
                return ColdFits(len(scores), wanted, not_converged)
            head, converged = _fit_cold(C, *fitted)
            scores[C] = head.score(*validation)
            not_converged += not converged
        # The values ascend and the first of equal scores is taken: the stronger penalty, as in clipbench.
        best = max(scores, key=scores.__getitem__)
        head, converged = _fit_cold(best, *whole)
        return ColdFits(wanted, wanted, not_converged + (not converged), float(head.score(*test)), best)

    return run


def _fit_cold(C: float, features: Any, labels: Any) -> tuple[LogisticRegression, bool]:  # noqa: N803
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        head = LogisticRegression(C=C, max_iter=MAX_ITERATIONS).fit(features, labels)
    return head, not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)


def warm_up(device: str) -> None:
    """Let both load what they load at their first use."""
    # The allocator has to be there before its peak can be reset.
    torch.zeros(1, device=device)
    small = synthetic(400, 8, 3)
    tried: Tried = []
    probe(small, device, tried)(0)
    cold_fits(small, "float32", tried, None)(0)


def describe(outcome: Outcome) -> str:
    """Return what clipbench's search came to, in a line."""
    params, curve = _main(outcome).params, outcome.tables["validation_curve"]
    seconds = ", ".join(f"{part} {spent:.2f} s" for part, spent in outcome.seconds.items())
    open_fits = int((~curve["converged"]).sum()) + (not params["converged"])
    fits = f"{len(curve) + 1} of {len(curve) + 1} fits, {open_fits} of them not converged"
    return f"top-1 {_main(outcome).value:.4f} at C = {params['C']:.4g}, {fits}; {seconds}"


def _main(outcome: Outcome) -> Any:
    return next(metric for metric in outcome.metrics if metric.main)


def facts_of(data: ProbeData, timings: dict[str, Timing], device: str) -> dict[str, Any]:
    """Return what each run found, how far the peers' test accuracies are from ours, and the memory."""
    ours = timings[OURS].last
    facts: dict[str, Any] = {
        f"result of {name}": describe(timing.last) if name in (OURS, FIVE) else str(timing.last)
        for name, timing in timings.items()
    }
    for name, timing in timings.items():
        if name not in (OURS, FIVE) and timing.last.top1 is not None:
            gain = 100 * (_main(ours).value - timing.last.top1)
            facts[f"test top-1 of {OURS} minus that of {name}"] = f"{gain:+.2f} points"
    inputs = data.inputs(device)
    memory = LinearProbe().needs(SETTINGS, inputs.dataset, inputs.model, None).memory
    assert memory is not None
    counts = {name: len(images) for name, images in inputs.sets.items()}
    facts["memory by clipbench's plan"] = f"{memory(counts, data.width) / 1e9:.2f} GB"
    if device.startswith("cuda"):
        facts["peak of GPU memory"] = f"{torch.cuda.max_memory_allocated(device) / 1e9:.2f} GB"
        facts["GPU"] = torch.cuda.get_device_name(device)
    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    facts["BLAS of numpy and scipy"] = ", ".join(
        f"{pool['internal_api']} {pool.get('architecture', '')}" for pool in blas
    )
    return facts


def ratios_of(timings: dict[str, Timing], peers: Sequence[str]) -> list[Ratio]:
    """Return the ratios with their aims: to scikit-learn, and to the fastest of CLIP_benchmark's AdamW sweeps."""
    ratios = [Ratio("times as long with five hold-outs", OURS, FIVE)]
    if COLD in timings:
        whole = timings[COLD].last.top1 is not None
        bound = "" if whole else " (a lower bound: it was stopped)"
        ratios.append(Ratio(f"times faster than {COLD}{bound}", OURS, COLD, aim=3))
    if peers:
        best = min(peers, key=lambda name: timings[name].median)
        ratios.append(Ratio(f"times faster than {best}, its fastest", OURS, best, aim=10))
    return ratios


def main() -> None:
    arguments = parse_arguments()
    device = resolve_device(arguments.device)
    torch.set_num_threads(arguments.threads)
    python = make_peer(arguments.make_peer) if arguments.make_peer else arguments.peer_python
    data = load(arguments)
    tried: Tried = []
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(arguments.threads, user_api="blas"):
        warm_up(device)
        runs = {OURS: probe(data, device, tried), FIVE: probe(data, device, [], 5)}
        if arguments.cold_minutes != 0:
            runs[COLD] = cold_fits(data, arguments.cold_precision, tried, arguments.cold_minutes)
        peers: dict[str, Run] = {}
        if python is not None:
            peer = Peer(
                python, Path(folder), arguments.peer_workers, arguments.peer_epochs, on_gpu=device.startswith("cuda")
            )
            peer.write_features(data)
            counts = dict.fromkeys(arguments.peer_threads or (1, arguments.threads))
            peers = {
                f"AdamW, {kind}, threads: {threads}": peer.sweep(kind, threads)
                for kind in (UNIT, STORED)
                for threads in counts
            }
        timings = alternate(runs | peers, arguments.rounds)
        facts = facts_of(data, timings, device)
    facts |= {"classes": data.classes, "device": device, "threads": arguments.threads}
    facts["scikit-learn's features"] = arguments.cold_precision
    if python is not None:
        facts["peer"] = peer_versions(python)
    title = f"linear probe, {data.name}, {len(data.train):,} x {data.width:,}"
    ratios = ratios_of(timings, list(peers))
    show(title, timings, ratios, items=len(data.train), unit="images", facts=facts, json_file=arguments.json)


def load(arguments: argparse.Namespace) -> ProbeData:
    """Return the data that the options name."""
    if arguments.synthetic:
        data = synthetic(*arguments.synthetic)
    elif arguments.data == "cifar10":
        data = cifar10(arguments.data_folder or development_data(), arguments.cache or default_cache())
    else:
        data = digits()
    return data.limited(arguments.limit) if arguments.limit else data


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time the linear probe's search and refit against peers.")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--data", choices=("digits", "cifar10"), default="digits", help="[%(default)s]")
    source.add_argument("--synthetic", type=int, nargs=3, metavar=("N", "D", "C"), help="images, width, classes")
    parser.add_argument("--data-folder", type=Path, help="the development data, for cifar10")
    parser.add_argument("--cache", type=Path, help="clipbench's store, for cifar10 [its default]")
    parser.add_argument("--limit", type=int, help="use so many images of each split: to try the script")
    parser.add_argument("--device", default="cpu", help="of clipbench and CLIP_benchmark [%(default)s]")
    parser.add_argument("--cold-precision", choices=("float32", "float64"), default="float32", help="[%(default)s]")
    text = "begin no further cold fit of the search after so long; the ratio is then a lower bound; 0: no cold fits"
    parser.add_argument("--cold-minutes", type=float, metavar="M", help=text)
    peer = parser.add_mutually_exclusive_group()
    peer.add_argument("--peer-python", type=Path, help="the Python of an environment with CLIP_benchmark")
    peer.add_argument("--make-peer", type=Path, metavar="DIR", help="make such an environment here")
    parser.add_argument("--peer-workers", type=int, default=0, help="its loader processes [%(default)s]")
    parser.add_argument("--peer-epochs", type=int, help="of each of its trainings [its own default, 10]")
    parser.add_argument("--peer-threads", type=int, nargs="+", help="of torch, to try with it [1 and --threads]")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser.add_argument("--threads", type=int, default=cores, help="of torch and of numpy's BLAS [%(default)s]")
    parser.add_argument("--rounds", type=int, default=3, help="how often each run is timed [%(default)s]")
    parser.add_argument("--json", type=Path, help="write the numbers to this file too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
