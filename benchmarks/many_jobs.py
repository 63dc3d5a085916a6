"""How long do many jobs take that are all done: the same command again, and the page of their results?

Builds a suite of zero-shot classification of one small set with many prompt templates, each a job, runs it once with
the model inside the package, and times the same command again and `clipbench report`, each in a process of its own.

    python benchmarks/many_jobs.py --jobs 400
    python benchmarks/many_jobs.py --jobs 400 --profile rerun

The folder is kept, so that a second measurement need not run the jobs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path


def write_suite(path: Path, jobs: int, images: int) -> None:
    """Write a suite of this many jobs."""
    templates = [f"a {{}}, picture {number}." for number in range(jobs)]
    task = {"task": "zero_shot", "datasets": ["scenes-shape"], "limit": images, "prompts": templates}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"name": "many-jobs", "tasks": [task]}))


def seconds(folder: Path, *arguments: str, profile: Path | None = None) -> float:
    """Run a command of clipbench in a folder, with a cache of its own, and return how long it took."""
    module = ["-m", "cProfile", "-o", str(profile), "-m", "clipbench"] if profile else ["-m", "clipbench"]
    repository = str(Path(__file__).resolve().parents[1])
    environment = {**os.environ, "CLIPBENCH_CACHE": str(folder / "cache"), "PYTHONPATH": repository}
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, *module, *arguments], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - started


def main() -> None:
    """Run the jobs once, then time what is left to do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=400)
    parser.add_argument("--images", type=int, default=60, help="that each job uses")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/clipbench-many-jobs"))
    parser.add_argument("--repeat", type=int, default=3, help="times; the fastest is printed")
    parser.add_argument("--profile", choices=("rerun", "report"), help="print where its time goes instead")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    write_suite(folder / "many.json.yaml", arguments.jobs, arguments.images)
    commands = {
        "rerun": ("run", "many.json.yaml", "--model", "clip-tiny", "--output", "results", "--workers", "0"),
        "report": ("report", "results"),
    }
    print(f"first    {seconds(folder, *commands['rerun']):.2f} s, or less if it was run before")
    if arguments.profile:
        seconds(folder, *commands[arguments.profile], profile=folder / "profile")
        subprocess.run([sys.executable, "-m", "pstats", "profile"], input=b"sort cumulative\nstats 60\n", cwd=folder)
        return
    for name, command in commands.items():
        print(f"{name:<8} {min(seconds(folder, *command) for _ in range(arguments.repeat)):.2f} s")


if __name__ == "__main__":
    main()
