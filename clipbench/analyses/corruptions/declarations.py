"""What the analysis of corruptions measures: its metrics and tables, and how they are shown."""

from __future__ import annotations

from clipbench.metrics.specs import ColumnSpec, MetricSpec, TableSpec

_HENDRYCKS = "Hendrycks and Dietterich 2019, https://arxiv.org/abs/1903.12261"
_ACCURACIES = (
    "top-1 on the images as they are, and its mean over the standard corruptions and their severities; the gap is "
    "their difference, on the same images."
)
_MCE = (
    "mean corruption error: for each corruption the model's errors over all severities as a share of the reference "
    "model's, averaged over corruptions; 100 % is the reference model, and lower is better. A number behind it says "
    "over how many corruptions, where it is not all 15."
)
_RELATIVE = "the same with the errors on clean images taken off first; lower is better."


PLAIN_FILES = "_not_recompressed"
"""Ends the name of an mCE by AlexNet's published errors, which are of JPEG files, of images that were not saved so."""


def _errors(name: str, label: str, definition: str) -> tuple[MetricSpec, ...]:
    """Declare a mean corruption error: over all corruptions or some, of images saved as the published ones or not."""
    plain = f"{definition} The reference's published errors are of images saved as JPEG of quality 85, these were not."
    return tuple(
        MetricSpec(f"{name}{count}{end}", f"{label}{shown}{words}", "fraction", False, told, _HENDRYCKS)
        for end, words, told in ((PLAIN_FILES, ", images not recompressed", plain), ("", "", definition))
        for count, shown in (("", ""), ("_{n}", "-{n}"))
    )


METRICS = (
    MetricSpec("clean_top1", "clean top-1", definition=_ACCURACIES),
    MetricSpec("corrupted_top1", "corrupted top-1", definition=_ACCURACIES),
    MetricSpec("corruption_gap", "gap", "gap", False, _ACCURACIES),
    *_errors("mce", "mCE", _MCE),
    *_errors("relative_mce", "relative mCE", _RELATIVE),
)
TABLES = (
    TableSpec(
        "severities",
        "Top-1 by corruption and severity",
        (
            ColumnSpec("corruption"),
            ColumnSpec("kind"),
            ColumnSpec("severity", unit="count"),
            ColumnSpec("top1", "top-1", "fraction", "low", "high"),
        ),
    ),
    TableSpec(
        "corruptions",
        "Corruptions, mean over severities",
        (
            ColumnSpec("corruption"),
            ColumnSpec("kind"),
            ColumnSpec("top1", "top-1", "fraction", "low", "high"),
            ColumnSpec("ce", "CE", "fraction"),
            ColumnSpec("relative_ce", "relative CE", "fraction"),
        ),
    ),
)
