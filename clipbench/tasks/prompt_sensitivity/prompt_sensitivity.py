"""Prompt sensitivity: how much zero-shot classification moves with the wording of the prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from clipbench.arrays import BoolArray
from clipbench.errors import UserError
from clipbench.metrics.chance import top_k_baseline
from clipbench.metrics.flips import flips
from clipbench.metrics.specs import MetricSpec, TableSpec
from clipbench.stats.variance_components import Component, variance_components
from clipbench.tasks.base import DatasetFacts, Inputs, Needs, Outcome
from clipbench.tasks.classify.class_prompts import PromptSettings, class_prompts
from clipbench.tasks.classify.single_label import with_baseline
from clipbench.tasks.prompt_sensitivity.held_out_selection import held_out_selection
from clipbench.tasks.prompt_sensitivity.name_lists import (
    NAME_METRICS,
    NAMES_TABLE,
    NameScores,
    name_metrics,
    names_table,
    score_names,
)
from clipbench.tasks.prompt_sensitivity.prompt_grid import PromptGrid
from clipbench.tasks.prompt_sensitivity.prompt_notes import prompt_notes
from clipbench.tasks.prompt_sensitivity.template_metrics import (
    ACCURACIES,
    METRICS,
    chosen_metric,
    gain_metrics,
    gains,
    template_metrics,
)
from clipbench.tasks.prompt_sensitivity.template_scores import (
    TemplateScores,
    place_of,
    score_templates,
    template_classifiers,
)
from clipbench.tasks.prompt_sensitivity.template_tables import (
    TABLES,
    choice_table,
    families_table,
    family_effects_table,
    flip_pictures,
    gains_table,
    per_class_table,
    template_examples,
    templates_table,
    variance_table,
)
from clipbench.tasks.prompts import PromptedClasses
from clipbench.tasks.requirements import (
    require_classes,
    require_joint_space,
    require_single_label,
    require_split,
    validation_split,
)

if TYPE_CHECKING:
    import pandas as pd

    from clipbench.models.base import ModelInfo

_AXES = ("example", "template", "names")

_BYTES_A_VECTOR = 8
"""Of each number of a text vector: as it is read, and in the classifier."""

_BYTES_AN_ANSWER = 48
"""Of each template and image: predictions, and float64 several times for intervals and variance components."""

_BYTES_AT_A_TIME = 1 << 26
"""Features and scores of some images, and resamples: whatever the size of the data."""


class PromptSensitivitySettings(PromptSettings):
    """Settings of prompt sensitivity."""

    task: Literal["prompt_sensitivity"] = Field(description="How much zero-shot top-1 moves with the prompt template.")
    val_split: str | None = Field(
        default=None,
        description="The split that templates are chosen on. Left out: one called val, validation, valid or dev; where "
        "there is none, each half of the evaluated split for the other half.",
    )

    def validation_split(self, dataset: DatasetFacts) -> str | None:
        """Return the split that templates are chosen on; None where there is none beside the evaluated one."""
        return validation_split(self.val_split, dataset, {self.split: "tested on"}, "templates")


class PromptSensitivity:
    """Top-1 of every template alone and of all of them together, on the same images.

    Each template's classifier is zero-shot's, so its predictions are those of a zero-shot job with that template.
    """

    name: ClassVar[str] = "prompt_sensitivity"
    label: ClassVar[str] = "prompt sensitivity"
    protocol: ClassVar[int] = 3
    metrics: ClassVar[tuple[MetricSpec, ...]] = (*METRICS, *NAME_METRICS)
    tables: ClassVar[tuple[TableSpec, ...]] = (*TABLES, NAMES_TABLE)
    measures_prompts: ClassVar[bool] = True
    Settings = PromptSensitivitySettings

    def needs(
        self,
        settings: PromptSensitivitySettings,
        dataset: DatasetFacts,
        model: ModelInfo,
        prompts: PromptedClasses | None,
    ) -> Needs:
        """Ask for every prompt, and for projected features of the split and of a validation split if there is one."""
        grid = _grid(prompts, dataset)
        require_split(dataset, settings.split)
        validation = settings.validation_split(dataset)
        splits = (settings.split, *([validation] if validation else []))
        require_joint_space(model, self.name)
        templates, lists = len(grid.every), grid.lists
        # Of further lists of names the classifiers of one are held at a time.
        vectors = len(dataset.classes) * templates * min(2, lists)

        def memory(counts: Mapping[str, int], width: int) -> int:
            answers = counts[settings.split] * (templates + len(grid.templates) * (lists - 1))
            chosen_on = counts[validation] * templates if validation else 0
            held = _BYTES_A_VECTOR * vectors * width + _BYTES_AN_ANSWER * (answers + chosen_on)
            return held + _BYTES_AT_A_TIME

        strings = tuple(dict.fromkeys(grid.strings()))
        return Needs(splits=splits, strings=strings, memory=memory, templates=True)

    def evaluate(self, inputs: Inputs, settings: PromptSensitivitySettings, prompts: PromptedClasses | None) -> Outcome:
        """Compute what each template decides, and what that says of all of them."""
        dataset, images = inputs.dataset, inputs.sets[settings.split]
        grid = _grid(prompts, dataset)
        classifiers = inputs.cache.get_or_compute(
            "templates", lambda: template_classifiers(grid, inputs.text, inputs.model.name)
        )
        scores = score_templates(inputs, settings.split, classifiers)
        if len(scores.rows) < 2:
            where = place_of(inputs, settings.split)
            raise UserError("has one labelled image", where=where, fix="prompt_sensitivity needs at least two")
        found, components = flips(scores.predictions), _components(scores.correct, scores)
        validation = settings.validation_split(dataset)
        selection = held_out_selection(scores, score_templates(inputs, validation, classifiers) if validation else None)
        steps = gains(scores, selection, grid)
        names = score_names(inputs, scores, grid) if grid.lists > 1 else None
        metrics = (
            *template_metrics(scores, found, grid, components["template"]),
            chosen_metric(scores, selection, grid),
            *gain_metrics(steps, len(scores.rows)),
            *(name_metrics(names, grid) if names else ()),
        )
        counts = np.bincount(scores.labels, minlength=len(dataset.classes))
        metrics = tuple(
            with_baseline(metric, top_k_baseline(counts)) if metric.name in ACCURACIES else metric for metric in metrics
        )
        by_name = {metric.name: metric for metric in metrics}
        choice = choice_table(by_name, len(grid.templates), settings.split, cross_fitted=selection.cross_fitted)
        return Outcome(
            metrics=metrics,
            examples=template_examples(scores, found, dataset.classes, images),
            tables=_tables(scores, grid, names, components) | {"gains": gains_table(steps), "choice": choice},
            pictures=flip_pictures(scores, found, dataset.classes),
            notes=tuple(prompt_notes(scores, selection, grid, classifiers.single, len(images))),
        )


def _grid(prompts: PromptedClasses | None, dataset: DatasetFacts) -> PromptGrid:
    """Return the prompts, at least two and as many for every class of a single-label data set."""
    name = PromptSensitivity.name
    fix = "use zero_shot with several prompts, which compares their average precision"
    require_single_label(dataset, name, fix)
    require_classes(dataset, name, "use retrieval if it has captions")
    return PromptGrid.of(class_prompts(prompts, dataset, name), dataset.name)


def _components(correct: BoolArray, scores: TemplateScores) -> Mapping[str, Component]:
    """Return the variance components of (n, T) or (n, T, W) answers; no intervals of images that come in clusters."""
    found = variance_components(correct, _AXES[: correct.ndim])
    if scores.clusters is None:
        return found
    return {name: replace(component, interval=None) for name, component in found.items()}


def _tables(
    scores: TemplateScores, grid: PromptGrid, names: NameScores | None, components: Mapping[str, Component]
) -> dict[str, pd.DataFrame]:
    classes = grid.prompts.classes
    tables = {"templates": templates_table(scores, grid), "per_class": per_class_table(scores, classes)}
    if grid.given.families:
        tables["families"] = families_table(scores, grid)
        tables["family_effects"] = family_effects_table(scores, grid)
    if names is not None:
        components = _components(names.correct, scores)
        tables["names"] = names_table(names, grid)
    return tables | {"variance": variance_table(components)}
