"""Tables, per-example rows and pictures of what many prompt templates decide about the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipbench.metrics.flips import Flips
from clipbench.stats.bootstrap import bootstrap_mean
from clipbench.stats.comparison import compare_pair
from clipbench.stats.intervals import Interval, wilson
from clipbench.stats.significance import holm, mean_is_zero
from clipbench.stats.variance_components import Component
from clipbench.tasks.base import Metric, Picture
from clipbench.tasks.classify.class_tables import PICTURES, PICTURES_A_PAIR, group_columns
from clipbench.tasks.prompt_sensitivity.prompt_grid import Layout
from clipbench.tasks.prompt_sensitivity.template_scores import TemplateAnswers

if TYPE_CHECKING:
    import pandas as pd


def templates_table(answers: TemplateAnswers, layout: Layout) -> pd.DataFrame:
    """Return position, template, family, role, first_prompt, top1, low, high (Wilson, 95 %) of all templates.

    family has the names of all families that the template belongs to, role is empty but for templates beside the
    others, and first_prompt is that of the first class.
    """
    import pandas as pd

    roles = [*("" for _ in layout.templates), *(one.role for one in layout.beside)]
    first = [*layout.prompts.strings[0], *(one.prompts.strings[0][0] for one in layout.beside)]
    rows = []
    for position, (template, role, prompt) in enumerate(zip(layout.every, roles, first, strict=True)):
        correct, n = int(np.count_nonzero(answers.every_correct[:, position])), len(answers.rows)
        interval = wilson(correct, n)
        family = ", ".join(name for name, members in layout.given.families.items() if position in members)
        rows.append((position, template, family, role, prompt, correct / n, interval.low, interval.high))
    columns = ["position", "template", "family", "role", "first_prompt", "top1", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def families_table(answers: TemplateAnswers, layout: Layout) -> pd.DataFrame:
    """Return family, plain, template, difference, low, high, p, p_holm.

    One row for each template of a family but its plain one: its top-1 minus the plain one's on the same images, with
    McNemar's exact p value, and that after Holm's correction for all rows.
    """
    import pandas as pd

    names, correct = layout.every, answers.every_correct
    rows = [
        (family, names[plain], names[position], *compare_pair(correct[:, position], correct[:, plain]).numbers)
        for family, (plain, *others) in layout.given.families.items()
        for position in others
    ]
    frame = pd.DataFrame(rows, columns=["family", "plain", "template", "difference", "low", "high", "p"])
    frame["p_holm"] = holm(frame["p"].tolist())
    return frame


def family_effects_table(answers: TemplateAnswers, layout: Layout) -> pd.DataFrame:
    """Return family, plain, others, difference, low, high, p, p_holm.

    One row a family: the mean top-1 of its other templates, as many as `others` says, minus the plain one's on the same
    images, with the interval of a bootstrap over images, the p value of a paired t test, and that after Holm's
    correction for all families.
    """
    import pandas as pd

    correct = answers.every_correct
    rows = []
    for family, (plain, *others) in layout.given.families.items():
        gained = correct[:, others].mean(axis=1) - correct[:, plain]
        # Every resample would repeat a difference that is the same of all images; each of the others then has it too.
        alike = np.ptp(gained) == 0
        interval = compare_pair(correct[:, others[0]], correct[:, plain]).interval if alike else bootstrap_mean(gained)
        p = mean_is_zero(gained)
        rows.append((family, layout.every[plain], len(others), gained.mean(), interval.low, interval.high, p))
    frame = pd.DataFrame(rows, columns=["family", "plain", "others", "difference", "low", "high", "p"])
    frame["p_holm"] = holm(frame["p"].tolist())
    return frame


def choice_table(metrics: Mapping[str, Metric], templates: int, split: str, *, cross_fitted: bool) -> pd.DataFrame:
    """Return how, top1, low, high, templates, chosen_on: ways to come from many templates to one number.

    templates names those that were chosen, an ensemble's joined by ' + '; chosen_on is empty where none was.
    """
    import pandas as pd

    honest = "best by cross-fitting" if cross_fitted else "best on validation"
    every = f"all {templates}"
    rows = []
    for how, name, used, on in (
        (honest, "chosen_top1", None, None),
        ("greedy ensemble", "greedy_top1", None, None),
        (f"best on {split} (optimistic)", "best", None, split),
        ("mean of templates", "mean", every, ""),
        ("all templates averaged", "ensemble_top1", every, ""),
    ):
        metric = metrics[name]
        if metric.value is None:
            continue
        params = metric.params
        which = used or params.get("templates") or params["template"]
        chosen_on = params["chosen_on"] if on is None else on
        rows.append((how, metric.value, *_pair(metric.interval), which, chosen_on))
    return pd.DataFrame(rows, columns=["how", "top1", "low", "high", "templates", "chosen_on"])


def per_class_table(answers: TemplateAnswers, classes: Sequence[str]) -> pd.DataFrame:
    """Return class, n, mean, lowest, highest, range (of the class's top-1 over templates), label."""
    import pandas as pd

    counts = np.bincount(answers.labels, minlength=len(classes))
    right = np.zeros((len(classes), answers.predictions.shape[1]))
    np.add.at(right, answers.labels, answers.correct)
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
    """Return component, value (a variance), low, high (over images), low_over_templates, high_over_templates."""
    import pandas as pd

    rows = [
        (name, one.value, *_pair(one.over["example"]), *_pair(one.over["template"])) for name, one in components.items()
    ]
    ends = ["low", "high", "low_over_templates", "high_over_templates"]
    return pd.DataFrame(rows, columns=["component", "value", *ends])


def _pair(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)


def template_examples(
    answers: TemplateAnswers,
    found: Flips,
    ids: Sequence[str],
    split: str,
    classes: Sequence[str],
    groups: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """Return one row a labelled image.

    Columns: id, split, label, label_name, correct_share (of the templates), predictions (how many different ones),
    first_prediction (the first template's), most_frequent_prediction, `correct.POSITION` of each template, those
    beside the others too, and `group.NAME`.
    """
    import pandas as pd

    names = np.asarray(classes, object)
    columns = {
        "id": [ids[row] for row in answers.rows],
        "split": split,
        "label": answers.labels,
        "label_name": names[answers.labels],
        "correct_share": answers.correct.mean(axis=1),
        "predictions": found.different,
        "first_prediction": names[answers.predictions[:, 0]],
        "most_frequent_prediction": names[found.first],
    }
    each = {f"correct.{position}": correct for position, correct in enumerate(answers.every_correct.T)}
    return pd.DataFrame(columns | each | group_columns(groups, answers.rows))


def flip_pictures(
    answers: TemplateAnswers, found: Flips, ids: Sequence[str], split: str, classes: Sequence[str]
) -> tuple[Picture, ...]:
    """Return the images with the most different predictions, at most two of a class and its most frequent ones.

    Of images with as many, those come first whose most frequent prediction is the rarest.
    """
    flipped = np.flatnonzero(found.different > 1)
    templates = answers.predictions.shape[1]
    pictures: list[Picture] = []
    shown: dict[tuple[int, ...], int] = {}
    for place in flipped[np.lexsort((found.first_count[flipped], -found.different[flipped]))].tolist():
        label, first, second = (int(of[place]) for of in (answers.labels, found.first, found.second))
        kind = (label, *sorted((first, second)))
        if shown.get(kind, 0) == PICTURES_A_PAIR:
            continue
        shown[kind] = shown.get(kind, 0) + 1
        often = f"{classes[first]} ({found.first_count[place]} of {templates} templates)"
        caption = f"true: {classes[label]}; predicted: {often}, {classes[second]} ({found.second_count[place]})"
        pictures.append(Picture(ids[answers.rows[place]], split, "flips between prompts", caption))
        if len(pictures) == PICTURES:
            break
    return tuple(pictures)
