"""Jobs with plausible, odd and hostile content, made of the types that a run writes."""

from __future__ import annotations

import hashlib
import io
import random
from dataclasses import replace
from pathlib import Path

from clipbench.results.folder import Results
from clipbench.results.records import JobResult, Pedigree, Record, Table
from clipbench.stats import intervals

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "closing": "</script><img src=x onerror=alert(1)>",
    "template": "{{7*7}}{% raw %}",
    "quotes": "\"'><svg/onload=alert(1)>",
    "rtl": "\u202eמודל שקט",
    "emoji": "🦜 parrot & <b>friends</b>",
    "long": "very-long-checkpoint-name-" * 8,
    "hover": "%{x}<extra>%{y}</extra>",
}
"""Texts that a data set or a model could carry."""

STYLES = ("photo", "sketch", "negative", "noise")


def wilson(correct: int, n: int) -> tuple[float, float]:
    interval = intervals.wilson(correct, n)
    return interval.low, interval.high


def proportion(metric: str, share: float, n: int = 1000, *, main: bool = False) -> Record:
    """A proportion with its interval."""
    correct = round(share * n)
    low, high = wilson(correct, n)
    return Record(metric, correct / n, "fraction", low, high, 0.95, "wilson", n=n, main=main)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def classification(
    model: str,
    dataset: str,
    share: float,
    *,
    regime: str = "benchmark",
    classes: tuple[str, ...] = ("cat", "dog", "ship"),
    n: int = 1000,
    variant: str = "photo",
    pedigree: Pedigree | None = None,
) -> JobResult:
    """A finished zero-shot job with all its tables."""
    known = Pedigree(
        weights=digest(f"weights {model}"),
        transform=digest(f"transform {model}"),
        tokenizer=digest("tokenizer"),
        precision="float32",
        data=digest(f"data {dataset}"),
        labels=digest(f"labels {dataset}"),
        prompts=digest(f"prompts {variant}"),
        protocol="zero_shot/1",
        settings=digest("settings"),
    )
    recall = replace(proportion("mean_per_class_recall", share, n), interval="bootstrap")
    return JobResult(
        hash=digest(f"{model}|{dataset}|{variant}|{pedigree}")[:32],
        model=model,
        dataset=dataset,
        split="test",
        task="zero_shot",
        variant=variant,
        prompts=variant,
        status="done",
        pedigree=pedigree or known,
        records=(proportion("top1", share, n, main=True), proportion("top5", min(1.0, share + 0.2), n), recall),
        tables=class_tables(f"{model}|{dataset}", share, classes, n),
        about={"regime": regime, "source": "made for a test", "licence": "MIT", "description": f"About {dataset}."},
        run_metadata={"seconds": 12.5, "finished": "2026-01-02T03:04:05Z", "device": "cpu", "batch_size": 64},
    )


def class_tables(seed: str, share: float, classes: tuple[str, ...], n: int) -> dict[str, Table]:
    """Accuracy of each class and style, and confusions, at random around a share."""
    chance = random.Random(seed)
    per_class, confusions = [], []
    for name in classes:
        count = max(1, n // len(classes))
        correct = round(count * min(1.0, max(0.0, share + chance.uniform(-0.3, 0.3))))
        per_class.append((name, count, correct, correct / count, *wilson(correct, count)))
        confusions.append((name, chance.choice(classes), count - correct, 1 - correct / count))
    groups = [("style", style, 250, share, *wilson(round(share * 250), 250)) for style in STYLES]
    return {
        "per_class": Table(("class", "n", "correct", "accuracy", "low", "high"), tuple(per_class)),
        "confusions": Table(("true", "predicted", "count", "share"), tuple(confusions)),
        "per_group": Table(("group", "value", "n", "accuracy", "low", "high"), tuple(groups)),
    }


def retrieval(model: str, dataset: str, share: float) -> JobResult:
    """A finished retrieval job."""
    rank = Record("text_to_image_median_rank", 12.0, "rank", 10.0, 14.5, 0.95, "bootstrap", n=500)
    recalls = [
        replace(proportion(f"{way}_recall_at_{k}", min(1.0, share * k / 5), 500, main=k == 5 and way[0] == "i"))
        for way in ("image_to_text", "text_to_image")
        for k in (1, 5, 10)
    ]
    return replace(
        classification(model, dataset, share, variant=""),
        task="retrieval",
        records=(*(replace(record, interval="bootstrap") for record in recalls), rank),
        tables={"ranks": Table(("rank", "images"), ((1, 10), (2, 7), (3, None)))},
    )


def failure(model: str, dataset: str, error: str, *, regime: str = "benchmark") -> JobResult:
    """A job that failed before its prompts were known."""
    return replace(
        classification(model, dataset, 0.0, variant="", pedigree=Pedigree()),
        hash=digest(f"{model}|{dataset}|failed")[:32],
        split="",
        status="failed",
        records=(),
        tables={},
        error=error,
        about={"regime": regime},
    )


def with_pictures(results: Results, job: JobResult, captions: list[str], **named: str) -> JobResult:
    """Store a thumbnail for each caption and return the job that names them."""
    import PIL.Image

    chance = random.Random(job.hash)
    pictures = []
    for place, caption in enumerate(captions):
        colour = tuple(chance.randrange(40, 220) for _ in range(3))
        image = PIL.Image.new("RGB", (128, 96), colour)
        image.paste(tuple(255 - value for value in colour), (30 + place * 3, 20, 70 + place * 3, 70))
        encoded = io.BytesIO()
        image.save(encoded, "webp", quality=80)
        name = f"{job.pedigree.data[:16]}/{digest(f'{job.hash}{place}')[:16]}.webp"
        path = results.folder / "thumbs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded.getvalue())
        pictures.append({"id": f"img-{place}", "role": "confident mistake", "caption": caption, "thumb": name, **named})
    return replace(job, pictures=tuple(pictures))


RUN = {
    "suite": "quickstart",
    "description": "A small model on small sets.",
    "suite_text": "name: quickstart\n# <b>a comment</b>\ntasks:\n  - task: zero_shot\n    datasets: [digits, scenes]\n",
    "versions": {"clipbench": "0.1.0", "torch": "2.14.0"},
    "machine": {"cpu": "a processor", "cores": 2},
}


def fill_plausible(results: Results) -> Results:
    """Write the jobs of `plausible` into a results folder."""
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    shapes = ("circle", "square", "triangle", "star")
    colours = ("red", "green", "blue", "yellow", "purple", "orange")
    for model, skill in (("clip-tiny", 0.0), ("clip-random", -0.35)):
        jobs = [
            classification(model, "digits", 0.941 + skill, classes=names, n=899),
            classification(model, "scenes-shape", 0.973 + skill, classes=shapes),
            classification(model, "scenes-colour", 0.988 + skill, classes=colours),
            classification(model, "scenes-count", 0.612 + skill, classes=("one", "two", "three", "four")),
            classification(model, "scenes-shape-sketch", 0.713 + skill, regime="shift", classes=shapes, n=400),
            classification(model, "scenes-shape-noise", 0.552 + skill, regime="shift", classes=shapes, n=400),
            classification(model, "imagenet", 0.374 + skill, classes=tuple(f"class {i}" for i in range(1000)), n=5000),
            retrieval(model, "scenes-captions", 0.42 + skill),
        ]
        captions = [f"true: {a}; predicted: {b} (0.97)" for a in shapes[:3] for b in colours[:3]]
        jobs[1] = with_pictures(results, jobs[1], captions, true_label="circle", prediction="star (0.97)")
        jobs[0] = replace(
            jobs[0],
            n_broken=2,
            broken=({"id": "img-7.png", "problem": "cannot identify image file"}, {"id": "img-9.png", "problem": ""}),
            notes=("Two classes have the same prompts: 'six' and 'nine'.",),
        )
        for job in jobs:
            results.write_job(job)
    results.write_job(classification("clip-tiny", "scenes-distance", 0.581, classes=("near", "far")))
    missing = "cannot be found; looked in data/ and on the hub; fetch it with `clipbench fetch`"
    results.write_job(failure("clip-random", "scenes-distance", missing))
    return results


def install(site: Path, group: str, name: str, path: str, source: str) -> None:
    """Install a package with one module that adds a name to a group of entry points."""
    metadata = site / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / f"{path.partition(':')[0]}.py").write_text(source, encoding="utf-8")
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {path}\n", encoding="utf-8")
