"""Made-up findings of shifts and corruptions, as the analyses make them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from clipbench.results.folder import Results
from clipbench.results.records import JobResult, Pedigree, Record, Table

from .made_up import classification, digest, proportion, with_pictures

SLOPE, INTERCEPT, SPREAD = 1.07, -1.9, 0.35
PUBLISHED, OWN = "ImageNet testbed", "models of this run"

KINDS = {
    **dict.fromkeys(("gaussian_noise", "shot_noise", "impulse_noise"), "noise"),
    **dict.fromkeys(("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"), "blur"),
    **dict.fromkeys(("snow", "frost", "fog", "brightness"), "weather"),
    **dict.fromkeys(("contrast", "elastic_transform", "pixelate", "jpeg_compression"), "digital"),
}


@dataclass(frozen=True)
class FakeModel:
    """What the reader of published models gives."""

    name: str
    reference_top1: float
    shift_top1: float
    training: str = "standard"
    matched: bool = True
    baseline: bool = True
    family: str = ""


@dataclass(frozen=True)
class FakePair:
    """What the reader of published models gives."""

    reference: str
    shift: str
    models: tuple[FakeModel, ...]
    warning: str = ""
    source: str = PUBLISHED
    citation: str = "Taori et al. 2020"
    licence: str = "MIT"
    n_reference: int = 50000
    n_shift: int = 10000


def logit(share: float) -> float:
    return math.log(share / (1 - share))


def share(at: float) -> float:
    return 1 / (1 + math.exp(-at))


def expected(reference: float, intercept: float = INTERCEPT) -> float:
    return share(SLOPE * logit(min(reference, 0.999)) + intercept)


def difference(metric: str, value: float, half: float, kind: str = "unpaired bootstrap", **more: Any) -> Record:
    """A difference of fractions with its interval."""
    return Record(metric, value, "fraction", value - half, value + half, 0.95, kind, 1000, **more)


def finding(task: str, model: str, dataset: str, variant: str, records: Sequence[Record], **more: Any) -> JobResult:
    """What an analysis found, shaped as a job."""
    subset = more.pop("subset", "")
    return JobResult(
        hash=digest(f"{task}|{model}|{dataset}|{variant}|{subset}")[:32],
        model=model,
        dataset=dataset,
        split="test",
        task=task,
        variant=variant,
        status="done",
        pedigree=Pedigree(protocol=f"{task}/1", subset=subset),
        records=tuple(records),
        **{"about": {"jobs": []}, **more},
    )


def on_shift(
    model: str,
    shift: str,
    here: float,
    there: float,
    *,
    reference: str = "imagenet",
    baseline: str = "",
    intercept: float = INTERCEPT,
    prompts: str = "",
    notes: tuple[str, ...] = (),
    relative: float | None = None,
    unmatched: int = 0,
) -> JobResult:
    """One model on one shift, with a line where `baseline` names its source."""
    params = {"reference": reference, "n_reference": 10000, "n_shift": 2000, "classes": 200, "baseline": baseline}
    records = [
        proportion("reference_top1", here, 10000),
        proportion("shift_top1", there, 2000),
        difference("gap", here - there, 0.014, main=not baseline),
        difference("relative_gap", 1 - there / here, 0.02),
        Record("logit_gap", 1.234, "logit", 1.1, 1.4, 0.95, "unpaired bootstrap", 2000),
    ]
    tables: dict[str, Table] = {}
    if baseline:
        rho = there - expected(here, intercept)
        records += [proportion("expected_top1", expected(here, intercept), 2000)]
        records += [difference("effective_robustness", rho, 0.02, "line and examples", main=True)]
        tables = _line(baseline, intercept)
    if relative is not None:
        records.append(difference("relative_robustness", relative, 0.01, "paired bootstrap"))
    if unmatched:
        rows = tuple((f"class {at}", reference) for at in range(unmatched))
        tables["unmatched_classes"] = Table(("class", "of"), rows)
    variant = f"against {reference}" + (f", {prompts}" if prompts else "")
    named = [replace(record, params=params) for record in records]
    return finding("robustness", model, shift, variant, named, tables=tables, notes=notes)


def _line(source: str, intercept: float) -> dict[str, Table]:
    places = [0.40 + at * 0.0125 for at in range(41)]
    middle = [SLOPE * logit(place) + intercept for place in places]
    band = tuple((p, share(m), share(m - SPREAD), share(m + SPREAD)) for p, m in zip(places, middle, strict=True))
    names = ("source", "slope", "intercept", "r2", "models", "lowest", "highest", "left_out", "outside")
    row = (source, SLOPE, intercept, 0.868, 87, 0.40, 0.90, "resnet50", False)
    return {
        "baseline": Table(names, (row,)),
        "baseline_band": Table(("reference_top1", "expected", "low", "high"), band),
    }


def over_shifts(found: Sequence[JobResult], *, reference: str = "imagenet", prompts: str = "") -> JobResult:
    """The summary of one model's findings on its shifts."""
    values = [{record.metric: record.value or 0.0 for record in one.records} for one in found]
    here, there = (math.fsum(v[name] for v in values) / len(values) for name in ("reference_top1", "shift_top1"))
    worst = min(range(len(found)), key=lambda at: values[at]["shift_top1"])
    records = [
        difference("mean_shift_top1", there, 0.01),
        difference("mean_gap", here - there, 0.01, main=True),
        replace(
            proportion("worst_shift_top1", values[worst]["shift_top1"], 2000), params={"dataset": found[worst].dataset}
        ),
    ]
    if all("effective_robustness" in of for of in values):
        rho = math.fsum(of["effective_robustness"] for of in values) / len(values)
        records.append(difference("mean_effective_robustness", rho, 0.02, "line and examples"))
    variant = f"mean over {len(found)} shifts" + (f", {prompts}" if prompts else "")
    sentence = (
        f"{found[0].model}: {100 * here:.1f} % on {reference}, {100 * there:.1f} % on the same classes elsewhere "
        f"(mean of {len(found)} shifts): {100 * (here - there):.1f} points lost. No baseline says what to expect."
    )
    return finding("robustness", found[0].model, reference, variant, records, notes=(sentence,))


def corrupted(
    model: str,
    dataset: str,
    clean: float,
    *,
    names: Sequence[str] = tuple(KINDS),
    against: str = "",
    protocol: str = "cifar-c",
    jobs: Sequence[JobResult] = (),
    notes: tuple[str, ...] = (),
) -> JobResult:
    """One model under corruptions, with mCE where a reference model is named."""
    rows = [
        (name, KINDS.get(name, "noise"), severity, *_top1(_left(name, clean, severity)))
        for name in names
        for severity in range(1, 6)
    ]
    means = []
    for name in names:
        mean = math.fsum(row[3] for row in rows if row[0] == name) / 5
        ce, relative = ((1 - mean) / 0.8, (clean - mean) / 0.4) if against else (None, None)
        means.append((name, KINDS.get(name, "noise"), mean, mean - 0.01, mean + 0.01, 1 - mean, ce, relative))
    mean = math.fsum(row[2] for row in means) / len(means)
    records = [
        proportion("clean_top1", clean, 1000),
        difference("corrupted_top1", mean, 0.01, "bootstrap", main=True),
        difference("corruption_gap", clean - mean, 0.012, "paired bootstrap"),
    ]
    if against:
        suffix = "" if len(names) == 15 else f"_{len(names)}"
        params = {"reference": against}
        records += [difference(f"mce{suffix}", 1.02 * (1 - mean) / 0.8, 0.02, "paired bootstrap", params=params)]
        records += [difference(f"relative_mce{suffix}", 1.4, 0.05, "paired bootstrap", params=params)]
    tables = {
        "severities": Table(("corruption", "kind", "severity", "top1", "low", "high"), tuple(rows)),
        "corruptions": Table(("corruption", "kind", "top1", "low", "high", "error", "ce", "relative_ce"), tuple(means)),
    }
    about = {"jobs": [job.hash for job in jobs]}
    said = (f"Top-1 falls from {100 * clean:.1f} % on clean images to {100 * mean:.1f} %.", *notes)
    return finding("corruption_error", model, dataset, protocol, records, tables=tables, notes=said, about=about)


def _left(name: str, clean: float, severity: int) -> float:
    """Return what a corruption leaves of an accuracy: some bite at once, others only late."""
    strength = 0.2 + (int(digest(name)[:4], 16) % 100) / 140
    return 0.1 + (clean - 0.1) * max(0.0, 1 - strength * (severity / 5) ** 1.3)


def _top1(value: float) -> tuple[float, float | None, float | None]:
    record = proportion("top1", value, 1000)
    return record.value or 0.0, record.low, record.high


def view_job(model: str, dataset: str, view: str, top1: float, **more: Any) -> JobResult:
    """A job on corrupted images."""
    job = classification(model, dataset, top1)
    pedigree = replace(job.pedigree, view=digest(view))
    corruption, severity = view.split("/")
    about = {**job.about, "view": {"corruption": corruption, "severity": int(severity), "protocol": "imagenet-c"}}
    name = digest(f"{model}|{dataset}|{view}")[:32]
    return replace(job, hash=name, view=view, pedigree=pedigree, about=about, **more)


def pictured(results: Results, job: JobResult, severity: int) -> JobResult:
    """Store the picture of a job on corrupted images."""
    name = job.view.partition("/")[0].replace("_", " ")
    job = with_pictures(results, job, [f"{name}, severity {severity}"])
    return replace(job, pictures=tuple({**picture, "role": "corrupted"} for picture in job.pictures))


def pair(model: str, rows: Sequence[tuple[Any, ...]], *, way: bool = True) -> JobResult:
    """A zero-shot classifier beside a fitted one; rows hold shift, both accuracies, both gaps and the share."""
    columns = ("dataset", "first_top1", "second_top1", "gap_first", "gap_second", "share_closed")
    tables = {"pair": Table(columns, tuple(rows))}
    if way:
        steps = [(at / 10, 0.6 + 0.15 * math.sin(at / 10 * 1.9), 0.5 + 0.1 * math.sin(at / 10 * 3)) for at in range(11)]
        tables["interpolation"] = Table(("alpha", "reference_top1", "mean_shift_top1"), tuple(steps))
    records = [difference("reference_gain", 0.15, 0.02, "paired bootstrap")]
    notes = (f"{model}: fitting a linear head gains 15.0 points there and costs 4.0 points on 2 shifts.",)
    variant = "zero-shot beside a fitted head"
    return finding("robustness_pair", model, "imagenet", variant, records, tables=tables, notes=notes)


@dataclass
class Published:
    """A stand-in for the reader of published models."""

    pairs: Mapping[tuple[str, str], FakePair] = field(default_factory=dict)

    def __call__(self, reference: str, shift: str) -> FakePair | None:
        return self.pairs.get((reference, shift))
