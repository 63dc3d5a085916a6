"""Prompt sensitivity: how much zero-shot classification moves with the wording of the prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from clipbench.errors import UserError
from clipbench.metrics.flips import Flips, flips
from clipbench.stats.crossed import FEWEST, crossed_components
from clipbench.tasks.base import DatasetFacts, Inputs, Needs, Outcome, PromptedClasses, TaskSettings
from clipbench.tasks.class_prompts import PromptSettings, class_prompts, distinct_strings
from clipbench.tasks.ensemble_curve import BUDGET, Draws, ensemble_curve
from clipbench.tasks.prompt_choice import Names, name_of
from clipbench.tasks.requirements import require_joint_space, require_split
from clipbench.tasks.template_metrics import in_words, template_metrics
from clipbench.tasks.template_scores import (
    TemplateAnswers,
    answer_templates,
    template_classifiers,
    template_count,
)
from clipbench.tasks.template_tables import (
    families_table,
    flip_pictures,
    per_class_table,
    template_examples,
    templates_table,
    variance_table,
)

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
    datasets: Names = Field(description="Data sets from the catalog or from this suite.", min_length=1)
    split: str = Field(default="test", description="The split to evaluate.")
    seed: int = Field(default=0, ge=0, description="Of the random subsets of templates.")
    subsets: int = Field(
        default=200, ge=1, description="Subsets of each size, at most, for the curve of the ensemble's top-1."
    )

    def variants(self) -> Sequence[PromptSensitivitySettings]:
        """Return one settings object for each prompt choice, or this one if none is named."""
        if not self.prompts:
            return (self,)
        return tuple(self.model_copy(update={"prompts": (choice,)}) for choice in self.prompts)

    @property
    def variant(self) -> str:
        """The prompt choice's name; empty where the data set's own prompts are used."""
        return ", ".join(name_of(choice) for choice in self.prompts)


class PromptSensitivity:
    """Top-1 of every template alone and of ensembles of them, on the same images.

    Each template's classifier is zero-shot's, so its predictions are those of a zero-shot job with that template.
    """

    name: ClassVar[str] = "prompt_sensitivity"
    protocol: ClassVar[int] = 1
    Settings: ClassVar[type[TaskSettings]] = PromptSensitivitySettings

    def needs(
        self, settings: TaskSettings, dataset: DatasetFacts, model: ModelInfo, prompts: PromptedClasses | None
    ) -> Needs:
        """Ask for one split's projected features and every prompt.

        Raises:
            UserError: the data set is multi-label, has fewer than two classes or lacks the split, the model has no
                text tower, or the prompts are for other classes or not several for each.
        """
        split = _own(settings).split
        given = _several(prompts, dataset)
        require_split(dataset, split)
        require_joint_space(model, self.name)
        numbers = len(given.classes) * len(given.strings[0])

        def memory(counts: Mapping[str, int], width: int) -> int:
            answers = counts[split] * len(given.strings[0])
            return _BYTES_A_VECTOR * numbers * width + _BYTES_AN_ANSWER * answers + 8 * BUDGET

        return Needs(splits=(split,), strings=distinct_strings(given), memory=memory)

    def evaluate(self, inputs: Inputs, settings: TaskSettings, prompts: PromptedClasses | None) -> Outcome:
        """Compute what each template decides, and what that says of all of them.

        Raises:
            UserError: prompts, labels or features that cannot be used, or fewer than two labelled images.
        """
        own, dataset, model = _own(settings), inputs.dataset, inputs.model
        prompts = _several(prompts, dataset)
        images, where = inputs.sets[own.split], f"{dataset.name}, split {own.split}"
        classifiers = inputs.once("templates", lambda: template_classifiers(prompts, inputs.text, model.name))
        answers = answer_templates(images, classifiers, model, where)
        if len(answers.rows) < 2:
            raise UserError("has one labelled image", where=where, fix="prompt_sensitivity needs at least two")
        draws = Draws(own.seed, own.subsets)
        curve = ensemble_curve(images, answers, classifiers, draws, model, where)
        found = flips(answers.predictions)
        metrics = tuple(template_metrics(answers, found, prompts))
        return Outcome(
            metrics=metrics,
            examples=template_examples(answers, found, images.ids, own.split, dataset.classes, images.groups),
            tables=_tables(answers, prompts, curve),
            pictures=flip_pictures(answers, found, images.ids, own.split, dataset.classes),
            notes=(
                *in_words({metric.name: metric for metric in metrics}),
                *_notes(answers, found, prompts, len(images)),
            ),
        )


def _own(settings: TaskSettings) -> PromptSensitivitySettings:
    assert isinstance(settings, PromptSensitivitySettings)
    return settings


def _several(prompts: PromptedClasses | None, dataset: DatasetFacts) -> PromptedClasses:
    """Return the prompts, at least two and as many for every class of a single-label data set."""
    name = PromptSensitivity.name
    if dataset.multilabel:
        fix = "use zero_shot with several prompts, which compares their average precision"
        raise UserError(f"{name} needs one label an image, this is multi-label", where=dataset.name, fix=fix)
    if len(dataset.classes) < 2:
        problem = f"{name} needs at least two classes, this has {len(dataset.classes)}"
        raise UserError(problem, where=dataset.name, fix="use retrieval if it has captions")
    given = class_prompts(prompts, dataset, name)
    template_count(given, dataset.name)
    return given


def _tables(answers: TemplateAnswers, prompts: PromptedClasses, curve: pd.DataFrame) -> dict[str, pd.DataFrame]:
    tables = {"templates": templates_table(answers, prompts), "ensemble_curve": curve}
    families = families_table(answers, prompts)
    if families is not None:
        tables["families"] = families
    tables["variance"] = variance_table(crossed_components(answers.correct))
    tables["per_class"] = per_class_table(answers, prompts.classes)
    return tables


def _notes(answers: TemplateAnswers, found: Flips, prompts: PromptedClasses, images: int) -> Iterator[str]:
    n, templates = answers.predictions.shape
    if not prompts.templates:
        yield "Classes have prompts of their own, so the k-th template stands for the k-th prompt of every class."
    if templates < FEWEST:
        yield f"{templates} templates are too few to resample: the variance components have no interval over templates."
    if n < FEWEST:
        yield f"{n} images are too few to resample: the variance components have no interval over images."
    if (found.different == 1).all():
        yield "All templates predict the same of every image, so nothing varies with the wording."
    if images > n:
        yield f"Left out for want of a label: {images - n:,} of {images:,} images."
