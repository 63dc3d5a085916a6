"""Flip one bit of a file in the cache, run a suite, and look whether its numbers changed; many times in one process.

    python benchmarks/flip_and_run.py SUITE CACHE RESULTS FLIPS KIND...

`faults.py` calls it. Prints as JSON, in the last line, how many flips in each kind of file left the numbers as they
were, changed them, or ended the run.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import same_records

import clipbench


def _run(suite: Path, output: Path) -> dict[same_records.Key, object]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        clipbench.run(suite, models=["clip-tiny"], output=output)
    return same_records.read_folder(output, set())


def _flip(path: Path, bits: random.Random) -> None:
    content = bytearray(path.read_bytes())
    position = bits.randrange(8 * len(content))
    content[position // 8] ^= 1 << position % 8
    path.write_bytes(content)


def main() -> None:
    """Flip and count."""
    suite, cache, whole = map(Path, sys.argv[1:4])
    flips, kinds = int(sys.argv[4]), sys.argv[5:]
    expected = _run(suite, whole)
    clean = cache.with_name(f"{cache.name}-clean")
    shutil.copytree(cache, clean)
    bits = random.Random(0)
    counted = {}
    for kind in kinds:
        files = sorted(path.relative_to(clean) for path in (clean / kind).rglob("*") if path.is_file())
        outcomes: Counter[str] = Counter({"same numbers": 0, "other numbers": 0, "runs ended": 0})
        for _ in range(flips):
            shutil.rmtree(cache)
            shutil.copytree(clean, cache, copy_function=shutil.copy2)
            _flip(cache / bits.choice(files), bits)
            with tempfile.TemporaryDirectory() as folder:
                try:
                    found = _run(suite, Path(folder, "results"))
                    outcomes["same numbers" if found == expected else "other numbers"] += 1
                except Exception as error:  # noqa: BLE001 - whatever ends a run is what is counted
                    outcomes["runs ended"] += 1
                    print(f"{kind}: {type(error).__name__}: {error}", file=sys.stderr)
        counted[kind] = dict(outcomes)
    print(json.dumps(counted))


if __name__ == "__main__":
    main()
