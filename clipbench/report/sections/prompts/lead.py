"""What a job of prompt sensitivity found, in the sentence that opens its details."""

from __future__ import annotations

from clipbench.report.text import numbers
from clipbench.results.records import JobResult, Record
from clipbench.tasks.prompt_sensitivity.prompt_sensitivity import PromptSensitivity


def lead(job: JobResult) -> str:
    """Return the sentence; '' for a job of another task, or one that failed."""
    found = {record.metric: record for record in job.records if record.value is not None}
    if job.task != PromptSensitivity.name or not {"range", "best", "worst", "flip_share"} <= found.keys():
        return ""
    parts = [f"{_wording(found)}; {_points(found['flip_share'])} % of images change their prediction."]
    if "names_range" in found:
        parts.append(_names(found["names_range"]))
    if "per_class" in job.tables:
        parts.append(f"Chance is {numbers.number(1 / len(job.tables['per_class'].rows))} %.")
    return " ".join(parts)


def _wording(found: dict[str, Record]) -> str:
    low, high = found["worst"], found["best"]
    if not found["range"].value:
        return f"Top-1 is {_points(low)} % with each of {found['range'].params['templates']} templates"
    worst, best = (f"{_points(end)} % ({end.params['template']!r})" for end in (low, high))
    return f"Top-1 moves by {_points(found['range'])} points with the wording: from {worst} to {best}"


def _names(moved: Record) -> str:
    value, lowest, ends = moved.value or 0.0, moved.params["lowest"], moved.params
    low, high = numbers.number(lowest), numbers.number(lowest + value)
    if not value:
        return f"With every list of names it is {low} %, all templates averaged."
    return (
        f"With the list of names it moves by {_points(moved)} points: from {low} % ({ends['worst']}) to {high} % "
        f"({ends['best']}), all templates averaged."
    )


def _points(record: Record) -> str:
    return numbers.number(record.value)
