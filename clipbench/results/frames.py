"""Frames made of finished jobs: the tidy table and the wide one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import asdict
from typing import Any

import pandas as pd

from clipbench.results.records import AnalysisResult, JobResult, Pedigree, Record

_IDENTITY = ("model", "dataset", "split", "task", "variant", "view", "matched", "trained_on")
_COLUMN = ("dataset", "split", "task", "variant", "pedigree.subset")


def tidy(results: Iterable[JobResult | AnalysisResult], fullest: Collection[str]) -> pd.DataFrame:
    """Return one row a record, and one row without a value for what failed; pedigree as `pedigree.*`.

    A row of an analysis has its name as `task`, what it is about as `variant`, and no pedigree. A job whose
    hash is not among the `fullest` is a `trial`: another is on more examples.
    """
    rows = [
        _row(result, record, trial=isinstance(result, JobResult) and result.hash not in fullest)
        for result in results
        for record in result.records or (Record("", None),)
    ]
    empty = JobResult("", "", "", "", "", "", "done", Pedigree())
    return pd.DataFrame(rows, columns=list(_row(empty, Record("", None), trial=False)))


def wide(frame: pd.DataFrame, metric: str | None = None) -> pd.DataFrame:
    """Return one row a model and one column a data set, from a tidy frame; `metric`: by default each job's main one.

    Jobs through a view, on some of the classes only or with a head fitted elsewhere are left out: analyses say
    what they show. So are trials. A column is named by the data set and, only where one data set has several jobs a
    model, by what tells them apart (task, prompt set, subset). A job without a value leaves a gap (None).
    """
    chosen = frame["metric"] == metric if metric else frame["main"].astype(bool)
    plain = (frame[["view", "matched", "trained_on"]] == "").all(axis=1)
    frame = frame[plain & ~frame["analysis"].astype(bool) & ~frame["trial"].astype(bool)]
    shown = frame[chosen.loc[frame.index]]
    keys = list(shown[list(_COLUMN)].itertuples(index=False, name=None))
    names = column_names(keys)
    named = shown.assign(column=[names[key] for key in keys])
    table = named.pivot_table(index="model", columns="column", values="value", aggfunc="first", sort=False)
    without = [name for name in frame["dataset"].unique() if name not in set(shown["dataset"])]
    return table.reindex(index=frame["model"].unique(), columns=[*table.columns, *without]).rename_axis(columns=None)


def column_names(keys: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Name columns by their data set and, where one has several, by what tells them apart.

    The keys are (data set, split, task, variant, subset) of each column.
    """
    together: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for key in keys:
        together[key[0]].append(key)
    names = {}
    for dataset, members in together.items():
        varying = [place for place, parts in enumerate(zip(*members, strict=True)) if len(set(parts)) > 1]
        for key in members:
            parts = [key[place] for place in varying if key[place]]
            names[key] = f"{dataset} ({', '.join(parts)})" if parts else dataset
    return names


def _row(result: JobResult | AnalysisResult, record: Record, *, trial: bool) -> dict[str, Any]:
    job = result if isinstance(result, JobResult) else _as_job(result)
    return {
        **{name: getattr(job, name) for name in _IDENTITY},
        **asdict(record),
        "n_broken": job.n_broken,
        "regime": job.about.get("regime", ""),
        "status": job.status,
        "error": job.error,
        "seconds": job.run_metadata.get("seconds"),
        "job": job.hash,
        "analysis": job is not result,
        "trial": trial,
        **{f"pedigree.{name}": part for name, part in asdict(job.pedigree).items()},
    }


def _as_job(result: AnalysisResult) -> JobResult:
    """Return the columns of a job that an analysis has too."""
    about = result.about
    against = [f"against {name}" for name in (*about.models[1:], about.reference) if name]
    return JobResult(
        hash=result.hash,
        model=about.model,
        dataset=about.dataset,
        split=about.split,
        task=result.analysis,
        variant=", ".join(word for word in (*against, about.prompts, *about.condition.words) if word),
        status=result.status,
        pedigree=Pedigree(subset=about.subset),
        error=result.error,
    )
