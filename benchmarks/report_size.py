"""How large is a report, beside plotly's script?

Of results of one's own, or of made-up ones with the tables, pictures and answers that zero-shot jobs have: 12 sets of
10 to 1,000 classes, half of them shifts. Prints how large the parts of the page are, and how long it took to render.

    python benchmarks/report_size.py                  # 40 models x 12 sets
    python benchmarks/report_size.py --results results/mine
"""

from __future__ import annotations

import argparse
import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import PIL.Image

from clipbench.fingerprint import digest
from clipbench.report.page import plotly, render
from clipbench.results.folder import Results, load_results
from clipbench.results.records import JobResult, Pedigree, Record, Table
from clipbench.stats.intervals import wilson

CLASSES = (10, 10, 37, 47, 100, 102, 196, 200, 397, 1000, 1000, 1000)
"""Of each set."""

IMAGES, PICTURES, TEMPLATES = 2000, 12, 18


def main() -> None:
    """Make the results unless there are some, render them, and print what is how large."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, nargs="*", help="folders to report on")
    parser.add_argument("--models", type=int, default=40)
    parser.add_argument("--output", type=Path, help="where to write the page")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        results = load_results(*arguments.results) if arguments.results else made_up(Path(folder), arguments.models)
        started = time.perf_counter()
        page = render(results)
        print(f"rendered in {time.perf_counter() - started:.1f} s")
    if arguments.output:
        arguments.output.write_text(page, encoding="utf-8", errors="replace")
    page = page.replace(plotly(), "")
    for name, part in parts(page):
        print(f"{name:<20} {len(part.encode(errors='replace')) / 1e3:8.0f} kB")


def parts(page: str) -> Iterator[tuple[str, str]]:
    """Return the page's sections by name, the whole page last."""
    for found in re.finditer(r'<section id="([^"]+)">.*?(?=<section id=|</main>)', page, re.DOTALL):
        yield found[1], found[0]
    yield (
        "data of details",
        "".join(re.findall(r'<script type="application/json" id="held">.*?</script>', page, re.DOTALL)),
    )
    yield "thumbnails", "".join(re.findall(r"data:image/webp[^\"]*", page))
    yield "page", page


def made_up(folder: Path, models: int) -> Results:
    """Write zero-shot jobs of this many models on 12 sets, with thumbnails and per-example tables."""
    results, random = Results(folder / "made-up"), np.random.default_rng(0)
    results.write_run({"suite": "made-up", "description": f"{models} models on {len(CLASSES)} sets."})
    for place, classes in enumerate(CLASSES):
        labels = random.integers(classes, size=IMAGES)
        ease = random.random(IMAGES)
        for model in range(models):
            job, examples = _job(
                results, f"open_clip:ViT-B-{model}/laion_{model}", place, classes, labels, ease, random
            )
            path = results.examples_path(job.hash)
            path.parent.mkdir(parents=True, exist_ok=True)
            examples.to_parquet(path, index=False)
            results.write_job(job)
    return results


def _job(
    results: Results,
    model: str,
    place: int,
    classes: int,
    labels: np.ndarray,
    ease: np.ndarray,
    random: np.random.Generator,
) -> tuple[JobResult, pd.DataFrame]:
    names, dataset = [f"set {place} class number {at}" for at in range(classes)], f"made-up-set-{place}"
    right = ease + 0.3 * random.normal(size=IMAGES) < random.uniform(0.3, 0.9)
    predictions = np.where(right, labels, (labels + random.integers(1, classes, size=IMAGES)) % classes)
    correct = predictions == labels
    known = {part: digest(f"{part} {model}") for part in ("weights", "architecture", "transform", "tokenizer")}
    known |= {part: digest(f"{part} {dataset}") for part in ("data", "labels", "prompts", "settings")}
    wrong = np.flatnonzero(~correct)[:PICTURES]
    examples = {"id": [f"{row:08d}" for row in range(IMAGES)], "split": "test", "label": labels}
    examples |= {"label_name": [names[at] for at in labels], "prediction": predictions}
    examples |= {
        "prediction_name": [names[at] for at in predictions],
        "correct": correct,
        "margin": ease,
        "score": ease,
    }
    job = JobResult(
        hash=digest(f"{model} {dataset}")[:32],
        model=model,
        dataset=dataset,
        split="test",
        task="zero_shot",
        variant="photo",
        prompts="photo",
        status="done",
        pedigree=Pedigree(**known, precision="float32", protocol="zero_shot/1"),
        records=(_share("top1", correct, classes, main=True), _share("top5", correct | (ease < 0.2), classes)),
        tables=_tables(names, labels, predictions),
        pictures=tuple(_picture(results, dataset, row, names[labels[row]], names[predictions[row]]) for row in wrong),
        notes=("Images that several models are shown with a note of some length, as real ones are.",),
        about={"regime": "shift" if place % 2 else "benchmark", "n_classes": classes, "licence": "MIT"},
        run_metadata={"seconds": float(random.random()), "finished": "2026-01-02T03:04:05+00:00", "device": "cpu"},
    )
    return job, pd.DataFrame(examples)


def _share(metric: str, correct: np.ndarray, classes: int, *, main: bool = False) -> Record:
    interval = wilson(int(correct.sum()), len(correct))
    ends = (interval.low, interval.high, 0.95, "wilson")
    known = {"n": len(correct), "chance": 1 / classes, "commonest": 1 / classes}
    return Record(metric, float(correct.mean()), "fraction", *ends, main=main, **known)


def _tables(names: list[str], labels: np.ndarray, predictions: np.ndarray) -> dict[str, Table]:
    rows = []
    for at, name in enumerate(names):
        n, right = int((labels == at).sum()), int(((labels == at) & (predictions == at)).sum())
        if n:
            interval = wilson(right, n)
            rows.append((name, n, right, right / n, interval.low, interval.high, str(at)))
    wrong = pd.Series(list(zip(labels, predictions, strict=True)))[labels != predictions].value_counts()[:50]
    confused = tuple((names[a], names[b], int(n), n / int((labels == a).sum())) for (a, b), n in wrong.items())
    wordings = tuple((f"a photo number {at} of a {{}}.", f"a photo number {at} of a cat.") for at in range(TEMPLATES))
    return {
        "per_class": Table(("class", "n", "correct", "accuracy", "low", "high", "label"), tuple(rows)),
        "confusions": Table(("true", "predicted", "count", "share"), confused),
        "prompts": Table(("template", "first_prompt"), wordings),
    }


def _picture(results: Results, dataset: str, row: int, true: str, prediction: str) -> dict[str, str]:
    name = f"{digest(dataset)[:16]}/{row}.webp"
    path = results.folder / "thumbs" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(row).integers(256, size=(9, 9, 3), dtype=np.uint8)
        encoded = io.BytesIO()
        PIL.Image.fromarray(noise).resize((128, 128), PIL.Image.Resampling.BICUBIC).save(encoded, "webp", quality=80)
        path.write_bytes(encoded.getvalue())
    told = {
        "caption": f"true: {true}; predicted: {prediction}",
        "true_label": true,
        "prediction": f"{prediction} (0.97)",
    }
    return {"id": f"{row:08d}", "role": "confident mistake", "split": "test", "thumb": name, **told}


if __name__ == "__main__":
    main()
