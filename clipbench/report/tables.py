"""The leaderboard as a data frame, CSV, Markdown, LaTeX and plain text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

from clipbench.analyses.run import analyse
from clipbench.errors import UserError, did_you_mean, printable
from clipbench.report.averages import means, order_by_merit
from clipbench.report.leaderboard import STANDINGS, Column, Leaderboard, make_leaderboard
from clipbench.report.marks import explanations, marks_of
from clipbench.report.text import numbers
from clipbench.results.folder import Results

if TYPE_CHECKING:
    import pandas as pd

Intervals = Literal["range", "half-width"]

_LINE = 100
"""Characters of a line of notes in a terminal."""

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "%": r"\%",
        "_": r"\_",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        "±": r"\ensuremath{\pm}",
        "−": r"\ensuremath{-}",
        "†": r"\textdagger{}",
        "‡": r"\textdaggerdbl{}",
        "•": r"\textbullet{}",
        "○": r"\ensuremath{\circ}",
        "–": "--",
        "\u202f": r"\,",
    }
)


def leaderboard(results: Results, metric: str | None = None, *, intervals: Intervals | None = None) -> pd.DataFrame:
    """Return one row a model and one column a data set, models ordered by their mean.

    Args:
        results: of one or several runs.
        metric: the metric to show; by default each job's main one.
        intervals: None gives numbers in the record's own unit (0.912), gaps as None. Otherwise cells are text in
            percent (ranks as they are), '91.2 [89.9, 92.4]' or '91.2 ± 1.3'; columns are headed by their metric and
            what it rests on, failed jobs say so, and cells carry marks (see `footnotes`): of the best of a column and
            what is not distinguishable from it, of what is not above chance, and of what is not comparable.

    Raises:
        UserError: no job reports the metric.
    """
    import pandas as pd

    table = _ordered(results, metric)
    heads = [column.name if intervals is None else _heading(column) for column in table.columns]
    rows = [[_shown(column, model, intervals) for column in table.columns] for model in table.models]
    named = table.models if intervals is None else [_marked(table, model) for model in table.models]
    index = pd.Index(list(named), name="model", dtype=object)
    kind = float if intervals is None else object
    return pd.DataFrame(rows, index=index, columns=heads, dtype=kind)


def footnotes(results: Results, metric: str | None = None) -> tuple[str, ...]:
    """Return what the marks of cells mean, one sentence a mark: '†1 cifar10: prompts differ from ...'."""
    return _notes(_ordered(results, metric))


def to_csv(frame: pd.DataFrame) -> str:
    """Return a frame as CSV with its index; gaps are empty, and no name is a formula to a spreadsheet."""
    named = frame.rename(index=numbers.formula_safe, columns=numbers.formula_safe)
    safe = named.map(lambda value: numbers.formula_safe(value) if isinstance(value, str) else value)
    return str(safe.to_csv(lineterminator="\n"))


def to_markdown(frame: pd.DataFrame, notes: Sequence[str] = ()) -> str:
    """Return a frame as a GitHub table, with notes below it; what Markdown or HTML would interpret is escaped."""
    head, *body = _grid(frame, _escape_markdown)
    rule = ["---"] + ["---:"] * (len(head) - 1)
    lines = [f"| {' | '.join(row)} |" for row in (head, rule, *body)]
    below = [""] + [f"{_escape_markdown(note)}  " for note in notes] if notes else []
    return "\n".join([*lines, *below]) + "\n"


def to_latex(frame: pd.DataFrame, notes: Sequence[str] = ()) -> str:
    r"""Return a frame as a LaTeX tabular (needs `\usepackage{booktabs}`), with notes below it."""
    head, *body = _grid(frame, escape_latex)
    lines = [
        rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
        r"\toprule",
        " & ".join(head) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in body),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\footnotesize {escape_latex(note)}" for note in notes),
    ]
    return "\n".join(lines) + "\n"


def wide_text(results: Results) -> str:
    """Return the leaderboard with intervals as aligned plain text, for a terminal.

    Data sets are rows where there are more columns than models; task, setting and metric then have columns of
    their own, as far as they tell rows apart. Control characters in names are written out, so that a name cannot
    send commands to the terminal.
    """
    from rich.cells import cell_len, set_cell_size

    table = _ordered(results, None)
    if not table.models:
        return "No job has finished yet.\n"
    shared: list[str] = []
    if len(table.columns) > len(table.models):
        alike = ((name, *set(texts)) for name, texts in _basis(table).items() if len(set(texts)) == 1)
        shared = [f"{name} = {text}" for name, text in alike if text]
        grid = [[printable(_one_line(text)) for text in row] for row in _turned(table)]
    else:
        grid = _grid(leaderboard(results, intervals="range"), lambda text: printable(_one_line(text)))
    widths = [max(map(cell_len, column)) for column in zip(*grid, strict=True)]
    lines = [
        "  ".join(set_cell_size(text, width) for text, width in zip(row, widths, strict=True)).rstrip() for row in grid
    ]
    lines.insert(1, "  ".join("─" * width for width in widths))
    told = (*([f"All rows: {', '.join(shared)}."] if shared else []), *_notes(table))
    notes = [line for note in told for line in wrap(printable(_one_line(note)), _LINE, subsequent_indent="  ")]
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


def _turned(table: Leaderboard) -> list[list[str]]:
    """Return the leaderboard with a row for each column, after a row of headings."""
    parts = {
        "task": [column.measurement.label for column in table.columns],
        "split": [column.split for column in table.columns],
        "setting": [column.variant for column in table.columns],
        **_basis(table),
    }
    telling = {name: texts for name, texts in parts.items() if len(set(texts)) > 1}
    head = ["data set", *telling, "metric", *(_marked(table, model) for model in table.models)]
    rows = [
        [column.dataset, *beside, column.heading, *(_shown(column, model, "range") for model in table.models)]
        for column, *beside in zip(table.columns, *telling.values(), strict=True)
    ]
    return [head, *rows]


def _basis(table: Leaderboard) -> dict[str, list[str]]:
    """Return what the numbers of each column rest on, and what has to be exceeded to be above chance, in percent."""
    return {
        "n": [numbers.count(column.typical.n) if column.typical else "" for column in table.columns],
        "subset": [column.subset for column in table.columns],
        "chance": [
            "" if column.floor is None else numbers.number(column.floor, column.unit) for column in table.columns
        ],
    }


def _ordered(results: Results, metric: str | None) -> Leaderboard:
    jobs = results.jobs()
    table = make_leaderboard(jobs, metric, analyse(results, only=(STANDINGS,)))
    if metric is not None and jobs and not table.columns:
        known = {record.metric for job in jobs for record in job.records}
        raise UserError(f"no job reports {metric!r}", where=str(results.folder), fix=did_you_mean(metric, known))
    return order_by_merit(table, means(table))


def _notes(table: Leaderboard) -> tuple[str, ...]:
    notes = [f"†{note.number} {note.column or ', '.join(note.models)}: {note.text}" for note in table.footnotes]
    return (*(f"{mark} {text}" for mark, text in explanations(table).items()), *notes)


def _heading(column: Column) -> str:
    told = "; ".join(part for part in (column.heading, column.basis, column.chance) if part)
    return f"{column.name} ({told})" if told else column.name


def _marked(table: Leaderboard, model: str) -> str:
    return f"{model} †{table.mixed[model]}" if model in table.mixed else model


def _shown(column: Column, model: str, intervals: Intervals | None) -> Any:
    cell = column.cells.get(model)
    if intervals is None:
        return cell.value if cell else None
    if cell is not None and cell.job.status == "failed":
        return "failed"
    if cell is None or cell.record is None or cell.value is None:
        return numbers.MISSING
    interval = numbers.interval(cell.record) if intervals == "range" else numbers.half_width(cell.record)
    note = f"†{cell.footnote}" if cell.footnote else ""
    parts = (numbers.number(cell.value, cell.record.unit), interval, marks_of(cell), note)
    return " ".join(part for part in parts if part)


def _grid(frame: pd.DataFrame, escape: Callable[[str], str]) -> list[list[str]]:
    head = [str(frame.index.name or ""), *map(str, frame.columns)]
    body = [
        [str(name), *(_plain(value) for value in row)]
        for name, row in zip(frame.index, frame.itertuples(index=False, name=None), strict=True)
    ]
    return [[escape(text) for text in row] for row in (head, *body)]


def _plain(value: Any) -> str:
    if value is None or value != value:
        return numbers.MISSING
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _escape_markdown(text: str) -> str:
    """Escape what would end a cell, start markup or be taken for HTML; underscores within words are safe."""
    text = _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\|`*~])", r"\\\1", text)
    text = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
    return text.replace("](", r"]\(").replace("][", r"]\[")


def escape_latex(text: str) -> str:
    """Return a text on one line that LaTeX sets as it is."""
    escaped = _one_line(text).translate(_LATEX)
    # A bracket right behind the \\ of the row before would be read as its optional argument.
    return f"{{}}{escaped}" if escaped.startswith(("[", "*")) else escaped
