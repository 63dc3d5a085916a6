"""Zero-shot classification: images against the prompts of each class."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from clipbench.metrics.specs import ColumnSpec, MetricSpec, TableSpec
from clipbench.tasks.base import DatasetFacts, Inputs, Needs, Outcome
from clipbench.tasks.classify.class_prompts import PromptSettings, class_prompts, distinct_strings
from clipbench.tasks.classify.class_tables import SINGLE_LABEL_TABLES
from clipbench.tasks.classify.classifier import TextClassifier, text_classifier
from clipbench.tasks.classify.decisions import decide, require_images
from clipbench.tasks.classify.multi_label import MULTI_LABEL_METRICS, cosines, multi_label_outcome
from clipbench.tasks.classify.single_label import SINGLE_LABEL_METRICS, OtherTop1, single_label_outcome
from clipbench.tasks.prompts import PromptedClasses
from clipbench.tasks.requirements import require_classes, require_joint_space, require_split

if TYPE_CHECKING:
    from clipbench.models.base import ModelInfo

STRICT_TOP1 = MetricSpec(
    "strict_top1", "strict top-1", definition="top-1 where ties of classes with equal prompts count as wrong."
)
EQUAL_PROMPTS = TableSpec(
    "equal_prompts",
    "Equal prompts",
    (
        ColumnSpec("winner", unit="count"),
        ColumnSpec("winner_name"),
        ColumnSpec("loser", unit="count"),
        ColumnSpec("loser_name"),
        ColumnSpec("first_prompt"),
    ),
    definition="Of classes with equal prompts the lower index wins, as in published figures.",
)


class ZeroShotSettings(PromptSettings):
    """Settings of zero-shot classification."""

    task: Literal["zero_shot"] = Field(description="Classify images by the nearest class prompt.")


class ZeroShot:
    """Zero-shot classification (Radford et al. 2021, section 3.1).

    A class is the normalised mean of its normalised prompts; an image goes to the class of highest cosine.
    """

    name: ClassVar[str] = "zero_shot"
    protocol: ClassVar[int] = 2
    Settings: type[ZeroShotSettings] = ZeroShotSettings
    label: ClassVar[str] = "zero-shot classification"
    metrics: ClassVar[tuple[MetricSpec, ...]] = (*SINGLE_LABEL_METRICS, STRICT_TOP1, *MULTI_LABEL_METRICS)
    tables: ClassVar[tuple[TableSpec, ...]] = (*SINGLE_LABEL_TABLES, EQUAL_PROMPTS)

    def needs(
        self, settings: ZeroShotSettings, dataset: DatasetFacts, model: ModelInfo, prompts: PromptedClasses | None
    ) -> Needs:
        """Ask for one split's projected features and every prompt."""
        require_classes(dataset, self.name, "use retrieval if it has captions")
        require_split(dataset, settings.split)
        require_joint_space(model, self.name)
        strings = distinct_strings(class_prompts(prompts, dataset, self.name))
        return Needs(splits=(settings.split,), strings=strings)

    def evaluate(self, inputs: Inputs, settings: ZeroShotSettings, prompts: PromptedClasses | None) -> Outcome:
        """Compute accuracies, or average precision where the data set is multi-label."""
        dataset, split = inputs.dataset, settings.split
        images, where = inputs.sets[split], f"{dataset.name}, split {split}"
        prompts = class_prompts(prompts, dataset, self.name)
        require_images(images, where)
        classifier = inputs.cache.get_or_compute(
            "classifier", lambda: text_classifier(prompts, inputs.text, inputs.model.name)
        )
        if dataset.multilabel:
            scores = cosines(images, classifier, inputs.model, where)
            outcome = multi_label_outcome(images, scores, dataset, split)
        else:
            decisions = decide(images, classifier, inputs.model, where)
            strict = (OtherTop1("strict_top1", decisions.strict),) if classifier.twins else ()
            outcome = single_label_outcome(decisions, images, dataset, split, strict)
        return _with_equal_prompts(outcome, classifier, prompts)


def _with_equal_prompts(outcome: Outcome, classifier: TextClassifier, prompts: PromptedClasses) -> Outcome:
    notes, tables = list(outcome.notes), dict(outcome.tables)
    equal, tied = classifier.equals(prompts.classes)
    if equal:
        notes.append(
            f"Equal prompts: {equal}. The lower index wins, as in published figures; strict_top1, where given, counts "
            "these ties as wrong."
        )
        tables["equal_prompts"] = EQUAL_PROMPTS.frame(
            (low, prompts.classes[low], index, prompts.classes[index], prompts.strings[low][0])
            for low, index in classifier.twins
        )
    if tied:
        notes.append(f"Different prompts, same embedding: {tied}. These ties count as wrong.")
    return replace(outcome, tables=tables, notes=tuple(notes))
