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
    "zero_shot_top1": "zero-shot top-1",
    "fitted_top1": "fitted top-1",
    "mean": "top-1 of a template",
    "range": "range over templates",
    "standard_deviation": "standard deviation over templates",
    "best": "best template",
    "worst": "worst template",
    "flip_share": "images that flip",
    "ensemble_top1": "top-1 of the ensemble",
    "ensemble_gain": "gain of the ensemble",
    "chosen_top1": "chosen template",
    "optimism": "optimism of the best template",
    "chosen_gain": "gain of the chosen template",
    "greedy_top1": "greedy ensemble",
    "photo_gain": "gain of a photo over the bare name",
    "ensemble_over_photo": "gain of the ensemble over a photo",
    "names_range": "range over lists of names",
    "averaged_names_gain": "gain of all names averaged",
    "best_name_gain": "gain where the best name counts",
    "best_name_over_averaged": "best name over all averaged",
    "kendall_tau": "agreement of orders",
    "order_flip_share": "order flips",
    "surviving_claims": "claims that survive",
    "significant_surviving_claims": "of these significant",
    "significant_order_flips": "significant order flips",
    "top1_at_chosen_alpha": "top-1 at the chosen alpha",
    "shots_to_match": "labels to match zero-shot",
    "reference_top1": "reference top-1",
    "shift_top1": "shift top-1",
    "expected_top1": "expected top-1",
    "mean_shift_top1": "mean shift top-1",
    "worst_shift_top1": "worst shift top-1",
    "clean_top1": "clean top-1",
    "corrupted_top1": "corrupted top-1",
    "corruption_gap": "gap",
}

_TASKS = {
    "zero_shot": "zero-shot classification",
    "linear_probe": "linear probe",
    "few_shot": "few-shot",
    "knn": "k nearest neighbours",
    "wise_ft": "WiSE-FT head",
    "prompt_sensitivity": "prompt sensitivity",
    "probe_vs_zero_shot": "linear probe against zero-shot",
    "corruption_error": "corruption error",
    "robustness_pair": "zero-shot beside supervised",
    "published_pair": "the published pair",
}

_INTERVALS = {
    "wilson": "Wilson score interval of a proportion",
    "bootstrap": "percentile bootstrap over examples",
    "paired bootstrap": "paired bootstrap (both answers to an example are drawn together)",
    "score": "score interval of a paired difference (where no answer differs)",
    "seeds": "t-interval over random draws of the training examples",
    "unpaired bootstrap": "bootstrap of a difference between two sets, whose images are drawn apart",
    "line and examples": "bootstrap over the models behind the baseline line and over the images, drawn together",
}

_SHORT_INTERVALS = {"wilson": "Wilson", "seeds": "t, over draws", "line and examples": "line and images"}

_LOWER_IS_BETTER = re.compile(r"(^|_)(rank|error|loss|ece|fpr|mce|perplexity|gap)(_|$)")

_GAPS = {"gap", "mean_gap", "corruption_gap"}

_SPANS = {"range", "names_range", "standard_deviation"}
"""Lengths on the scale of a fraction: points without a sign."""

_DIFFERENCES = {
    *("effective_robustness", "mean_effective_robustness", "relative_robustness", "against_expectation"),
    *("reference_gain", "mean_shift_gain", "ensemble_gain", "chosen_gain", "optimism"),
    *("photo_gain", "ensemble_over_photo", "averaged_names_gain", "best_name_gain"),
    "best_name_over_averaged",
}
"""Metrics that are a difference of two fractions, beside those whose name ends in it."""

_ORDER = ("zero_shot", "linear_probe", "few_shot", "knn", "wise_ft", "prompt_sensitivity", "retrieval")
"""Of the tasks; others follow by name."""

_SHOTS = re.compile(r"(\d+) shots?(?:, )?")

_HEAD_WORDS = re.compile(r"(?:^|, )(towards the text classifier|C = [0-9.e+-]+)(?=,|$)")
"""In the variant of a WiSE-FT head, beside its prompt set."""


def metric(name: str) -> str:
    """Return a metric's name for readers, e.g. 'top-1' for 'top1' or 'image to text R@5'."""
    if name in _METRICS:
        return _METRICS[name]
    for ending, words in (("_over_seeds", "over draws"), ("_difference", "difference")):
        if name.endswith(ending):
            return f"{metric(name.removesuffix(ending))} {words}"
    if found := re.fullmatch(r"top1_at_k_(\d+)", name):
        return f"top-1 at k = {found[1]}"
    if found := re.fullmatch(r"(relative_)?mce(?:_(\d+))?", name):
        return f"{'relative ' if found[1] else ''}mCE{f'-{found[2]}' if found[2] else ''}"
    return re.sub(r"recall at (\d+)", r"R@\1", name.replace("_", " ")).replace("per class", "per-class")


def shown_unit(name: str, unit: str) -> str:
    """Return the unit to show a metric in: a difference of fractions is shown in points, and with its sign."""
    if unit != "fraction":
        return unit
    if name in _GAPS or name in _SPANS:
        return "gap"
    return "difference" if name in _DIFFERENCES or name.endswith("_difference") else unit


def task(name: str) -> str:
    """Return a task's name for readers."""
    return _TASKS.get(name, name.replace("_", " "))


def opens_with_finding(name: str) -> bool:
    """Return whether the first note of this task's jobs says in a sentence what was found."""
    return name == "prompt_sensitivity"


def pictures(role: str) -> str:
    """Return a heading for pictures of this role, e.g. 'Confident mistakes'."""
    heading = role or "picture"
    return f"{heading[:1].upper()}{heading[1:]}{'' if heading.endswith('s') else 's'}"


def task_order(name: str) -> tuple[int, str]:
    """Return a sort key: zero-shot classification, what is fitted on images, retrieval, then others by name."""
    return (_ORDER.index(name), "") if name in _ORDER else (len(_ORDER), name)


def variant(name: str, *, prompted: bool) -> str:
    """Return what a column's variant is, e.g. 'prompts photo' where it names prompts, else e.g. '4 shots'."""
    return f"prompts {name}" if name and prompted and not _HEAD_WORDS.search(name) else name


def shots(task_name: str, name: str) -> int | None:
    """Return the examples per class that a variant of few-shot names, or None."""
    found = _SHOTS.match(name) if task_name == "few_shot" else None
    return int(found[1]) if found else None


def without_shots(task_name: str, name: str) -> str:
    """Return a variant without its number of shots: 'projected' for '4 shots, projected'."""
    return _SHOTS.sub("", name, count=1) if shots(task_name, name) is not None else name


def variant_order(task_name: str, name: str) -> tuple[object, ...]:
    """Return a sort key that puts '2 shots' before '16 shots', and both before '2 shots, projected'."""
    return (natural(without_shots(task_name, name)), shots(task_name, name) or 0)


def condition(task_name: str, name: str, *, prompted: bool) -> str:
    """Return what of a variant makes a number another measurement: everything but the choice of prompts.

    Prompt sensitivity is about the prompts, so that another set of them is another measurement.
    """
    if not prompted or task_name == "prompt_sensitivity":
        return name
    return ", ".join(_HEAD_WORDS.findall(name)) if task_name == "wise_ft" else ""


def measurement(task_name: str, of_condition: str) -> str:
    """Return a task with its condition: '4 shots', 'linear probe, projected'."""
    if shots(task_name, of_condition) is not None:
        return re.sub(r"^(\d+) ", "\\1\N{NO-BREAK SPACE}", of_condition)
    return ", ".join(part for part in (task(task_name), of_condition) if part)


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
    return _SHORT_INTERVALS.get(kind, kind.replace("_", " "))


def lower_is_better(name: str, unit: str) -> bool:
    """Return whether a smaller value of this metric is the better one."""
    return unit in {"rank", "seconds"} or bool(_LOWER_IS_BETTER.search(name))
