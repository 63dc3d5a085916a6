"""A training beside open_clip's own: images per second, and memory against the contrastive batch.

    python benchmarks/training.py speed [--model ViT-S-32] [--batch 64] [--steps 4] [--captions long|short]
    python benchmarks/training.py speed --tar [--workers 1]     photographs are read and decoded, on both sides
    python benchmarks/training.py memory [--batches 64,128,256,512,1024] [--part 32]

Both sides have open_clip's towers of one configuration, AdamW with the same settings, the same batch, precision and
threads. open_clip's side is its `open_clip_train.train.train_one_epoch`, clipbench's is `training.loop.train`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import open_clip
import torch
from measure import Ratio, Timed, alternate, show
from prompt_scale import peak_memory
from rich.console import Console
from rich.table import Table
from training_sides import LONG, SHORT, Setting, ours, theirs, write_tar

from clipbench.embed.device import is_out_of_memory, resolve_device
from clipbench.runs.environment import describe_machine

OURS, THEIRS = "clipbench", "open_clip_train"
LARGE = "whole batch at once"
SIDES = {LARGE: ours, OURS: ours, THEIRS: theirs}
"""What is measured in a process of its own; the last two take the batch part by part."""


def configuration(name: str, layers: int | None) -> dict[str, Any]:
    """Return open_clip's configuration of a name, with so many layers in each tower if a number is given."""
    config = open_clip.get_model_config(name)
    if config is None:
        raise SystemExit(f"open_clip has no configuration {name!r}")
    known = {key: dict(config[key]) for key in ("vision_cfg", "text_cfg")}
    for tower in known.values():
        tower["layers"] = layers or tower["layers"]
    return {"embed_dim": config["embed_dim"], **known}


def speed(arguments: argparse.Namespace, setting: Setting) -> None:
    """Time both loops in turn."""
    if arguments.tar and not (find_spec("webdataset") and find_spec("braceexpand")):
        raise SystemExit("open_clip's loader needs its own packages: pip install webdataset braceexpand")

    def timed(side: Callable[[Setting, int], list[float]]) -> Callable[[int], Timed]:
        return lambda _: Timed(sum(seconds := side(setting, arguments.steps)), seconds)

    timings = alternate({OURS: timed(ours), THEIRS: timed(theirs)}, arguments.rounds)
    facts = {
        "captions": arguments.captions,
        "precision": setting.precision,
        "device": setting.device,
        "workers": setting.workers if arguments.tar else "none: one batch in memory",
    }
    ratios = [Ratio("images/s, clipbench's over open_clip's", OURS, THEIRS, aim=1.0)]
    title = f"{arguments.model}, {arguments.steps} steps of {arguments.batch} pairs"
    items = arguments.steps * arguments.batch
    show(title, timings, ratios, items=items, unit="images", facts=facts, json_file=arguments.json)


def memory(arguments: argparse.Namespace) -> None:
    """Show the peak of each batch, each in a process of its own."""
    title = f"{arguments.model}, layers: {arguments.layers or 'all'}, MB over that of a batch of 2"
    columns = (LARGE, f"{OURS}, part {arguments.part}", f"{THEIRS} --accum-freq, {arguments.part} a pass")
    table = Table("batch", *columns, title=title)
    found: dict[int, dict[str, int | None]] = {}
    for batch in map(int, arguments.batches.split(",")):
        found[batch] = {name: _child(name, batch, arguments) for name in SIDES}
        row = [f"{size / 1e6:,.0f}" if size is not None else "does not fit" for size in found[batch].values()]
        print(f"batch {batch:,}: {', '.join(row)}", flush=True)
        table.add_row(f"{batch:,}", *row)
    Console().print(table)
    machine = describe_machine()
    print(*(f"{key}: {value}" for key, value in machine.items()), sep="\n")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"benchmark": title, "bytes": found, "machine": machine}, indent=1))


def _child(name: str, batch: int, arguments: argparse.Namespace) -> int | None:
    """Return the bytes that a step takes more than one of two pairs; None where there are not enough."""
    own = ["--model", arguments.model, "--layers", str(arguments.layers), "--part", str(arguments.part)]
    own += ["--device", arguments.device, "--precision", arguments.precision, "--threads", str(arguments.threads)]
    command = [sys.executable, __file__, "step", "--batch", str(batch), "--side", name, *own]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode < 0:  # Linux ends a process for which there is no memory.
        return None
    if ended.returncode:
        raise SystemExit(ended.stderr)
    size: int | None = json.loads(ended.stdout.splitlines()[-1])
    return size


def step(arguments: argparse.Namespace, setting: Setting) -> None:
    """Print the bytes that a step takes more than one of two pairs."""
    side, small = SIDES[arguments.side], Setting(setting.config, 2, setting.device, setting.precision)
    whole = arguments.side == LARGE or arguments.part >= setting.batch
    large = Setting(setting.config, setting.batch, setting.device, setting.precision, None if whole else arguments.part)
    side(small, 0)
    before = _peak(setting.device)
    try:
        side(large, 0)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        print("null")
    else:
        print(_peak(setting.device) - before)


def _peak(device: str) -> int:
    return torch.cuda.max_memory_allocated(device) if device.startswith("cuda") else peak_memory()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare a training with open_clip's own.")
    commands = parser.add_subparsers(dest="command", required=True)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for name in ("speed", "memory", "step"):
        command = commands.add_parser(name)
        command.add_argument("--model", default="ViT-S-32" if name == "speed" else "ViT-B-32", help="[%(default)s]")
        layers = None if name == "speed" else 1
        command.add_argument("--layers", type=int, default=layers, help="of each tower; 0: all [%(default)s]")
        command.add_argument("--device", default="auto", help="[%(default)s]")
        command.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="[%(default)s]")
        command.add_argument("--threads", type=int, default=cores, help="of torch [%(default)s]")
        command.add_argument("--json", type=Path, help="write the numbers to this file too")
        if name != "memory":
            command.add_argument("--batch", type=int, default=64, help="[%(default)s]")
        if name != "speed":
            command.add_argument("--part", type=int, default=32, help="pairs a pass [%(default)s]")
    timed, grown = commands.choices["speed"], commands.choices["memory"]
    timed.add_argument("--steps", type=int, default=4, help="that are timed [%(default)s]")
    timed.add_argument("--rounds", type=int, default=5, help="how often each run is timed [%(default)s]")
    timed.add_argument("--captions", choices=("long", "short"), default="long", help="[%(default)s]")
    timed.add_argument("--tar", action="store_true", help="read and decode photographs")
    timed.add_argument("--workers", type=int, default=0, help="that decode [%(default)s]")
    grown.add_argument("--batches", default="64,128,256,512,1024", help="[%(default)s]")
    commands.choices["step"].add_argument("--side", choices=tuple(SIDES), required=True)
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    arguments.device = resolve_device(arguments.device)
    config = configuration(arguments.model, arguments.layers)
    if arguments.command == "memory":
        memory(arguments)
        return
    if arguments.command == "step":
        step(arguments, Setting(config, arguments.batch, arguments.device, arguments.precision))
        return
    caption = {"long": LONG, "short": SHORT}[arguments.captions]
    setting = Setting(config, arguments.batch, arguments.device, arguments.precision, caption=caption)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.tar:
            tar = write_tar(Path(folder), caption)
            setting = Setting(
                config, arguments.batch, arguments.device, arguments.precision, None, caption, tar, arguments.workers
            )
        speed(arguments, setting)


if __name__ == "__main__":
    main()
