"""Prompt sensitivity: how much zero-shot classification moves with the wording of the prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from clipbench.errors import UserError
from clipbench.metrics.flips import Flips, flips
from clipbench.stats.variance_components import FEWEST, crossed_components
from clipbench.tasks.base import DatasetFacts, Inputs, Metric, Needs, Outcome, TaskSettings
from clipbench.tasks.classify.class_prompts import PromptSettings, class_prompts
from clipbench.tasks.classify.classifier import TextClassifier
from clipbench.tasks.probe.training_set import VALIDATION_NAMES
from clipbench.tasks.prompt_sensitivity.ensemble_curve import BUDGET, Draws, ensemble_curve
from clipbench.tasks.prompt_sensitivity.held_out_selection import HonestChoice, choose
from clipbench.tasks.prompt_sensitivity.name_lists import NameAnswers, answer_names
from clipbench.tasks.prompt_sensitivity.name_tables import (
    names_gain,
    names_metrics,
    names_move,
    names_table,
    synonyms_table,
)
from clipbench.tasks.prompt_sensitivity.prompt_gains import gains, gains_in_words, gains_metrics, gains_table
from clipbench.tasks.prompt_sensitivity.prompt_grid import Layout, layout_of
from clipbench.tasks.prompt_sensitivity.template_metrics import (
    choice_in_words,
    choice_metrics,
    equal_prompts,
    equal_templates,
    moves_in_words,
    template_metrics,
)
from clipbench.tasks.prompt_sensitivity.template_scores import (
    Answered,
    TemplateAnswers,
    TemplateClassifiers,
    answer_templates,
    joined_templates,
    template_classifiers,
)
from clipbench.tasks.prompt_sensitivity.template_tables import (
    choice_table,
    families_table,
    family_effects_table,
    flip_pictures,
    per_class_table,
    template_examples,
    templates_table,
    variance_table,
)
from clipbench.tasks.prompted import PromptedClasses
from clipbench.tasks.requirements import require_joint_space, require_split
from clipbench.tasks.wording import points

if TYPE_CHECKING:
    import pandas as pd

    from clipbench.models.base import ModelInfo

_BYTES_A_VECTOR = 16
"""Of each number of a text vector: the classifiers, the same by class, and what their lengths take."""

_BYTES_AN_ANSWER = 32
"""Of each template and image: predictions, and float64 both ways round for the variance components."""


class PromptSensitivitySettings(PromptSettings):
    """Settings of prompt sensitivity."""

    task: Literal["prompt_sensitivity"] = Field(description="How much zero-shot top-1 moves with the prompt template.")
    split: str = Field(default="test", description="The split to evaluate.")
    val_split: str | None = Field(
        default=None,
        description="The split that templates are chosen on. Left out: one called val, validation, valid or dev; where "
        "there is none, each half of the evaluated split for the other half.",
    )
    seed: int = Field(default=0, ge=0, description="Of the random subsets of templates.")
    subsets: int = Field(
        default=200, ge=1, description="Subsets of each size, at most, for the curve of the ensemble's top-1."
    )


class PromptSensitivity:
    """Top-1 of every template alone and of ensembles of them, on the same images.

    Each template's classifier is zero-shot's, so its predictions are those of a zero-shot job with that template.
    """

    name: ClassVar[str] = "prompt_sensitivity"
    protocol: ClassVar[int] = 2
    Settings: ClassVar[type[TaskSettings]] = PromptSensitivitySettings

    def needs(
        self, settings: TaskSettings, dataset: DatasetFacts, model: ModelInfo, prompts: PromptedClasses | None
    ) -> Needs:
        """Ask for every prompt, and for projected features of the split and of a validation split if there is one.

        Raises:
            UserError: the data set is multi-label, has fewer than two classes or lacks a split, the model has no
                text tower, or the prompts are for other classes or not several for each.
        """
        own = _own(settings)
        layout = _layout(prompts, dataset)
        require_split(dataset, own.split)
        validation = _validation_split(own, dataset)
        splits = (own.split, *([validation] if validation else []))
        require_joint_space(model, self.name)
        templates, lists = len(layout.every), layout.lists
        # Of further lists of names the classifiers of one are held at a time.
        vectors = len(dataset.classes) * templates * min(2, lists)

        def memory(counts: Mapping[str, int], width: int) -> int:
            answers = counts[own.split] * (templates + len(layout.templates) * (lists - 1))
            chosen_on = counts[validation] * templates if validation else 0
            return _BYTES_A_VECTOR * vectors * width + _BYTES_AN_ANSWER * (answers + chosen_on) + 8 * BUDGET

        strings = tuple(dict.fromkeys(layout.strings()))
        return Needs(splits=splits, strings=strings, memory=memory, templates=True)

    def evaluate(self, inputs: Inputs, settings: TaskSettings, prompts: PromptedClasses | None) -> Outcome:
        """Compute what each template decides, and what that says of all of them.

        Raises:
            UserError: prompts, labels or features that cannot be used, or fewer than two labelled images.
        """
        own, dataset, model = _own(settings), inputs.dataset, inputs.model
        layout = _layout(prompts, dataset)
        classifiers = inputs.once("templates", lambda: template_classifiers(layout, inputs.text, model.name))
        tested = _answered(inputs, own.split, classifiers)
        images, answers = tested.images, tested.answers
        if len(answers.rows) < 2:
            raise UserError("has one labelled image", where=tested.where, fix="prompt_sensitivity needs at least two")
        found, steps = flips(answers.predictions), gains(answers, layout)
        choice = _choice(inputs, tested, classifiers, own, layout)
        several = layout.lists > 1
        names = answer_names(tested, layout, inputs.text, model) if several else None
        metrics = (
            *template_metrics(answers, found, layout.templates),
            *choice_metrics(answers, choice, layout.templates),
            *gains_metrics(steps, len(answers.rows)),
            *(names_metrics(names, layout) if names else ()),
        )
        by_name = {metric.name: metric for metric in metrics}
        tables = _tables(answers, layout, names) | {"gains": gains_table(steps)}
        tables["ensemble_curve"] = ensemble_curve(
            images, answers, classifiers, Draws(own.seed, own.subsets), model, tested.where
        )
        tables["choice"] = choice_table(by_name, len(classifiers.single), own.split, cross_fitted=choice.cross_fitted)
        return Outcome(
            metrics=metrics,
            examples=template_examples(answers, found, images.ids, own.split, dataset.classes, images.groups),
            tables=tables,
            pictures=flip_pictures(answers, found, images.ids, own.split, dataset.classes),
            notes=(
                *_in_words(by_name, layout),
                *choice_in_words(by_name, choice, dataset.name, own.split),
                *_notes(answers, found, layout, len(images)),
                *equal_prompts(classifiers.single, layout),
                *equal_templates(classifiers.single, layout.templates),
            ),
        )


def _own(settings: TaskSettings) -> PromptSensitivitySettings:
    assert isinstance(settings, PromptSensitivitySettings)
    return settings


def _layout(prompts: PromptedClasses | None, dataset: DatasetFacts) -> Layout:
    """Return the prompts, at least two and as many for every class of a single-label data set."""
    name = PromptSensitivity.name
    if dataset.multilabel:
        fix = "use zero_shot with several prompts, which compares their average precision"
        raise UserError(f"{name} needs one label an image, this is multi-label", where=dataset.name, fix=fix)
    if len(dataset.classes) < 2:
        problem = f"{name} needs at least two classes, this has {len(dataset.classes)}"
        raise UserError(problem, where=dataset.name, fix="use retrieval if it has captions")
    return layout_of(class_prompts(prompts, dataset, name), dataset.name)


def _validation_split(settings: PromptSensitivitySettings, dataset: DatasetFacts) -> str | None:
    """Return the split that templates are chosen on; None where there is none beside the evaluated one."""
    named = settings.val_split
    if named is None:
        return next((name for name in VALIDATION_NAMES if name in dataset.splits and name != settings.split), None)
    require_split(dataset, named)
    if named == settings.split:
        raise UserError(
            f"val_split: templates would be chosen on the split that is tested on, {named!r}",
            where=dataset.name,
            fix="name another, or leave val_split out",
        )
    return named


def _answered(inputs: Inputs, split: str, classifiers: TemplateClassifiers) -> Answered:
    images, where = inputs.sets[split], f"{inputs.dataset.name}, split {split}"
    return Answered(images, answer_templates(images, classifiers, inputs.model, where), split, where)


def _choice(
    inputs: Inputs,
    tested: Answered,
    classifiers: TemplateClassifiers,
    settings: PromptSensitivitySettings,
    layout: Layout,
) -> HonestChoice:
    split, model = _validation_split(settings, inputs.dataset), inputs.model
    validation = _answered(inputs, split, classifiers) if split else None

    def joined(positions: tuple[int, ...]) -> TextClassifier:
        return joined_templates(layout.prompts, positions, inputs.text, model.name)

    return choose(tested, validation, classifiers, joined, model)


def _tables(answers: TemplateAnswers, layout: Layout, names: NameAnswers | None) -> dict[str, pd.DataFrame]:
    tables = {"templates": templates_table(answers, layout)}
    if layout.given.families:
        tables["families"] = families_table(answers, layout)
        tables["family_effects"] = family_effects_table(answers, layout)
    classes = layout.prompts.classes
    if names is None:
        components = crossed_components(answers.correct, ("example", "template"))
    else:
        components = crossed_components(
            names.correct, ("example", "template", "names"), resampled=("example", "template")
        )
        tables["names"] = names_table(names, layout)
        tables["synonyms"] = synonyms_table(names, answers.labels, classes)
    tables["variance"] = variance_table(components)
    tables["per_class"] = per_class_table(answers, classes)
    return tables


def _in_words(metrics: Mapping[str, Metric], layout: Layout) -> Iterator[str]:
    several = layout.lists > 1
    first, *others = moves_in_words(metrics)
    chance = f"Chance is {points(1 / len(layout.given.classes))} %."
    yield " ".join([first, *([names_move(metrics)] if several else []), chance])
    yield from others
    yield gains_in_words(metrics)
    if several:
        yield names_gain(metrics, layout)


def _notes(answers: TemplateAnswers, found: Flips, layout: Layout, images: int) -> Iterator[str]:
    n, templates = answers.predictions.shape
    controls = len(layout.given.controls)
    if controls:
        verb = "template is a control" if controls == 1 else "templates are controls"
        yield (
            f"{controls} {verb}, there to be worse: beside the tables of templates and families they have no part in "
            "any number but the paper's two gains, where one of its prompts is among them."
        )
    if layout.most_names > layout.lists:
        yield (
            f"One class has {layout.most_names:,} names: {layout.lists} lists of names are compared, and the variance "
            "is over these; all other numbers of several names are of all of them."
        )
    if not layout.given.templates:
        yield "Classes have prompts of their own, so the k-th template stands for the k-th prompt of every class."
    if templates < FEWEST:
        yield f"{templates} templates are too few to resample: the variance components have no interval over templates."
    if n < FEWEST:
        yield f"{n} images are too few to resample: the variance components have no interval over images."
    if (found.different == 1).all():
        yield "All templates predict the same of every image, so nothing varies with the template."
    if images > n:
        yield f"Left out for want of a label: {images - n:,} of {images:,} images."
