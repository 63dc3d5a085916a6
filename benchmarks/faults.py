"""What may happen to a run, caused for real, and what is left of it: the table of docs/reliability.md.

Each fault strikes the same small run (digits and drawn scenes, clip-tiny, zero-shot and a probe), which then goes on
or starts again; its records must be those of an undisturbed one (`same_records.py`).

    python benchmarks/faults.py                     all of them, half an hour or more
    python benchmarks/faults.py --only kills flips  some
    python benchmarks/faults.py --markdown          as the table in the docs

Disks that are full or read-only are mounted (tmpfs), which only root may; those rows say so where they are left out.
Exits with 1 if a row does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import same_records

SUITE = """
name: faults
datasets:
  drawn: {adapter: scenes, by: shape, n: 2500}
  told: {adapter: scenes, by: caption, n: 600, seed: 7}
tasks:
  - {task: zero_shot, datasets: [drawn, digits], prompts: [own, "a picture of a {}."]}
  - {task: linear_probe, datasets: [digits]}
  - {task: retrieval, datasets: [told]}
"""
SMALL_SUITE = """
name: flips
datasets:
  drawn: {adapter: scenes, by: shape, n: 60}
tasks:
  - {task: zero_shot, datasets: [drawn]}
"""
KILLS, PROCESSES, FLIPS = 50, 8, 300
KINDS = ("embeddings", "texts", "data", "locators", "models")
"""The folders of the cache."""


@dataclass(frozen=True)
class Row:
    """One fault: what was done, what came of it, and whether that is what was promised."""

    fault: str
    came_of_it: str
    holds: bool


class World:
    """A folder to break things in, with the records of an undisturbed run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.suite = folder / "faults.yaml"
        self.suite.write_text(SUITE)
        started = time.monotonic()
        self.cache, self.results = folder / "whole-cache", folder / "whole"
        self.run(self.cache, self.results).check_returncode()
        self.seconds = time.monotonic() - started

    def start(self, cache: Path, results: Path, *more: str) -> subprocess.Popen[str]:
        """Start a run in a process group of its own."""
        command = [sys.executable, "-m", "clipbench", "run", str(self.suite), "--model", "clip-tiny"]
        return subprocess.Popen(
            [*command, "--output", str(results), *(more or ("--workers", "0"))],
            env={**os.environ, "CLIPBENCH_CACHE": str(cache), "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, cache: Path, results: Path, *more: str) -> subprocess.CompletedProcess[str]:
        """Run to the end; `stdout` has what was said."""
        process = self.start(cache, results, *more)
        said, _ = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, said)

    def new(self, name: str) -> tuple[Path, Path]:
        """Return folders for a cache and for results that do not exist yet."""
        return self.folder / f"{name}-cache", self.folder / f"{name}-results"

    def differences(self, results: Path) -> int:
        """Count the numbers that are not those of the undisturbed run."""
        return differences(self.results, results)

    def verdict(self, fault: str, results: Path, came_of_it: str, *, promised: bool = True) -> Row:
        """Return a row that holds if what was promised came true and the records in the end are the same."""
        differ, drafts = self.differences(results), len(list(self.folder.glob("**/*.part")))
        told = f"{came_of_it}; {differ} numbers differ" + (f"; {drafts} drafts left" if drafts else "")
        return Row(fault, told, promised and differ == 0)


def differences(one: Path, other: Path) -> int:
    """Count the numbers in which two results folders differ."""
    first, second = (same_records.read_folder(folder, set()) for folder in (one, other))
    return sum(first.get(key) != second.get(key) for key in {*first, *second})


def kills(world: World) -> Iterator[Row]:
    """SIGKILL at random moments of a run that is started again each time."""
    moments, hit, finished = random.Random(0), 0, 0
    differ = 0
    while hit < KILLS:
        cache, results = world.new(f"killed-{finished}")
        process = world.start(cache, results)
        try:
            process.communicate(timeout=moments.uniform(0.2, 1.0) * world.seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            hit += 1
            continue
        differ += world.differences(results)
        finished += 1
    cache, results = world.new(f"killed-{finished}")
    world.run(cache, results).check_returncode()
    differ += world.differences(results)
    for draft in world.folder.glob("killed-*/**/*.part"):
        draft.unlink()
    yield Row(f"SIGKILL, {KILLS} times", f"{finished + 1} runs came to their end; {differ} numbers differ", not differ)


def processes(world: World) -> Iterator[Row]:
    """Several processes make the same run with one cache and one results folder."""
    cache, results = world.new("shared")
    running = [world.start(cache, results) for _ in range(PROCESSES)]
    for process in running:
        process.communicate()
    codes = {process.returncode for process in running}
    yield world.verdict(f"{PROCESSES} processes at once", results, f"exit {codes}", promised=codes == {0})


@contextmanager
def disk(place: Path, options: str) -> Iterator[None]:
    """Mount a disk in memory, which is gone afterwards."""
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def disks(world: World) -> Iterator[Row]:
    """A disk that is full or read-only, below the cache and below the results."""
    if os.geteuid() != 0:
        yield Row("disks full and read-only", "left out: only root may mount a disk", holds=True)
        return
    for below in ("cache", "results"):
        for kind, size in (("full", "size=64k" if below == "cache" else "size=16k"), ("read-only", "ro")):
            folders = dict(zip(("cache", "results"), world.new(f"{kind}-{below}"), strict=True))
            with disk(folders[below], size):
                ended = world.run(folders["cache"], folders["results"])
                drafts = list(folders[below].rglob("*.part"))
            remedy = any(word in ended.stdout for word in ("CLIPBENCH_CACHE", "--output", "space"))
            code = 1 if below == "cache" else 2  # Where no job can be recorded, the run itself cannot go on.
            promised = ended.returncode == code and remedy and "Traceback" not in ended.stdout and not drafts
            for folder in folders.values():
                shutil.rmtree(folder, ignore_errors=True)
            world.run(folders["cache"], folders["results"])
            came = f"exit {ended.returncode}, {'with' if remedy else 'without'} a remedy, {len(drafts)} drafts; again"
            yield world.verdict(f"the disk of the {below} is {kind}", folders["results"], came, promised=promised)


def read_only_cache(world: World) -> Iterator[Row]:
    """A finished cache that nobody may write to."""
    if os.geteuid() != 0:
        return
    cache, results = world.new("finished")
    with disk(cache, "size=100m"):
        shutil.copytree(world.cache, cache, dirs_exist_ok=True)
        subprocess.run(["mount", "-o", "remount,ro", str(cache)], check=True)
        ended = world.run(cache, results)
    came = f"exit {ended.returncode}"
    yield world.verdict("a whole cache, read-only", results, came, promised=ended.returncode == 0)


def flips(world: World) -> Iterator[Row]:
    """One bit of a file in the cache is flipped, in each kind of file, and the run is made into a new folder."""
    suite, cache, whole = world.folder / "flips.yaml", world.folder / "flips-cache", world.folder / "flips-whole"
    suite.write_text(SMALL_SUITE)
    script = Path(__file__).with_name("flip_and_run.py")
    command = [sys.executable, str(script), str(suite), str(cache), str(whole), str(FLIPS), *KINDS]
    ended = subprocess.run(
        command,
        env={**os.environ, "CLIPBENCH_CACHE": str(cache), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    for kind, counted in json.loads(ended.stdout.splitlines()[-1]).items():
        came = ", ".join(f"{count} {what}" for what, count in counted.items())
        yield Row(f"{FLIPS} bits flipped in {kind}/", came, counted["other numbers"] == counted["runs ended"] == 0)


def workers(world: World) -> Iterator[Row]:
    """A process that decodes images is killed, as by a kernel that is out of memory."""
    cache, results = world.new("workers")
    process = world.start(cache, results, "--workers", "2")
    killed = False
    while process.poll() is None and not killed:
        children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False)
        for child in children.stdout.split():
            named = Path(f"/proc/{child}/cmdline")
            if named.exists() and b"resource_tracker" not in named.read_bytes():
                os.kill(int(child), signal.SIGKILL)
                killed = True
                break
        time.sleep(0.02)
    said, _ = process.communicate()
    came = f"exit {process.returncode}, {'Traceback' if 'Traceback' in said else 'no traceback'}; again"
    world.run(cache, results)
    yield world.verdict("a decoding process dies", results, came, promised=killed and "Traceback" not in said)


def signals(world: World) -> Iterator[Row]:
    """Ctrl-C, twice, and what a scheduler sends."""
    for name, sent, code in (
        ("SIGINT", (signal.SIGINT,), 130),
        ("SIGINT, twice", (signal.SIGINT, signal.SIGINT), 130),
        ("SIGTERM", (signal.SIGTERM,), 143),
    ):
        cache, results = world.new(name.replace(", ", "-"))
        process = world.start(cache, results)
        while process.poll() is None and not list(results.glob("jobs/*.json")):
            time.sleep(0.01)
        for number in sent:
            os.killpg(process.pid, number)
            time.sleep(0.05)
        said, _ = process.communicate()
        tidy = "Traceback" not in said and not list(cache.rglob("*.part"))
        again = world.run(cache, results)
        left = "tidy" if tidy else "a traceback or drafts"
        came = f"exit {process.returncode}, {left}; again: exit {again.returncode}"
        yield world.verdict(name, results, came, promised=tidy and process.returncode == code)


def clock(world: World) -> Iterator[Row]:
    """A job that says it was finished in 2099, of data that changed since."""
    from PIL import Image

    images, (cache, results) = world.folder / "images", world.new("clock")
    for number in range(12):
        place = images / ("red" if number % 2 else "blue") / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (200 + number, 0, 0) if number % 2 else (0, 0, 200 + number)).save(place)
    suite = world.folder / "clock.yaml"
    entry = f"{{adapter: folder, path: {images}}}"
    task = '{task: zero_shot, datasets: [mine], prompts: ["a {} picture."]}'
    suite.write_text(f"name: clock\ndatasets: {{mine: {entry}}}\ntasks: [{task}]\n")
    faulty, world.suite = world.suite, suite
    try:
        world.run(cache, results).check_returncode()
        for path in (results / "jobs").glob("*.json"):
            document = json.loads(path.read_text())
            document["run_metadata"]["finished"] = "2099-01-01T00:00:00+00:00"
            path.write_text(json.dumps(document))
        (images / "red" / "1.png").unlink()
        world.run(cache, results).check_returncode()
    finally:
        world.suite = faulty
    from clipbench import load_results

    counted = {record.n for job in load_results(results).jobs() for record in job.records}
    yield Row("a job dated 2099", f"shown: the newer one, n = {counted}", counted == {11})


def future(world: World) -> Iterator[Row]:
    """Records of a version to come, and a field that this one does not know."""
    cache, results = world.cache, world.folder / "future"
    shutil.copytree(world.results, results)
    first, second = sorted((results / "jobs").glob("*.json"))[:2]
    first.write_text(json.dumps({**json.loads(first.read_text()), "cluster": "a field to come"}))
    kept = world.run(cache, results)
    came = f"exit {kept.returncode}"
    yield world.verdict("an unknown field in a record", results, came, promised=kept.returncode == 0)
    second.write_text(json.dumps({**json.loads(second.read_text()), "format": 99}))
    refused = world.run(cache, results)
    named = second.name in refused.stdout and "Traceback" not in refused.stdout
    came = f"exit {refused.returncode}, {'the file is named' if named else refused.stdout.splitlines()[-1:]}"
    yield Row("a record of format 99", came, named and refused.returncode not in (0, 70))


FAULTS: Mapping[str, Callable[[World], Iterator[Row]]] = {
    fault.__name__: fault
    for fault in (kills, processes, disks, read_only_cache, flips, workers, signals, clock, future)
}


def main() -> None:
    """Cause the faults that were asked for and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--markdown", action="store_true")
    asked = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        if asked.markdown:
            print("| fault | what came of it | command |\n|---|---|---|")
        for name in asked.only:
            for row in FAULTS[name](world):
                failed |= not row.holds
                mark = "" if row.holds else " **does not hold**"
                command = f"`python benchmarks/faults.py --only {name}`"
                told = f"{row.fault} | {row.came_of_it}{mark}"
                print(f"| {told} | {command} |" if asked.markdown else told, flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
