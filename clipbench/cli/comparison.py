"""A comparison of two models in a terminal, or as tab-separated text for other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from clipbench.cli.console import print_rows, shown
from clipbench.report.text import numbers

if TYPE_CHECKING:
    import pandas as pd

_WORDS = ("model", "dataset", "split", "task", "variant", "subset", "view", "matched", "trained_on")
_NUMBERS = ("n", "first", "second", "difference", "interval", "p", "p_holm")
_HEADS = {
    "dataset": "data set",
    "matched": "classes of",
    "trained_on": "fitted on",
    "interval": "95 % interval",
    "p_holm": "p (Holm)",
}

_Cells = Mapping[str, str]


def print_comparison(console: Console, frame: pd.DataFrame) -> None:
    """Print what `clipbench.compare` returned: accuracies in percent, differences in points.

    In a terminal the names of the models, or runs, stand above the table, what a row is about in one column, notes
    below, and of the p values the corrected ones. Elsewhere there is a column for everything.
    """
    first, second = str(frame.attrs["first"]), str(frame.attrs["second"])
    frame = frame if "model" in frame else frame.assign(model="")
    rows = [_cells(row) for row in frame.astype(object).where(frame.notna(), None).to_dict("records")]
    if console.is_terminal:
        console.print(f"first   {shown(first)}\nsecond  {shown(second)}\n", highlight=False, soft_wrap=True)
        _print_table(console, rows)
        return
    heads = _HEADS | {"first": f"{first}, %", "second": f"{second}, %", "difference": "difference, points"}
    words = _WORDS if frame["model"].any() else _WORDS[1:]
    names = (*words, *_NUMBERS, "note")
    print_rows([heads.get(name, name) for name in names], [[row[name] for name in names] for row in rows], console)


def _print_table(console: Console, rows: Sequence[_Cells]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("job", overflow="fold")
    heads = [name for name in _NUMBERS if name != "p"]
    for name in heads:
        table.add_column(_HEADS.get(name, name), justify="right", no_wrap=True)
    for row in rows:
        table.add_row(shown(_job(row)), *(row[name] for name in heads))
    console.print(table)
    for row in rows:
        if row["note"]:
            console.print(f"\n{shown(_job(row))}: {shown(row['note'])}", highlight=False, soft_wrap=True)


def _job(row: _Cells) -> str:
    """Return e.g. 'cifar10 · zero_shot · photo'; a split is told where it is not `test`."""
    told = {**row, "split": "" if row["split"] == "test" else row["split"]}
    told |= {name: f"{_HEADS[name]} {row[name]}" for name in ("matched", "trained_on") if row[name]}
    return " · ".join(told[name] for name in _WORDS if told[name])


def _cells(row: Mapping[Any, Any]) -> dict[str, str]:
    words = {name: str(row[name]) for name in (*_WORDS, "note")}
    measured = {
        "n": numbers.MISSING if row["n"] is None else numbers.count(int(row["n"])),
        "first": numbers.number(row["first"]),
        "second": numbers.number(row["second"]),
        "difference": numbers.number(row["difference"], "difference"),
        "interval": numbers.ends(row["low"], row["high"], "difference") or numbers.MISSING,
        "p": _probability(row["p"]),
        "p_holm": _probability(row["p_holm"]),
    }
    return words | measured


def _probability(p: float | None) -> str:
    if p is None:
        return numbers.MISSING
    return "<0.001" if p < 0.001 else f"{p:.3f}"
