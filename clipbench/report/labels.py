"""Names as a reader sees them: metrics, tasks, regimes and intervals, and what each of them means."""

from __future__ import annotations

import re

REGIMES = ("benchmark", "shift", "field", "")
"""In the order in which a page shows them; '' is undeclared."""

_METRICS = {
    "top1": "top-1",
    "top5": "top-5",
    "strict_top1": "strict top-1",
    "top1_strict": "strict top-1",
    "map": "mAP",
    "mean_average_precision": "mAP",
    "map_voc2007_11point": "mAP (VOC2007, 11-point)",
    "auroc": "AUROC",
    "roc_auc": "ROC AUC",
    "ece": "ECE",
}

_TASKS = {"zero_shot": "zero-shot classification", "knn": "nearest neighbours"}

_DEFINITIONS = (
    (r"(strict_)?top1(_strict)?$", "top-1", "share of images whose highest-scoring class is the right one."),
    (r"top5$", "top-5", "share of images with the right class among the five that score highest."),
    (
        r"mean_per_class_recall$",
        "mean per-class recall",
        "top-1 within each class, averaged over classes, so that every class counts the same.",
    ),
    (
        r"(map|mean_average_precision)",
        "mAP",
        "average precision of each class over all images, averaged over classes. "
        "The 11-point form samples precision at eleven levels of recall, as VOC2007 did.",
    ),
    (
        r".*recall_at_\d+$",
        "R@k",
        "share of queries with a right answer among the k that score highest; any caption of an image counts as right.",
    ),
    (r".*median_rank$", "median rank", "middle rank of the first right answer; 1 is perfect, and lower is better."),
    (r".*(auroc|roc_auc)$", "ROC AUC", "chance that a positive example scores higher than a negative one."),
)

_INTERVALS = {
    "wilson": "Wilson score interval of a proportion",
    "bootstrap": "percentile bootstrap over examples",
    "seeds": "spread over random seeds",
}

_LOWER_IS_BETTER = re.compile(r"(^|_)(rank|error|loss|ece|fpr|mce|perplexity)(_|$)")

_EARLIER_FIRST = {"zero_shot": 0}


def metric(name: str) -> str:
    """Return a metric's name for readers, e.g. 'top-1' for 'top1' or 'image to text R@5'."""
    if name in _METRICS:
        return _METRICS[name]
    return re.sub(r"recall at (\d+)", r"R@\1", name.replace("_", " ")).replace("per class", "per-class")


def task(name: str) -> str:
    """Return a task's name for readers."""
    return _TASKS.get(name, name.replace("_", " "))


def task_order(name: str) -> tuple[int, str]:
    """Return a sort key that puts zero-shot classification first."""
    return (_EARLIER_FIRST.get(name, 1), name)


def regime_order(name: str) -> tuple[int, str]:
    """Return a sort key: benchmark, shift, field, undeclared, then anything else."""
    return (REGIMES.index(name), "") if name in REGIMES else (len(REGIMES), name)


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that puts 'set-2' before 'set-10'."""
    parts = re.findall(r"[0-9]{1,18}|[^0-9]+|[0-9]+", name)
    return tuple((0, int(part), "") if part.isdecimal() and len(part) <= 18 else (1, 0, part) for part in parts)


def sets(count: int, regime: str) -> str:
    """Return e.g. '5 benchmark sets'."""
    return " ".join(part for part in (f"{count:,}", regime, "set" if count == 1 else "sets") if part)


def interval(kind: str) -> str:
    """Return what an interval of this kind is."""
    return _INTERVALS.get(kind, kind.replace("_", " "))


def short_interval(kind: str) -> str:
    """Return an interval's name for a narrow column, e.g. 'Wilson'."""
    return "Wilson" if kind == "wilson" else kind.replace("_", " ")


def lower_is_better(name: str, unit: str) -> bool:
    """Return whether a smaller value of this metric is the better one."""
    return unit in {"rank", "seconds"} or bool(_LOWER_IS_BETTER.search(name))


def definitions(names: set[str]) -> tuple[tuple[str, str], ...]:
    """Return (label, meaning) of the metrics among `names` whose meaning is known, in a fixed order."""
    known = (
        (label, meaning) for pattern, label, meaning in _DEFINITIONS if any(re.match(pattern, name) for name in names)
    )
    return tuple(known)
