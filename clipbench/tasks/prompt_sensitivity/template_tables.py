"""Tables, per-example rows and pictures of what many prompt templates decide about the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipbench.metrics.flips import Flips
from clipbench.metrics.specs import ColumnSpec, TableSpec
from clipbench.stats.clusters import design, share_interval
from clipbench.stats.differences import simultaneous_differences
from clipbench.stats.intervals import ends
from clipbench.stats.variance_components import Component
from clipbench.tasks.base import ImageSet, Metric, Picture
from clipbench.tasks.classify.class_tables import PICTURES, PICTURES_A_PAIR
from clipbench.tasks.prompt_sensitivity.prompt_grid import PromptGrid
from clipbench.tasks.prompt_sensitivity.template_metrics import Gain
from clipbench.tasks.prompt_sensitivity.template_scores import TemplateScores

if TYPE_CHECKING:
    import pandas as pd

TOP1 = ColumnSpec("top1", "top-1", "fraction", "low", "high")
DIFFERENCE = ColumnSpec("difference", "difference, points", "difference", "low", "high")
TOGETHER = "Intervals hold for all rows together; one that leaves out zero is a difference beyond chance."
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
    "Gains of a photo, of the ensemble and of the chosen template",
    (ColumnSpec("gain"), _PLAIN, ColumnSpec("better"), DIFFERENCE),
    definition=f"{TOGETHER} The CLIP paper, on ImageNet: a photo +1.3 points, and +3.5 for 80 templates.",
)
FAMILY_EFFECTS = TableSpec(
    "family_effects",
    "What each family of wordings does",
    (_FAMILY, _PLAIN, ColumnSpec("others", unit="count"), DIFFERENCE),
    definition=TOGETHER,
)
FAMILIES = TableSpec(
    "families",
    "What a change of the wording does",
    (_FAMILY, _PLAIN, _TEMPLATE, DIFFERENCE),
    definition=TOGETHER,
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
    ),
)
TABLES = (PER_CLASS, TEMPLATES, GAINS, FAMILY_EFFECTS, FAMILIES, CHOICE, VARIANCE)


def templates_table(scores: TemplateScores, grid: PromptGrid) -> pd.DataFrame:
    """Return every template's top-1 (Wilson, 95 %), its families and role, and its prompt of the first class."""
    roles = [*("" for _ in grid.templates), *(extra.role for extra in grid.extra)]
    first = [*grid.prompts.strings[0], *(extra.prompts.strings[0][0] for extra in grid.extra)]
    rows = []
    for position, (template, role, prompt) in enumerate(zip(grid.every, roles, first, strict=True)):
        right = scores.every_correct[:, position]
        interval = share_interval(float(right.mean()), len(right), design(right, scores.clusters))
        family = ", ".join(name for name, members in grid.given.families.items() if position in members)
        rows.append((position, template, family, role, prompt, float(right.mean()), *ends(interval)))
    return TEMPLATES.frame(rows)


def families_table(scores: TemplateScores, grid: PromptGrid) -> pd.DataFrame:
    """Return one row for each template of a family but its plain one: its top-1 minus the plain one's, same images."""
    names, correct = grid.every, scores.every_correct
    rows = [
        (family, plain, position) for family, (plain, *others) in grid.given.families.items() for position in others
    ]
    pairs = [(correct[:, position], correct[:, plain]) for _, plain, position in rows]
    found = simultaneous_differences(pairs, scores.clusters)
    return FAMILIES.frame(
        (family, names[plain], names[position], *difference.numbers)
        for (family, plain, position), difference in zip(rows, found, strict=True)
    )


def family_effects_table(scores: TemplateScores, grid: PromptGrid) -> pd.DataFrame:
    """Return one row a family: the mean top-1 of its other templates minus the plain one's on the same images."""
    correct, families = scores.every_correct, grid.given.families.items()
    pairs = [(correct[:, others].mean(axis=1), correct[:, plain]) for _, (plain, *others) in families]
    found = simultaneous_differences(pairs, scores.clusters)
    return FAMILY_EFFECTS.frame(
        (family, grid.every[members[0]], len(members) - 1, *difference.numbers)
        for (family, members), difference in zip(families, found, strict=True)
    )


def gains_table(steps: Sequence[Gain]) -> pd.DataFrame:
    """Return what each step gains."""
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
    """Return the components, with intervals over images where these cover."""
    return VARIANCE.frame((name, component.value, *ends(component.interval)) for name, component in components.items())


def template_examples(scores: TemplateScores, found: Flips, classes: Sequence[str], images: ImageSet) -> pd.DataFrame:
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
    return pd.DataFrame(columns | each | images.attributes(scores.rows))


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
