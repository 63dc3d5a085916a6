"""Corruptions: images per second on one core beside imagecorruptions, and a corrupted run beside bare forward passes.

    python benchmarks/corruptions.py [--make-peer DIR | --peer-python PYTHON] [--only rates|runs]
    python benchmarks/corruptions.py --only runs --corruptions zoom_blur,glass_blur --count 640

The rates are of the corruption alone, from 224 px in memory to 224 px in memory, at severities 3 and 5. A run reads,
decodes, corrupts (the ImageNet-C protocol), encodes and stores photographs, as `clipbench run` does, with the model's
image tower; the bare loop gives the same model random batches.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
import venv
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from image_throughput import BARE, bare_loop, write_images
from measure import Ratio, Run, alternate, show
from mirror import read
from open_clip_pair import Pair, build_pair, parser_with_common_options
from rich.console import Console
from rich.table import Table

from clipbench.datasets.base import Split
from clipbench.datasets.corruptions.corruption import Corruption, available
from clipbench.datasets.decoding import decode
from clipbench.embed.encode import CPU_BATCH, EncodeSettings, ImageEncoder
from clipbench.embed.loader import Decoder
from clipbench.embed.store import Store
from clipbench.runs.environment import describe_machine, versions

SEVERITIES = (3, 5)
PEER = "imagecorruptions-imaug==1.1.5"
AIM = 50
"""Images per second on one core, for every corruption."""
AIM_OF_RUN = 0.7
Rates = dict[str, dict[str, float]]
"""Name -> severity -> images per second."""


def rate(view: Corruption, images: Sequence[PIL.Image.Image], seconds: float) -> float:
    view(images[0], "warm")
    started, done = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < seconds:
        view(images[done % len(images)], str(done))
        done += 1
    return done / elapsed


def own_rates(images: Sequence[PIL.Image.Image], seconds: float) -> Rates:
    return {
        name: {str(severity): rate(Corruption(name, severity, "adapted"), images, seconds) for severity in SEVERITIES}
        for name in available()
    }


def peer_rates(python: Path, images: Path, seconds: float) -> Rates:
    command = [python, Path(__file__).with_name("corruption_peer.py"), images, seconds, *SEVERITIES]
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    single = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(list(map(str, command)), env=inherited | single, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"failed: {' '.join(map(str, command))}\n{done.stderr[-4000:]}")
    rates: Rates = json.loads(done.stdout)
    return rates


def measure_rates(split: Split, python: Path | None, rounds: int, seconds: float) -> Mapping[str, Rates]:
    """Return each side's median rates; the sides take turns, round by round."""
    examples = list(islice(read(split, None), 16))
    images = [decode(example.image).resize((224, 224)) for example in examples]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found: dict[str, list[Rates]] = {}
    with tempfile.TemporaryDirectory() as folder:
        array = Path(folder) / "images.npy"
        np.save(array, np.stack([np.asarray(image) for image in images]))
        for _ in range(rounds):
            found.setdefault("clipbench", []).append(own_rates(images, seconds))
            if python is not None:
                found.setdefault("imagecorruptions", []).append(peer_rates(python, array, seconds))
    torch.set_num_threads(threads)
    return {side: _median(several) for side, several in found.items()}


def show_rates(found: Mapping[str, Rates]) -> None:
    columns = [f"{side}, severity {severity}" for side in found for severity in SEVERITIES]
    table = Table("corruption", *columns, title="images per second on one core, 224 px")
    for name in available():
        rates = [found[side].get(name, {}).get(str(severity)) for side in found for severity in SEVERITIES]
        table.add_row(name, *("" if rate is None else f"{rate:,.0f}" for rate in rates))
    Console().print(table)
    slowest = min((rate, name) for name, by in found["clipbench"].items() for rate in by.values())
    print(f"slowest: {slowest[1]}, {slowest[0]:.0f} images/s (aim: at least {AIM})")


def corrupted_run(pair: Pair, split: Split, view: Corruption, count: int, workers: int) -> Run:
    """Return a run that embeds the split through a corruption into an empty store."""
    decoded = Decoder(pair.clipbench.transform, view)[read(split, 1)[0]]
    assert isinstance(decoded, torch.Tensor), decoded

    def run(_: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            settings = EncodeSettings("cpu", batch_size=CPU_BATCH, workers=workers)
            encoder = ImageEncoder(lambda: pair.clipbench, "benchmark", Store(Path(folder)), settings)
            encoder.embed(split, "benchmark/test", view=view)
            assert encoder.encoded == count

    return run


def measure_runs(arguments: argparse.Namespace, split: Split) -> None:
    pair = build_pair(arguments.model)
    count = len(read(split, None))
    runs = {BARE: bare_loop(pair, count, (224, 224))}
    for name in arguments.corruptions.split(","):
        view = Corruption(name, arguments.severity)
        runs[view.name] = corrupted_run(pair, split, view, count, arguments.workers)
    timings = alternate(runs, arguments.rounds)
    ratios = [Ratio(f"{name}, rate over bare loop's", name, BARE, aim=AIM_OF_RUN) for name in runs if name != BARE]
    title = f"{count:,} photographs, {arguments.model}, workers: {arguments.workers}, threads: {arguments.threads}"
    show(title, timings, ratios, items=count, unit="images", facts={}, json_file=None)


def make_peer(folder: Path) -> Path:
    """Make an environment with the peer, and return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", PEER], check=True)
    return python


def main() -> None:
    parser = parser_with_common_options("Time corruptions beside a peer, and a corrupted run.", rounds=3)
    parser.add_argument("--only", choices=("rates", "runs"), help="[both]")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each rate of each round [%(default)s]")
    parser.add_argument("--count", type=int, default=320, help="images a run [%(default)s]")
    parser.add_argument("--workers", type=int, default=2, help="decoding processes of a run [%(default)s]")
    parser.add_argument("--severity", type=int, default=3, help="of the runs [%(default)s]")
    parser.add_argument("--corruptions", default="gaussian_noise,glass_blur,zoom_blur,fog", help="[%(default)s]")
    peer = parser.add_mutually_exclusive_group()
    peer.add_argument("--peer-python", type=Path, help=f"the Python of an environment with {PEER}")
    peer.add_argument("--make-peer", type=Path, metavar="DIR", help="make such an environment here")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    python = make_peer(arguments.make_peer) if arguments.make_peer else arguments.peer_python
    with tempfile.TemporaryDirectory() as folder:
        split = write_images("photographs", arguments.count, Path(folder))
        if arguments.only != "runs":
            rates = measure_rates(split, python, arguments.rounds, arguments.seconds)
            show_rates(rates)
            if arguments.json is not None:
                document = {"images/s": rates, "machine": describe_machine(), "versions": versions()}
                arguments.json.write_text(json.dumps(document, indent=1))
        if arguments.only != "rates":
            measure_runs(arguments, split)


def _median(several: Sequence[Rates]) -> Rates:
    return {
        name: {severity: statistics.median(rates[name][severity] for rates in several) for severity in by}
        for name, by in several[0].items()
    }


if __name__ == "__main__":
    main()
