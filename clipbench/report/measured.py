"""What sections say of analysis results: tables with one model a row, notes, and differences in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipbench.report.grids import Entry, Grid, Head
from clipbench.report.text import numbers
from clipbench.report.text.claims import at_chance, chance
from clipbench.report.text.declared import as_shown, heading, metric_of
from clipbench.results.records import AnalysisResult, Record


@dataclass(frozen=True)
class Remark:
    """A note of results, with the models that it is about; none where it is about all of them."""

    text: str
    models: tuple[str, ...]


@dataclass(frozen=True)
class Outcomes:
    """Results of an analysis by what came of them."""

    measured: tuple[AnalysisResult, ...]
    """With one number at least."""
    silent: tuple[AnalysisResult, ...]
    """Without a number: their notes say why."""
    errors: tuple[str, ...]


def outcomes(results: Sequence[AnalysisResult]) -> Outcomes:
    """Sort out the results that have numbers, in their order."""
    done = [result for result in results if result.status == "done"]
    measured = [result for result in done if any(record.value is not None for record in result.records)]
    silent = tuple(result for result in done if result not in measured)
    return Outcomes(tuple(measured), silent, tuple(result.error for result in results if result.status == "failed"))


def table(
    caption: str,
    rows: Sequence[tuple[AnalysisResult, str]],
    *,
    without: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
) -> Grid:
    """Set out a model a row, its metrics in the order that the results have them."""
    heads: dict[str, Head] = {}
    for result, _ in rows:
        for record in result.records:
            if record.metric not in (*heads, *without):
                text = (names or {}).get(record.metric) or heading(metric_of(result, record))
                known = {chance(other) for row, _ in rows if (other := row.record(record.metric))}
                told = known.pop() if len(known) == 1 else ""
                heads[record.metric] = Head(f"{text}; {told}" if told else text, numeric=True)
    shown = (
        (Entry(result.about.model, remark), *(number(result, metric) for metric in heads)) for result, remark in rows
    )
    return Grid(caption, (Head("Model"), *heads.values()), tuple(shown))


def number(result: AnalysisResult, metric: str) -> Entry:
    """Set out a metric in the unit it is shown in; a dash where there is none, or no value."""
    record = result.record(metric)
    if record is None:
        return Entry(numbers.MISSING)
    shown = as_shown(result, record)
    clear = shown.unit == "difference" and _clear_of_zero(shown)
    value, ends = numbers.number(shown.value, shown.unit), numbers.interval(shown)
    return Entry(value, ends, clear=clear, at_chance=at_chance(shown))


def _clear_of_zero(record: Record) -> bool:
    return record.low is not None and record.high is not None and not record.low <= 0 <= record.high


def remarks(results: Sequence[AnalysisResult]) -> tuple[Remark, ...]:
    """Return each note of some results once, of one or many models."""
    return distinct([(result.about.model, result.notes) for result in results])


def distinct(told: Sequence[tuple[str, Sequence[str]]]) -> tuple[Remark, ...]:
    """Return each of the notes that stand beside models once."""
    notes: dict[str, dict[str, None]] = defaultdict(dict)
    for model, texts in told:
        for note in texts:
            notes[note][model] = None
    everyone = {model for model, _ in told}
    return tuple(Remark(note, () if set(models) == everyone else tuple(models)) for note, models in notes.items())


def rows_of(result: AnalysisResult, name: str) -> tuple[dict[str, Any], ...]:
    """Return the rows of a table by column; none where there is no such table."""
    return result.tables[name].dicts() if name in result.tables else ()


def conditions(results: Sequence[AnalysisResult]) -> Mapping[str, str]:
    """Return by hash how results were measured: protocol, condition, subset, and prompts where there are several."""
    prompts: dict[tuple[object, ...], set[str]] = defaultdict(set)
    for result in results:
        prompts[result.about.reference, result.about.datasets].add(result.about.prompts)
    words = {}
    for result in results:
        about = result.about
        several = len(prompts[about.reference, about.datasets]) > 1
        parts = (about.protocol, about.prompts if several else "", *about.condition.words, about.subset)
        words[result.hash] = ", ".join(part for part in parts if part)
    return words
