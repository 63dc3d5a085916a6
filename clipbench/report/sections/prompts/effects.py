"""Figures of what a change of the prompts does: families of wording, other names of the classes, gains."""

from __future__ import annotations

from collections.abc import Sequence

from clipbench.report.figures import axes
from clipbench.report.figures.curve import Curve, reach
from clipbench.report.figures.figures import Figure, text
from clipbench.report.points import CAPTIONS, Row, is_number
from clipbench.report.sections.prompts.rows import dots, row_figure, row_names
from clipbench.report.text import labels, numbers
from clipbench.results.records import JobResult
from clipbench.stats.significance import ALPHA


def families(job: JobResult, rows: Sequence[Row]) -> Curve:
    """Draw each template's difference from the plain one of its family, with its interval."""
    plain = {str(row.get("plain") or "the plain template") for row in rows}
    against = f"'{next(iter(plain))}'" if len(plain) == 1 else "the plain one of its family"
    legend = f"Points of top-1 against {against}; filled: p < {ALPHA} after Holm's correction for all {len(rows)}"
    summary = (
        f"differences of {len(rows)} wordings from the plain one of their family; {sum(map(_is_clear, rows))} are clear"
    )
    called = [f"{row['family']}: {row['template']}" for row in rows]
    return Curve(CAPTIONS["families"], _effects(rows, called, summary), legend)


def family_effects(job: JobResult, rows: Sequence[Row]) -> Curve:
    """Draw what the wordings of each family do together against its plain one."""
    called = [f"{row['family']} ({row['others']:.0f})" for row in rows]
    legend = (
        "Points of top-1: the mean of a family's other templates (how many) against its plain one; filled: "
        f"p < {ALPHA} after Holm's correction for all {len(rows)}"
    )
    return Curve(CAPTIONS["family_effects"], _effects(rows, called, _listed(rows, called)), legend)


def names(job: JobResult, rows: Sequence[Row]) -> Curve | None:
    """Draw what other names of the classes do against the canonical ones; None where there is no other."""
    canonical = next((row for row in rows if row.get("difference") is None), None)
    others = [row for row in rows if is_number(row.get("difference"))]
    if not others:
        return None
    against = f"{canonical['how']} ({numbers.with_unit(canonical['top1'])})" if canonical else "the canonical names"
    legend = (
        f"Points of top-1 against {against}, each with all templates averaged; filled: p < {ALPHA} after Holm's "
        f"correction for all {len(others)}"
    )
    called = [str(row["how"]) for row in others]
    return Curve(CAPTIONS["names"], _effects(others, called, _listed(others, called)), legend)


def gains(job: JobResult, rows: Sequence[Row]) -> Curve:
    """Draw what a photo gains over the bare name, and the ensemble over that."""
    called = [str(row["gain"]) for row in rows]
    legend = f"Points of top-1 on the same images; filled: p < {ALPHA}"
    return Curve(CAPTIONS["gains"], _effects(rows, called, _listed(rows, called)), legend)


def _effects(rows: Sequence[Row], called: Sequence[str], summary: str) -> Figure:
    points = dots(rows, "difference", [_hover(row, name) for row, name in zip(rows, called, strict=True)])
    points["meta"]["hollow"] = [not _is_clear(row) for row in rows]
    values = [numbers.number(row["difference"], "difference") for row in rows]
    return row_figure(row_names(called), values, [points], axes.differences(reach(rows, "difference")), summary)


def _is_clear(row: Row) -> bool:
    p = row.get("p_holm", row.get("p"))
    return is_number(p) and p < ALPHA


def _listed(rows: Sequence[Row], called: Sequence[str]) -> str:
    points = [numbers.with_unit(row["difference"], "difference") for row in rows]
    return "differences: " + "; ".join(f"{name} {value}" for name, value in zip(called, points, strict=True))


def _hover(row: Row, name: str) -> str:
    points = numbers.with_unit(row["difference"], "difference")
    ends = numbers.ends(row.get("low"), row.get("high"), "difference")
    return f"{text(name)}<br><b>{points}</b> {ends} of {labels.metric('top1')}"
