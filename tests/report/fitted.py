"""Made-up jobs of heads that were fitted on images."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from clipbench.results.folder import Results
from clipbench.results.records import JobResult, Record, Table
from clipbench.tasks.base import Condition

from .made_up import classification, digest, proportion, wilson

N = 300
SHOTS = (1, 2, 4, 8, 16)
PLAIN = Condition()
FEATURES: dict[str, Any] = {"features": "pre_projection", "normalised": False}


def head(
    task: str, model: str, dataset: str, records: Sequence[Record], *, condition: Condition = PLAIN, **more: Any
) -> JobResult:
    """A finished job without prompts."""
    base, variant = classification(model, dataset, 0.5, n=N), ", ".join(condition.words)
    parts = {"tokenizer": "", "prompts": "", "training": digest(f"train {dataset}"), "protocol": f"{task}/1"}
    return replace(
        base,
        hash=digest(f"{task}|{model}|{dataset}|{variant}")[:32],
        task=task,
        variant=variant,
        prompts="",
        condition=condition,
        records=tuple(records),
        pedigree=replace(base.pedigree, settings=digest(f"{task} {variant}"), **parts),
        **{"tables": {}, **more},
    )


def linear_probe(
    model: str,
    dataset: str,
    share: float,
    *,
    features: str = "",
    at_edge: bool = False,
    open_fits: int = 0,
    where: str = "val",
    regime: str = "benchmark",
) -> JobResult:
    """A finished linear probe with the curve of its search."""
    tried = [-6, -4, -2, 0, 2, 4, 6, -1, 1, 0.5, 0.25, 0.75, 0.125, 0.375]
    best = 6.0 if at_edge else 0.25
    scores = {place: share - 0.012 * abs(place - best) ** 1.3 for place in tried}
    rows = [
        (10.0**place, max(0.0, score), "top1", 40 + step, step >= open_fits, place == best)
        for step, (place, score) in enumerate(scores.items())
    ]
    params = FEATURES | {"C": 10.0**best, "chosen_on": where, "iterations": 57, "converged": True, "at_edge": at_edge}
    main = replace(proportion("top1", share, N, main=True), params=params | {"n_train": 3000, "n_classes": 3})
    columns = ("C", "score", "metric", "iterations", "converged", "chosen")
    records = [main, proportion("top5", 0.99, N)]
    job = head("linear_probe", model, dataset, records, condition=Condition(features=features))
    about = {**job.about, "regime": regime}
    return replace(job, tables={"validation_curve": Table(columns, tuple(rows))}, about=about)


def few_shot(
    model: str, dataset: str, k: int, share: float, *, features: str = "", regime: str = "benchmark"
) -> JobResult:
    """A finished few-shot job over five draws."""
    params = FEATURES | {"shots": k, "seeds": 5, "C": 0.316, "n_classes": 3, "converged": True}
    spread = 0.12 / math.sqrt(k)
    ends = {"low": share - spread, "high": share + spread, "interval": "images and draws"}
    main = replace(proportion("top1", share, N, main=True), params=params | {"pool_share": k / 1000}, **ends)
    over = Record("top1_sd_over_draws", spread / 2, "gap", n=N)
    rows = tuple((seed, share + spread * (seed - 2) / 4, 0.316, 20 + seed, True) for seed in range(5))
    tables = {"seeds": Table(("seed", "top1", "C", "iterations", "converged"), rows)}
    job = head("few_shot", model, dataset, [main, over], condition=Condition(k, features), tables=tables)
    return replace(job, about={**job.about, "regime": regime})


def knn(model: str, dataset: str, share: float) -> JobResult:
    """A finished nearest-neighbours job."""
    shares = {k: share - 0.01 * abs(math.log2(k / 20)) for k in (20, 1, 5, 10, 50, 100, 200)}
    records = [
        replace(proportion("top1" if k == 20 else f"top1_at_k_{k}", value, N, main=k == 20), params={"k": k})
        for k, value in shares.items()
    ]
    rows = tuple((k, shares[k], *wilson(round(shares[k] * N), N)) for k in sorted(shares))
    return head("knn", model, dataset, records, tables={"k_curve": Table(("k", "top1", "low", "high"), rows)})


def wise_ft(
    model: str, dataset: str, zero_shot: float, fitted: float, prompts: str = "photo", towards: str = ""
) -> JobResult:
    """A finished WiSE-FT job."""
    alphas = [tenth / 10 for tenth in range(11)]
    test = {alpha: zero_shot + (fitted - zero_shot) * math.sin(alpha * 2) for alpha in alphas}
    rows = tuple((a, s, *wilson(round(s * N), N), s + 0.02 * math.cos(9 * a)) for a, s in test.items())
    named = {"zero_shot_top1": 0.0, "fitted_top1": 1.0, "top1_at_chosen_alpha": 0.7}
    records = [replace(proportion("top1", test[0.5], N, main=True), params={"alpha": 0.5})]
    records += [replace(proportion(name, test[alpha], N), params={"alpha": alpha}) for name, alpha in named.items()]
    tables = {"alpha_curve": Table(("alpha", "top1", "low", "high", "validation"), rows)}
    job = head("wise_ft", model, dataset, records, condition=Condition(head=towards), tables=tables)
    pedigree = replace(job.pedigree, prompts=digest(f"prompts {prompts}"))
    variant = ", ".join(part for part in (prompts, towards) if part)
    return replace(
        job, hash=f"{job.hash[:-8]}{digest(variant)[:8]}", prompts=prompts, variant=variant, pedigree=pedigree
    )


def keep_with_examples(results: Results, job: JobResult) -> None:
    """Write a job and a per-example table that agrees with its top-1; hard images are hard for all."""
    chance = np.random.default_rng(zlib.crc32(job.dataset.encode()))
    hardness = chance.permutation(N) / N
    record = job.records[0]
    draws = int(record.params.get("seeds", 0))
    noise = np.random.default_rng(zlib.crc32(job.hash.encode())).normal(0, 0.03, (N, max(1, draws)))
    assert record.value is not None
    correct = hardness[:, None] + noise < record.value
    columns: dict[str, Any] = {"id": [f"i{row}" for row in range(N)], "split": "test", "label": np.arange(N) % 3}
    columns["correct"] = correct.mean(axis=1) if draws else correct[:, 0]
    columns |= {f"correct.{seed}": correct[:, seed] for seed in range(draws)}
    path = results.examples_path(job.hash)
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_parquet(path)
    results.write_job(job)


def fill_fitted(results: Results) -> Results:
    """Write three models, one of them without a text tower, on three data sets with every kind of head."""
    for skill, model in ((0.0, "clip-tiny"), (-0.12, "clip-random"), (-0.05, "resnet-18")):
        for ease, dataset, regime in (
            (0.0, "digits", "benchmark"),
            (-0.1, "scenes-shape", "benchmark"),
            (-0.2, "sketch", "shift"),
        ):
            top = 0.9 + skill + ease
            probe = linear_probe(
                model,
                dataset,
                top,
                at_edge=dataset == "sketch",
                open_fits=3 if dataset == "digits" else 0,
                where="a fifth of train, stratified, seed 0" if dataset == "sketch" else "val",
                regime=regime,
            )
            few = [few_shot(model, dataset, k, top - 0.4 / (1 + math.log2(k)), regime=regime) for k in SHOTS]
            jobs = [probe, *few]
            if model != "resnet-18":
                jobs.append(classification(model, dataset, top - 0.2, regime=regime, n=N))
            for job in jobs:
                keep_with_examples(results, job)
        results.write_job(knn(model, "digits", 0.86 + skill))
        if model != "resnet-18":
            results.write_job(wise_ft(model, "digits", 0.7 + skill, 0.9 + skill))
    return results
