"""Tables, per-example rows and pictures of what many prompt templates decide about the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clipbench.metrics.flips import Flips
from clipbench.metrics.specs import ColumnSpec, TableSpec
from clipbench.stats.bootstrap import bootstrap_mean
from clipbench.stats.intervals import ends, wilson
from clipbench.stats.paired import compare_pair
from clipbench.stats.significance import holm, mean_is_zero
from clipbench.stats.variance_components import Component
from clipbench.tasks.base import Metric, Picture
from clipbench.tasks.classify.class_tables import PICTURES, PICTURES_A_PAIR, group_columns
from clipbench.tasks.prompt_sensitivity.prompt_grid import PromptGrid
from clipbench.tasks.prompt_sensitivity.template_metrics import Gain
from clipbench.tasks.prompt_sensitivity.template_scores import TemplateScores

if TYPE_CHECKING:
    import pandas as pd

TOP1 = ColumnSpec("top1", "top-1", "fraction", "low", "high")
DIFFERENCE = ColumnSpec("difference", "difference, points", "difference", "low", "high")
P_VALUE, P_HOLM = ColumnSpec("p", unit="p"), ColumnSpec("p_holm", "p, Holm", "p")
_FAMILY, _PLAIN, _TEMPLATE = (ColumnSpec(name) for name in ("family", "plain", "template"))

PER_CLASS = TableSpec(
    "per_class",
    "Classes, worst first",
    (
        ColumnSpec("class"),
        ColumnSpec("n", unit="count"),
        ColumnSpec("mean", "mean over templates [lowest, highest]", "fraction", "lowest", "highest"),
    ),
)
TEMPLATES = TableSpec(
    "templates",
    "Templates",
    (ColumnSpec("position", unit="count"), _TEMPLATE, _FAMILY, *map(ColumnSpec, ("role", "first_prompt")), TOP1),
    definition="Controls are there to be worse; baselines are the paper's single prompts, where the set lacks "
    "them. Neither has a part in any mean or ensemble.",
)
GAINS = TableSpec(
    "gains",
    "Gains of a photo and of the ensemble",
    (ColumnSpec("gain"), _PLAIN, ColumnSpec("better"), DIFFERENCE, P_VALUE),
    definition="The CLIP paper, on ImageNet: +1.3 points, and +3.5 for 80 templates.",
)
FAMILY_EFFECTS = TableSpec(
    "family_effects",
    "What each family of wordings does",
    (_FAMILY, _PLAIN, ColumnSpec("others", unit="count"), DIFFERENCE, P_VALUE, P_HOLM),
)
FAMILIES = TableSpec(
    "families", "What a change of the wording does", (_FAMILY, _PLAIN, _TEMPLATE, DIFFERENCE, P_VALUE, P_HOLM)
)
CHOICE = TableSpec(
    "choice",
    "From many templates to one number",
    (ColumnSpec("how"), TOP1, ColumnSpec("templates"), ColumnSpec("chosen_on")),
)
VARIANCE = TableSpec(
    "variance",
    "Where the variance comes from",
    (
        ColumnSpec("component"),
        ColumnSpec("value", "variance", "number", "low", "high"),
        ColumnSpec("low_over_templates", unit="number"),
        ColumnSpec("high_over_templates", unit="number"),
    ),
)
TABLES = (PER_CLASS, TEMPLATES, GAINS, FAMILY_EFFECTS, FAMILIES, CHOICE, VARIANCE)


def templates_table(scores: TemplateScores, grid: PromptGrid) -> pd.DataFrame:
    """Return every template's top-1 (Wilson, 95 %), its families and role, and its prompt of the first class."""
    roles = [*("" for _ in grid.templates), *(extra.role for extra in grid.extra)]
    first = [*grid.prompts.strings[0], *(extra.prompts.strings[0][0] for extra in grid.extra)]
    rows = []
    for position, (template, role, prompt) in enumerate(zip(grid.every, roles, first, strict=True)):
        correct, n = int(np.count_nonzero(scores.every_correct[:, position])), len(scores.rows)
        interval = wilson(correct, n)
        family = ", ".join(name for name, members in grid.given.families.items() if position in members)
        rows.append((position, template, family, role, prompt, correct / n, interval.low, interval.high))
    return TEMPLATES.frame(rows)


def families_table(scores: TemplateScores, grid: PromptGrid) -> pd.DataFrame:
    """Return one row for each template of a family but its plain one.

    The difference is its top-1 minus the plain one's on the same images, with McNemar's exact p value, and that after
    Holm's correction for all rows.
    """
    names, correct = grid.every, scores.every_correct
    rows = [
        (family, names[plain], names[position], *compare_pair(correct[:, position], correct[:, plain]).numbers)
        for family, (plain, *others) in grid.given.families.items()
        for position in others
    ]
    return _corrected(FAMILIES, rows)


def family_effects_table(scores: TemplateScores, grid: PromptGrid) -> pd.DataFrame:
    """Return one row a family: the mean top-1 of its other templates minus the plain one's on the same images.

    The interval is of a bootstrap over images, p of a paired t test, and p_holm that after Holm's correction.
    """
    correct = scores.every_correct
    rows = []
    for family, (plain, *others) in grid.given.families.items():
        gained = correct[:, others].mean(axis=1) - correct[:, plain]
        # Every resample would repeat a difference that is the same of all images; each of the others then has it too.
        alike = np.ptp(gained) == 0
        interval = compare_pair(correct[:, others[0]], correct[:, plain]).interval if alike else bootstrap_mean(gained)
        assert interval is not None
        p = mean_is_zero(gained)
        rows.append((family, grid.every[plain], len(others), gained.mean(), interval.low, interval.high, p))
    return _corrected(FAMILY_EFFECTS, rows)


def _corrected(spec: TableSpec, rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    p_values = holm([row[-1] for row in rows])
    return spec.frame([(*row, p) for row, p in zip(rows, p_values, strict=True)])


def gains_table(steps: Sequence[Gain]) -> pd.DataFrame:
    """Return what each step gains (McNemar's exact test)."""
    return GAINS.frame((gain.name, gain.plain, gain.better, *gain.found.numbers) for gain in steps)


def choice_table(metrics: Mapping[str, Metric], templates: int, split: str, *, cross_fitted: bool) -> pd.DataFrame:
    """Return ways to come from many templates to one number; chosen_on is empty where none was chosen."""
    chosen, best, every = metrics["chosen_top1"].params, metrics["best"].params, f"all {templates}"
    held_out = "best by cross-fitting" if cross_fitted else "best on validation"
    ways = (
        (held_out, "chosen_top1", chosen["template"], chosen["chosen_on"]),
        (f"best on {split} (optimistic)", "best", best["template"], split),
        ("mean of templates", "mean", every, ""),
        ("all templates averaged", "ensemble_top1", every, ""),
    )
    return CHOICE.frame((how, metrics[name].value, *ends(metrics[name].interval), *which) for how, name, *which in ways)


def per_class_table(scores: TemplateScores, classes: Sequence[str]) -> pd.DataFrame:
    """Return each class's top-1: its mean, lowest, highest and range over templates."""
    import pandas as pd

    counts = np.bincount(scores.labels, minlength=len(classes))
    right = np.zeros((len(classes), scores.predictions.shape[1]))
    np.add.at(right, scores.labels, scores.correct)
    rows: list[tuple[str | int | float | None, ...]] = []
    for name, n, of_class in zip(classes, counts.tolist(), right, strict=True):
        if not n:
            rows.append((name, 0, None, None, None, None))
            continue
        top1 = of_class / n
        rows.append((name, n, *map(float, (top1.mean(), top1.min(), top1.max(), np.ptp(top1)))))
    frame = pd.DataFrame(rows, columns=["class", "n", "mean", "lowest", "highest", "range"])
    return frame.assign(label=range(len(classes)))


def variance_table(components: Mapping[str, Component]) -> pd.DataFrame:
    """Return the components with their intervals over images, and over templates."""
    return VARIANCE.frame(
        (name, component.value, *ends(component.over["example"]), *ends(component.over["template"]))
        for name, component in components.items()
    )


def template_examples(
    scores: TemplateScores, found: Flips, classes: Sequence[str], groups: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """Return one row a labelled image.

    predictions counts the different ones, first_prediction is the first template's, and `correct.POSITION` is of each
    template, the extra ones too.
    """
    import pandas as pd

    names = np.asarray(classes, object)
    columns = {
        "id": scores.ids,
        "split": scores.split,
        "label": scores.labels,
        "label_name": names[scores.labels],
        "correct_share": scores.correct.mean(axis=1),
        "predictions": found.different,
        "first_prediction": names[scores.predictions[:, 0]],
        "most_frequent_prediction": names[found.first],
    }
    each = {f"correct.{position}": correct for position, correct in enumerate(scores.every_correct.T)}
    return pd.DataFrame(columns | each | group_columns(groups, scores.rows))


def flip_pictures(scores: TemplateScores, found: Flips, classes: Sequence[str]) -> tuple[Picture, ...]:
    """Return the images with the most different predictions, at most two of a class and its most frequent ones.

    Of images with as many, those come first whose most frequent prediction is the rarest.
    """
    flipped = np.flatnonzero(found.different > 1)
    templates = scores.predictions.shape[1]
    pictures: list[Picture] = []
    shown: dict[tuple[int, ...], int] = {}
    for place in flipped[np.lexsort((found.first_count[flipped], -found.different[flipped]))].tolist():
        label, first, second = (int(column[place]) for column in (scores.labels, found.first, found.second))
        kind = (label, *sorted((first, second)))
        if shown.get(kind, 0) == PICTURES_A_PAIR:
            continue
        shown[kind] = shown.get(kind, 0) + 1
        often = f"{classes[first]} ({found.first_count[place]} of {templates} templates)"
        true, prediction = classes[label], f"{often}, {classes[second]} ({found.second_count[place]})"
        caption = f"true: {true}; predicted: {prediction}"
        pictures.append(Picture(scores.ids[place], scores.split, "flips between prompts", caption, true, prediction))
        if len(pictures) == PICTURES:
            break
    return tuple(pictures)
