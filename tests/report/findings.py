"""Made-up results of analyses, and the sections of the page that show them, as a reader sees them."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from clipbench.reference.published import PublishedModel, PublishedPair
from clipbench.report import page
from clipbench.report.averages import means, order_by_merit
from clipbench.report.leaderboard import make_leaderboard
from clipbench.report.pictures import Album
from clipbench.report.sections.base import PageData, Section
from clipbench.report.sections.comparisons.section import ComparisonsSection
from clipbench.report.sections.registry import load_sections
from clipbench.results.folder import Results
from clipbench.results.records import AnalysisResult, JobResult, Record, Subject, Table

from .boxes import unfolded
from .made_up import classification, digest, proportion, with_pictures

SLOPE, INTERCEPT, SPREAD = 1.07, -1.9, 0.35
PUBLISHED, OWN = "ImageNet testbed", "models of this run"

KINDS = {
    **dict.fromkeys(("gaussian_noise", "shot_noise", "impulse_noise"), "noise"),
    **dict.fromkeys(("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"), "blur"),
    **dict.fromkeys(("snow", "frost", "fog", "brightness"), "weather"),
    **dict.fromkeys(("contrast", "elastic_transform", "pixelate", "jpeg_compression"), "digital"),
}
SEVERITIES = ("corruption", "kind", "severity", "top1", "low", "high")
MEANS = ("corruption", "kind", "top1", "low", "high", "error", "ce", "relative_ce")


def page_data(*results: AnalysisResult, jobs: Sequence[JobResult] = (), folder: Path = Path()) -> PageData:
    """What a page knows of a run with these results; a leaderboard of the jobs, or of their models by name."""
    models = {result.about.model for result in results} - {""}
    plain = [job for job in jobs if job.plain] or [classification(model, "imagenet", 0.6) for model in models]
    board = make_leaderboard(plain)
    groups = means(board)
    claimed = frozenset(name for section in load_sections() for name in section.analyses)
    return PageData(Results(folder), jobs, results, order_by_merit(board, groups), groups, Album(), claimed)


def render(section: Section, data: PageData, figures: int = 200) -> str:
    """Return a section's HTML."""
    (shown,), _ = page._show([section], data, figures)
    assert "could not be made" not in shown["html"]
    held = json.dumps(data.held.data).replace("<", "\\u003c")
    return (
        f'{shown["html"]}<script type="application/json" id="held">{held}</script>' if data.held.data else shown["html"]
    )


def said(result: AnalysisResult) -> list[str]:
    """Return the sentences that the comparisons say of a result."""
    (cell,) = re.findall(r'<td class="says">(.*?)</td>', render(ComparisonsSection(), page_data(result)), re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]*>", "", sentence)) for sentence in re.findall(r"<bdi>(.*?)</bdi>", cell)]


def words(markup: str) -> str:
    """Return a text with a space wherever there is a tag, what closed boxes hold last."""
    bare = re.sub(r"<script.*?</script>", " ", markup, flags=re.DOTALL)
    return " ".join([*html.unescape(re.sub(r"<[^>]*>", " ", bare)).split(), *unfolded(markup)])


def specs(markup: str, prefix: str) -> list[dict[str, Any]]:
    """Return the figures whose names begin so; plotly accepts them."""
    found = re.findall(rf'<script type="application/json" id="{prefix}\d+-data">(.*?)</script>', markup, re.DOTALL)
    figures = [json.loads(text) for text in found]
    for spec in figures:
        go.Figure(spec)
    return figures


def published(shift: str, models: Sequence[PublishedModel], reference: str = "imagenet") -> PublishedPair:
    """Published models on a shift."""
    return PublishedPair(
        reference, shift, PUBLISHED, "Taori et al. 2020", "MIT", "Chosen against them.", 50000, 10000, tuple(models)
    )


def published_model(name: str, reference: float, shift: float, training: str = "standard") -> PublishedModel:
    """A published model; zero-shot ones are not class-matched."""
    return PublishedModel(name, "family", training, reference, shift, training != "zero_shot")


def logit(share: float) -> float:
    return math.log(share / (1 - share))


def expected(reference: float, intercept: float = INTERCEPT) -> float:
    return 1 / (1 + math.exp(-SLOPE * logit(min(reference, 0.999)) - intercept))


def standings(
    jobs: Sequence[JobResult], worse: dict[str, int], better: dict[str, int] | None = None, **params: Any
) -> AnalysisResult:
    """What is said of the jobs of one column: how many models are surely higher, and how many surely lower, by name."""
    rows = [(job.model, 0.5, worse.get(job.model, 0), (better or {}).get(job.model, 0)) for job in jobs]
    table = Table(("model", "value", "higher", "lower"), tuple(rows))
    known = {"paired": True, "family": math.comb(len(jobs), 2), "critical": 2.0, **params}
    records = [Record("pairs_apart", 1.0, "count", params=known, main=True)]
    about = Subject(tuple(job.model for job in jobs), (jobs[0].dataset,))
    hashes = tuple(job.hash for job in jobs)
    return result("best_of_column", about, records, tables={"standings": table}, jobs=hashes)


def difference(metric: str, value: float, half: float, **more: Any) -> Record:
    """A difference of fractions with its interval."""
    return Record(metric, value, "fraction", value - half, value + half, 0.95, "bootstrap", n=1000, **more)


def finding(
    analysis: str, models: Sequence[str], dataset: str, records: Sequence[Record] = (), **more: Any
) -> AnalysisResult:
    """What an analysis found of some models on one data set."""
    return result(analysis, Subject(tuple(models), (dataset,), split="test"), records, **more)


def table(*rows: dict[str, Any]) -> Table:
    """Rows that have the same columns."""
    return Table(tuple(rows[0]), tuple(tuple(row.values()) for row in rows))


def result(analysis: str, about: Subject, records: Sequence[Record] = (), **more: Any) -> AnalysisResult:
    """What an analysis found."""
    name = digest(f"{analysis}|{about}")[:32]
    return AnalysisResult(name, analysis, 1, **{"status": "done", "about": about, "records": tuple(records), **more})


def on_shift(
    model: str,
    shift: str,
    here: float,
    there: float,
    *,
    reference: str = "imagenet",
    baseline: str = "",
    intercept: float = INTERCEPT,
    relative: float | None = None,
    unmatched: int = 0,
    prompts: str = "",
    subset: str = "",
    notes: tuple[str, ...] = (),
) -> AnalysisResult:
    """One model on one shift, with a line where `baseline` names its source."""
    about = Subject((model,), (shift,), reference=reference, split="test", prompts=prompts, subset=subset)
    params = {"reference": reference, "n_reference": 10000, "n_shift": 2000, "classes": 200, "baseline": baseline}
    records = [
        proportion("reference_top1", here, 10000),
        proportion("shift_top1", there, 2000),
        difference("gap", here - there, 0.014, main=not baseline),
        difference("relative_gap", 1 - there / here, 0.02),
        Record("logit_gap", 1.234, "logit", 1.1, 1.4, 0.95, "unpaired bootstrap", n=2000),
    ]
    tables: dict[str, Table] = {}
    if baseline:
        rho = there - expected(here, intercept)
        records += [proportion("expected_top1", expected(here, intercept), 2000)]
        records += [difference("effective_robustness", rho, 0.02, main=True)]
        tables = _line(baseline, intercept)
    if relative is not None:
        records.append(difference("relative_robustness", relative, 0.01))
    if unmatched:
        rows = tuple((f"class {number}", reference) for number in range(unmatched))
        tables["unmatched_classes"] = Table(("class", "of"), rows)
    named = [replace(record, params=params) for record in records]
    return result("robustness", about, named, tables=tables, notes=notes)


def _line(source: str, intercept: float) -> dict[str, Table]:
    places = [0.40 + step * 0.0125 for step in range(41)]
    lines = (intercept, intercept - SPREAD, intercept + SPREAD)
    band = tuple((place, *(expected(place, line) for line in lines)) for place in places)
    names = ("source", "slope", "intercept", "r2", "models", "lowest", "highest", "left_out", "outside")
    row = (source, SLOPE, intercept, 0.868, 87, 0.40, 0.90, "resnet50", False)
    columns = ("reference_top1", "expected", "low", "high")
    return {"baseline": Table(names, (row,)), "baseline_band": Table(columns, band)}


def over_shifts(shifts: Sequence[AnalysisResult], half: float = 0.01) -> AnalysisResult:
    """The summary of one model's results on its shifts."""
    values = [{record.metric: record.value or 0.0 for record in shift.records} for shift in shifts]

    def mean(metric: str) -> float:
        return math.fsum(of_shift[metric] for of_shift in values) / len(values)

    worst = min(range(len(shifts)), key=lambda place: values[place]["shift_top1"])
    lowest = proportion("worst_shift_top1", values[worst]["shift_top1"], 2000)
    records = [
        difference("mean_shift_top1", mean("shift_top1"), half),
        difference("mean_gap", mean("gap"), half, main=True),
        replace(lowest, params={"dataset": shifts[worst].about.dataset}),
    ]
    if all("effective_robustness" in of_shift for of_shift in values):
        records.append(difference("mean_effective_robustness", mean("effective_robustness"), 0.02))
    names = tuple(shift.about.dataset for shift in shifts)
    return result("robustness", replace(shifts[0].about, datasets=names, averaged=True), records)


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
) -> AnalysisResult:
    """One model under corruptions, with mCE where a reference model is named."""
    rows = [
        (name, KINDS.get(name, "noise"), severity, *_top1(_left(name, clean, severity)))
        for name in names
        for severity in range(1, 6)
    ]
    means = []
    for name in names:
        mean = math.fsum(row[3] for row in rows if row[0] == name) / 5
        errors = ((1 - mean) / 0.8, (clean - mean) / 0.4) if against else (None, None)
        means.append((name, KINDS.get(name, "noise"), mean, mean - 0.01, mean + 0.01, 1 - mean, *errors))
    mean = math.fsum(row[2] for row in means) / len(means)
    records = [
        proportion("clean_top1", clean, 1000),
        difference("corrupted_top1", mean, 0.01, main=True),
        difference("corruption_gap", clean - mean, 0.012),
    ]
    if against:
        suffix, params = "" if len(names) == 15 else f"_{len(names)}", {"reference": against}
        records += [difference(f"mce{suffix}", 1.02 * (1 - mean) / 0.8, 0.02, params=params)]
        records += [difference(f"relative_mce{suffix}", 1.4, 0.05, params=params)]
    tables = {"severities": Table(SEVERITIES, tuple(rows)), "corruptions": Table(MEANS, tuple(means))}
    about = Subject((model,), (dataset,), reference=against, split="test", protocol=protocol)
    hashes = tuple(job.hash for job in jobs)
    return result("corruption_error", about, records, tables=tables, notes=notes, jobs=hashes)


def _left(name: str, clean: float, severity: int) -> float:
    """Return what a corruption leaves of an accuracy: some bite at once, others only late."""
    strength = 0.2 + (int(digest(name)[:4], 16) % 100) / 140
    return 0.1 + (clean - 0.1) * max(0.0, 1 - strength * (severity / 5) ** 1.3)


def _top1(value: float) -> tuple[float | None, ...]:
    record = proportion("top1", value, 1000)
    return record.value, record.low, record.high


def view_job(model: str, dataset: str, view: str, top1: float, **more: Any) -> JobResult:
    """A job on corrupted images."""
    job = classification(model, dataset, top1)
    corruption, severity = view.split("/")
    about = {**job.about, "view": {"corruption": corruption, "severity": int(severity), "protocol": "imagenet-c"}}
    pedigree = replace(job.pedigree, view=digest(view))
    return replace(job, hash=digest(f"{model}|{view}")[:32], view=view, pedigree=pedigree, about=about, **more)


def pictured(results: Results, job: JobResult) -> JobResult:
    """Store the picture of a job on corrupted images."""
    job = with_pictures(results, job, ["a picture"])
    return replace(job, pictures=tuple({**picture, "role": "corrupted"} for picture in job.pictures))


def pair(model: str, rows: Sequence[tuple[Any, ...]], *, way: bool = True) -> AnalysisResult:
    """A zero-shot classifier beside a fitted one; rows hold shift, both accuracies, both gaps and the share."""
    columns = ("dataset", "first_top1", "second_top1", "gap_first", "gap_second", "share_closed")
    tables = {"pair": Table(columns, tuple(rows))}
    if way:
        steps = [
            (step / 10, 0.6 + 0.15 * math.sin(step * 0.19), 0.5 + 0.1 * math.sin(step * 0.3)) for step in range(11)
        ]
        tables["interpolation"] = Table(("alpha", "reference_top1", "mean_shift_top1"), tuple(steps))
    records = [difference("reference_gain", 0.15, 0.02), difference("mean_shift_gain", -0.04, 0.06)]
    about = Subject((model,), tuple(row[0] for row in rows), reference="imagenet", split="test")
    return result("robustness_pair", about, records, tables=tables)
