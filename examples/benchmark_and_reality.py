"""How much of a benchmark's accuracy is left on one's own photographs of the same things?

    python examples/benchmark_and_reality.py data/studio data/field vit-b-32

Each folder holds CLASS/*.jpg; names may differ in case, spaces and hyphens. The page is
results/benchmark-and-reality/report.html.
"""

import sys
from pathlib import Path

import clipbench


def compare(benchmark: Path, real: Path, model: str, output: Path) -> clipbench.Results:
    suite = output / "suite.yaml"
    suite.parent.mkdir(parents=True, exist_ok=True)
    suite.write_text(clipbench.shift_suite(benchmark, real).text, encoding="utf-8")
    return clipbench.run(suite, [model], output=output)


def main(benchmark: str, real: str, model: str = "clip-tiny") -> None:
    results = compare(Path(benchmark), Path(real), model, Path("results") / "benchmark-and-reality")
    for result in results.analysis_results():
        for record in result.records:
            if record.metric in ("reference_top1", "shift_top1", "gap"):
                print(f"{record.metric:15} {record.value:6.3f} [{record.low:.3f}, {record.high:.3f}]")
        print(*result.notes, sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
