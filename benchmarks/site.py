"""How long does a site's data take, and how large is what its index loads?

Writes the data of the published board (117 models x 38 sets) alone, or beside results of one's own, into a folder that
is removed again, and prints the fastest time and the size of `data/board.js` as it is and as a web server sends it.

    python benchmarks/site.py
    python benchmarks/site.py --results results/mine results/yours
"""

from __future__ import annotations

import argparse
import gzip
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from clipbench.report.site.data.files import write_site_data
from clipbench.results.folder import Results, load_results


def main() -> None:
    """Write the data several times and print the fastest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, nargs="*", default=[], help="folders to show beside the published rows")
    parser.add_argument("--repeat", type=int, default=3, help="times; the fastest is printed")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        results = load_results(*arguments.results) if arguments.results else Results(Path(folder) / "nothing")
        output, seconds = Path(folder) / "site", []
        for _ in range(arguments.repeat):
            started = time.perf_counter()
            write_site_data(results, output, published=["open-clip"])
            seconds.append(time.perf_counter() - started)
        script = (output / "data" / "board.js").read_bytes()
    print(f"data      {min(seconds):.2f} s, the first time {seconds[0]:.2f} s")
    print(f"board.js  {len(script) / 1e3:.0f} kB, {len(gzip.compress(script)) / 1e3:.1f} kB gzipped")


if __name__ == "__main__":
    main()
