"""Comparisons of models in a terminal, or as tab-separated text for other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from clipbench.analyses.rankings.all_pairs import MEASUREMENT, ranks
from clipbench.cli.console import print_rows, shown
from clipbench.files import write_atomically
from clipbench.report.text import numbers

if TYPE_CHECKING:
    import pandas as pd

_WORDS = ("model", *(name for name in MEASUREMENT if name != "unit"))
_NUMBERS = ("n", "first", "second", "difference", "interval", "verdict", "p", "detectable", "n_needed")
_SHOWN = {
    "n": "n",
    "first": "first",
    "second": "second",
    "difference": "differ-\nence",
    "interval": "interval",
    "detectable": "detect-\nable",
    "n_needed": "n\nneeded",
}
"""Columns in a terminal."""
_HEADS = {
    "dataset": "data set",
    "matched": "classes of",
    "trained_on": "fitted on",
    "detectable": "detectable, points",
    "n_needed": "n needed",
    "p": "p (uncorrected)",
}
_SAID = {
    "higher": "first is higher",
    "lower": "second is higher",
    "not_distinguishable": "cannot be told apart",
    "undefined": numbers.MISSING,
}
MOST_COLUMNS = 8
"""Models that a matrix in a terminal has room for."""

_Cells = Mapping[str, str]


def print_comparison(console: Console, frame: pd.DataFrame) -> None:
    """Print what `clipbench.compare` returned: fractions in percent, differences in points.

    In a terminal the names of the models, or runs, stand above the table, what a row is about in one column and notes
    below; differences whose interval excludes zero are bold. Elsewhere there is a column for everything.
    """
    first, second, family = str(frame.attrs["first"]), str(frame.attrs["second"]), int(frame.attrs["family"])
    frame = frame if "model" in frame else frame.assign(model="")
    rows = [_cells(row) for row in _records(frame)]
    if console.is_terminal:
        console.print(f"first   {shown(first)}\nsecond  {shown(second)}\n", highlight=False, soft_wrap=True)
        _print_table(console, rows)
        console.print(f"\n{_together(family)} Bold: the interval excludes zero.", highlight=False)
        return
    percent, points = (", %", ", points") if set(frame["unit"]) == {"fraction"} else ("", "")
    heads = _HEADS | {"first": first + percent, "second": second + percent, "difference": f"difference{points}"}
    heads["interval"] = "95 % interval" if family < 2 else f"simultaneous 95 % over {family} rows"
    words = _WORDS if frame["model"].any() else _WORDS[1:]
    names = (*words, *_NUMBERS, "note")
    print_rows([heads.get(name, name) for name in names], [[row[name] for name in names] for row in rows], console)


def print_judgement(console: Console, judged: pd.DataFrame, points: float) -> None:
    """Print what `clipbench.analyses.rankings.gate` found, a line for each row that is worse or undecided."""
    limit = f"{numbers.number(points / 100, 'gap')} points"
    for row in _records(judged):
        cells = _cells(row)
        told = f"{_job(cells)}: {cells['difference']} points {cells['interval']}"
        if row["judgement"] == "worse":
            problem = f"the second is worse by more than {limit}"
            console.print(f"worse: {shown(told)}: {problem}", highlight=False, soft_wrap=True)
        if row["judgement"] == "undecided":
            needed = f": n = {numbers.count(row['n_to_decide'])} would show it" if row["n_to_decide"] else ""
            problem = f"a loss of {limit} can be neither shown nor excluded{needed}"
            console.print(f"warning: {shown(told)}: {problem}", highlight=False, soft_wrap=True)


def print_all_pairs(console: Console, pairs: pd.DataFrame) -> None:
    """Print what `clipbench.compare_all` returned: in a terminal the ranks that each model may have, and a matrix."""
    if console.is_terminal:
        by = list(MEASUREMENT)
        ranked = dict(iter(ranks(pairs).groupby(by, sort=False)))
        for about, group in pairs.groupby(by, sort=False):
            _print_matrix(console, group, ranked[about])
        return
    heads = {"difference": "difference, points", "interval": "simultaneous 95 % over the family"}
    names = (*_WORDS[1:], "n", "first", "second", "difference", "interval", "verdict", "family", "note")
    rows = [_cells(row) | {"family": str(row["family"])} for row in _records(pairs)]
    print_rows(
        [(_HEADS | heads).get(name, name) for name in names], [[row[name] for name in names] for row in rows], console
    )


def _print_matrix(console: Console, pairs: pd.DataFrame, ranked: pd.DataFrame) -> None:
    rows = _records(pairs)
    apart = {(row["first"], row["second"]): (row["difference"], row["verdict"]) for row in rows}
    apart |= {(second, first): (-difference, verdict) for (first, second), (difference, verdict) in apart.items()}
    models = _records(ranked)
    columns = models if len(models) <= MOST_COLUMNS else []
    table = Table(
        box=None, pad_edge=False, header_style="bold", title=shown(_job(_cells(rows[0]))), title_justify="left"
    )
    for head in (
        "rank",
        "",
        "model",
        numbers.suffix(rows[0]["unit"]),
        *(str(place) for place, _ in enumerate(columns, 1)),
    ):
        table.add_column(head, justify="left" if head == "model" else "right", no_wrap=head != "model", overflow="fold")
    for place, row in enumerate(models, 1):
        possible = f"{row['lowest']}" if row["lowest"] == row["highest"] else f"{row['lowest']}–{row['highest']}"
        unit = "difference" if row["unit"] == "fraction" else row["unit"]
        cells = [_apart(*apart.get((row["model"], other["model"]), (None, "")), unit) for other in columns]
        table.add_row(possible, str(place), shown(row["model"]), numbers.number(row["value"], row["unit"]), *cells)
    console.print(table)
    remark = " Row less column; bold: the interval excludes zero." if columns else ""
    console.print(f"{_together(rows[0]['family'])}{remark} {shown(rows[0]['note'])}\n", highlight=False)


def _apart(difference: float | None, verdict: str, unit: str) -> str:
    text = "" if difference is None else numbers.number(difference, unit)
    return f"[bold]{text}[/]" if verdict in ("higher", "lower") else text


def write_disagreements(path: Path, frame: pd.DataFrame) -> None:
    """Write what `clipbench.disagreements` returned as a .csv that a spreadsheet takes for text."""
    safe = frame.map(lambda cell: numbers.formula_safe(cell) if isinstance(cell, str) else cell)
    write_atomically(path, safe.to_csv(index=False).encode())


def _together(family: int) -> str:
    return "95 % interval." if family < 2 else f"The {family} intervals hold together at 95 % (simultaneous)."


def _records(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def _print_table(console: Console, rows: Sequence[_Cells]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("job", overflow="fold")
    for head in _SHOWN.values():
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        decided = row["verdict"] in (_SAID["higher"], _SAID["lower"])
        cells = dict(row)
        if decided:
            cells["difference"] = f"[bold]{row['difference']}[/]"
        table.add_row(shown(_job(row)), *(cells[name] for name in _SHOWN))
    console.print(table)
    for row in rows:
        if row["note"]:
            console.print(f"\n{shown(_job(row))}: {shown(row['note'])}", highlight=False, soft_wrap=True)


def _job(row: _Cells) -> str:
    """Return e.g. 'cifar10 · zero_shot · photo · top1'; a split is told where it is not `test`."""
    told = {**row, "split": "" if row["split"] == "test" else row["split"]}
    told |= {name: f"{_HEADS[name]} {row[name]}" for name in ("matched", "trained_on") if row[name]}
    return " · ".join(told[name] for name in _WORDS if told[name])


def _cells(row: Mapping[Any, Any]) -> dict[str, str]:
    """Return the cells of a row; those of columns that it lacks are empty."""
    unit = row["unit"]
    apart = "difference" if unit == "fraction" else unit
    return {name: str(row.get(name, "")) for name in (*_WORDS, "note")} | {
        "n": _count(row["n"]),
        "first": _value(row["first"], unit),
        "second": _value(row["second"], unit),
        "difference": numbers.number(row["difference"], apart),
        "interval": numbers.ends(row["low"], row["high"], apart) or numbers.MISSING,
        "verdict": _SAID.get(row["verdict"], numbers.MISSING),
        "p": numbers.number(row.get("p"), "p"),
        "detectable": numbers.number(row.get("detectable"), "gap" if unit == "fraction" else unit),
        "n_needed": _count(row.get("n_needed")),
    }


def _value(value: float | str | None, unit: str) -> str:
    return value if isinstance(value, str) else numbers.number(value, unit)


def _count(value: float | None) -> str:
    return numbers.MISSING if value is None else numbers.count(int(value))
