"""What is said of a model of the run when a pointer rests on it."""

from __future__ import annotations

from dataclasses import replace

from clipbench.report.figures.figures import text
from clipbench.report.sections.robustness.findings import Measured, Shift
from clipbench.report.text import labels, numbers
from clipbench.results.records import Record

_FURTHER = ("gap", "expected_top1", "effective_robustness", "relative_robustness")


def hover(measured: Measured, shift: Shift) -> str:
    """Return both accuracies, what was expected, effective robustness and the numbers of images, escaped."""
    records = measured.records
    named = {text(shift.reference): records["reference_top1"], text(shift.dataset): records["shift_top1"]}
    named |= {labels.metric(name): records[name] for name in _FURTHER if name in records}
    lines = [f"{name}: {_number(record)}" for name, record in named.items() if record.value is not None]
    params = records["shift_top1"].params
    counts = [params.get(name) for name in ("n_reference", "n_shift")]
    if all(isinstance(count, int) for count in counts):
        lines.append(f"n = {' and '.join(numbers.count(int(count)) for count in counts if count is not None)}")
    return "<br>".join([f"<b>{text(measured.model)}</b>", *lines])


def _number(record: Record) -> str:
    shown = replace(record, unit=labels.shown_unit(record.metric, record.unit))
    return f"{numbers.with_unit(shown.value, shown.unit)} {numbers.interval(shown)}".rstrip()
