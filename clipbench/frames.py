"""Frames made of finished jobs: the tidy table and the wide one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

import pandas as pd

from clipbench.records import JobResult, Pedigree, Record

_IDENTITY = ("model", "dataset", "split", "task", "variant")
_MEASURED = tuple(f.name for f in fields(Record))


def tidy(jobs: Iterable[JobResult]) -> pd.DataFrame:
    """Return one row a record, and one row without a value for a failed job; pedigree as `pedigree.*`."""
    rows = [_row(job, record) for job in jobs for record in job.records or (Record("", None),)]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=_columns())


def wide(frame: pd.DataFrame, metric: str | None = None) -> pd.DataFrame:
    """Return one row a model and one column a data set, from a tidy frame.

    Args:
        frame: as `tidy` returns it.
        metric: the metric to show; by default each job's main one.

    A column is named by the data set and, only where one data set has several jobs a model, by what tells
    them apart (task, prompt set, subset). A job without a value leaves a gap (None).
    """
    shown = frame[frame["metric"] == metric] if metric else frame[frame["main"].astype(bool)]
    named = shown.assign(column=_column_names(shown))
    table = named.pivot_table(index="model", columns="column", values="value", aggfunc="first", sort=False)
    without = [name for name in frame["dataset"].unique() if name not in set(shown["dataset"])]
    return table.reindex(index=frame["model"].unique(), columns=[*table.columns, *without]).rename_axis(columns=None)


def _column_names(frame: pd.DataFrame) -> list[str]:
    parts = ("split", "task", "variant", "pedigree.subset")
    varying = {
        (str(dataset), part)
        for dataset, rows in frame.groupby("dataset", sort=False)
        for part in parts
        if rows[part].nunique() > 1
    }
    names = []
    for row in frame[["dataset", *parts]].itertuples(index=False):
        told = [value for part, value in zip(parts, row[1:], strict=True) if (row[0], part) in varying and value]
        names.append(f"{row[0]} ({', '.join(told)})" if told else str(row[0]))
    return names


def _row(job: JobResult, record: Record) -> dict[str, Any]:
    identity = {name: getattr(job, name) for name in _IDENTITY}
    measured = {name: getattr(record, name) for name in _MEASURED} | {"n_broken": job.n_broken}
    about = {
        "regime": job.about.get("regime", ""),
        "status": job.status,
        "error": job.error,
        "seconds": job.provenance.get("seconds"),
        "job": job.hash,
    }
    return identity | measured | about | {f"pedigree.{k}": v for k, v in asdict(job.pedigree).items()}


def _columns() -> list[str]:
    empty = JobResult("", "", "", "", "", "", "done", Pedigree())
    return list(_row(empty, Record("", None)))
