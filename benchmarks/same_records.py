"""Do two results folders hold the same numbers? For changes to the code that must not change what it computes.

Compares values, intervals, n and tables, of jobs and of analyses; never hashes, notes, sentences or times. What one
folder alone has is a difference too, unless it is declared as taken out. Prints every difference, and exits with 1 if
there is one.

    python benchmarks/same_records.py OLD NEW
    python benchmarks/same_records.py OLD NEW --removed metric:optimism --removed table:synonyms \\
        --removed "row:choice:greedy ensemble"

Both sides are read as plain JSON, so that folders written by an older version can be compared.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Key = tuple[str, ...]
RECORD = ("value", "low", "high", "level", "interval", "n", "n_broken", "unit", "main")


def read_folder(folder: Path, removed: set[str]) -> dict[Key, Any]:
    """Return every number of a results folder by what it is: ('job', model, ..., 'metric', name, field).

    Rows of tables are numbered without those that are declared as taken out.
    """
    found: dict[Key, Any] = {}
    for path in sorted((folder / "jobs").glob("*.json")):
        job = json.loads(path.read_text())
        found |= dict(_numbers(("job", *_job_key(job)), job, removed))
    for path in sorted((folder / "analyses").glob("*.json")):
        document = json.loads(path.read_text())
        for result in document.get("results", document.get("findings", ())):
            found |= dict(_numbers(("analysis", *_analysis_key(result, path)), result, removed))
    if not found:
        sys.exit(f"{folder}: holds no results")
    return found


def _job_key(job: dict[str, Any]) -> Key:
    parts = [job[name] for name in ("model", "dataset", "split", "task", "variant", "status")]
    return (*parts, job["pedigree"]["subset"], job["view"], job["matched"], job["trained_on"])


def _analysis_key(result: dict[str, Any], path: Path) -> Key:
    """Name an analysis's result by the jobs that it rests on: they say what it is about without words."""
    analysis = result.get("analysis") or result["task"]
    jobs = result["jobs"] if "jobs" in result else result["about"]["jobs"]
    known = {job_path.stem: _job_key(json.loads(job_path.read_text())) for job_path in _job_paths(path, jobs)}
    return (analysis, *sorted("/".join(known[name]) for name in jobs if name in known))


def _job_paths(path: Path, jobs: Sequence[str]) -> list[Path]:
    paths = [path.parent.parent / "jobs" / f"{name}.json" for name in jobs]
    return [job for job in paths if job.exists()]


def _numbers(key: Key, result: dict[str, Any], removed: set[str]) -> Iterator[tuple[Key, Any]]:
    for record in result["records"]:
        for name in RECORD:
            yield (*key, f"metric:{record['metric']}", name), record[name]
        yield (*key, f"metric:{record['metric']}", "params"), record["params"]
    for title, table in result["tables"].items():
        names = [f"row:{title}:{row[0]}" for row in table["rows"]]
        yield from (((*key, f"table:{title}", name), None) for name in names if name in removed)
        kept = [row for name, row in zip(names, table["rows"], strict=True) if name not in removed]
        for at, row in enumerate(kept):
            for column, value in zip(table["columns"], row, strict=True):
                yield (*key, f"table:{title}", f"{column}[{at}]"), value


def same(old: Any, new: Any, tolerance: float) -> bool:
    """Return whether two values agree; floats to a relative tolerance."""
    if isinstance(old, float) and isinstance(new, int | float):
        return math.isclose(old, new, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(same(value, new[name], tolerance) for name, value in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(same(*pair, tolerance) for pair in zip(old, new, strict=True))
    return bool(old == new)


def differences(old: dict[Key, Any], new: dict[Key, Any], removed: set[str], tolerance: float) -> Iterator[str]:
    """Yield a line for each number that differs; what is declared as taken out must be gone from `new`."""
    for key in sorted(old.keys() | new.keys()):
        words = " · ".join(part for part in key if part)
        if removed.intersection(key):
            if key in new:
                yield f"not taken out: {words}"
        elif key not in new:
            yield f"only in the old: {words}"
        elif key not in old:
            yield f"only in the new: {words}"
        elif not same(old[key], new[key], tolerance):
            yield f"differs: {words}: {old[key]!r} -> {new[key]!r}"


def main() -> None:
    """Compare two folders."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument(
        "--removed",
        action="append",
        default=[],
        help="metric:NAME, table:NAME or row:TABLE:FIRST-CELL taken out on purpose",
    )
    parser.add_argument("--tolerance", type=float, default=0.0, help="relative, of floats; 0: bit for bit")
    arguments = parser.parse_args()
    removed = set(arguments.removed)
    old, new = read_folder(arguments.old, removed), read_folder(arguments.new, removed)
    found = list(differences(old, new, removed, arguments.tolerance))
    print("\n".join(found[:200]))
    print(f"{len(old):,} numbers before, {len(new):,} after, {len(found):,} differences")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
