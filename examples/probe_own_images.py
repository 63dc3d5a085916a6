"""What are labels worth on one's own photographs? Zero-shot, a few examples of each class, and all of them.

    python examples/probe_own_images.py data/leaves vit-b-32

The folder holds train/CLASS/*.jpg and test/CLASS/*.jpg, and val/CLASS/*.jpg if there is a validation split. The page
is results/own-images/report.html.
"""

import json
import sys
from pathlib import Path

import clipbench

SUITE = """
name: own-images
datasets:
  own: {{adapter: folder, path: {path}, regime: field}}
tasks:
  - {{task: zero_shot, datasets: own, prompts: photo}}
  - {{task: linear_probe, datasets: own}}
  - {{task: few_shot, datasets: own, shots: [1, 2, 4, 8], allow_fewer: true}}
"""


def probe(folder: Path, model: str, output: Path) -> clipbench.Results:
    output.mkdir(parents=True, exist_ok=True)
    suite = output / "suite.yaml"
    suite.write_text(SUITE.format(path=json.dumps(str(folder.resolve()))), encoding="utf-8")
    return clipbench.run(suite, [model], output=output)


def main(folder: str, model: str = "clip-tiny") -> None:
    results = probe(Path(folder), model, Path("results") / "own-images")
    measured = results.frame[results.frame["main"]].set_index(["task", "variant"])
    print(measured[["metric", "value", "low", "high", "n"]].round(3).to_string())
    for result in results.analysis_results():
        for record in result.records:
            interval = "" if record.low is None else f"[{record.low:.3f}, {record.high:.3f}]"
            print(record.metric, "undefined" if record.value is None else f"{record.value:.3f}", interval)
        print(*result.notes, sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
