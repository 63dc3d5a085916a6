"""Zero-shot classification: images against the prompts of each class."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from clipbench.errors import UserError
from clipbench.tasks.base import DatasetFacts, Inputs, Needs, Outcome, TaskSettings
from clipbench.tasks.classify.class_prompts import PromptSettings, class_prompts, distinct_strings
from clipbench.tasks.classify.classifier import TextClassifier, text_classifier
from clipbench.tasks.classify.decisions import decide
from clipbench.tasks.classify.multi_label import cosines, multi_label_outcome
from clipbench.tasks.classify.single_label import proportion, single_label_outcome
from clipbench.tasks.prompted import PromptedClasses
from clipbench.tasks.requirements import require_joint_space, require_split
from clipbench.tasks.wording import both, listed

if TYPE_CHECKING:
    import pandas as pd

    from clipbench.models.base import ModelInfo


class ZeroShotSettings(PromptSettings):
    """Settings of zero-shot classification."""

    task: Literal["zero_shot"] = Field(description="Classify images by the nearest class prompt.")
    split: str = Field(default="test", description="The split to evaluate.")


class ZeroShot:
    """Zero-shot classification (Radford et al. 2021, section 3.1).

    A class is the normalised mean of its normalised prompts; an image goes to the class of highest cosine.
    """

    name: ClassVar[str] = "zero_shot"
    protocol: ClassVar[int] = 1
    Settings: ClassVar[type[TaskSettings]] = ZeroShotSettings

    def needs(
        self, settings: TaskSettings, dataset: DatasetFacts, model: ModelInfo, prompts: PromptedClasses | None
    ) -> Needs:
        """Ask for one split's projected features and every prompt.

        Raises:
            UserError: the data set has fewer than two classes or lacks the split, the model has no text tower
                or the prompts are for other classes.
        """
        split = _own(settings).split
        if len(dataset.classes) < 2:
            raise UserError(
                f"zero_shot needs at least two classes, this has {len(dataset.classes)}",
                where=dataset.name,
                fix="use retrieval if it has captions",
            )
        require_split(dataset, split)
        require_joint_space(model, self.name)
        strings = distinct_strings(class_prompts(prompts, dataset, self.name))
        return Needs(splits=(split,), strings=strings)

    def evaluate(self, inputs: Inputs, settings: TaskSettings, prompts: PromptedClasses | None) -> Outcome:
        """Compute accuracies, or average precision where the data set is multi-label.

        Raises:
            UserError: labels or features that cannot be used, or a declared main metric that is not computed.
        """
        split = _own(settings).split
        images, dataset = inputs.sets[split], inputs.dataset
        prompts = class_prompts(prompts, dataset, self.name)
        where = f"{dataset.name}, split {split}"
        if not len(images):
            raise UserError("has no readable images", where=where, fix="check the data set's files")
        classifier = inputs.once("classifier", lambda: text_classifier(prompts, inputs.text, inputs.model.name))
        if dataset.multilabel:
            scores = cosines(images, classifier, inputs.model.name, where)
            outcome = multi_label_outcome(images, scores, dataset, split)
        else:
            decisions = decide(images, classifier, inputs.model, where)
            strict = (proportion("strict_top1", decisions.strict),) if classifier.twins else ()
            outcome = single_label_outcome(decisions, images, dataset, split, strict)
        return _with_equal_prompts(outcome, classifier, prompts)


def _own(settings: TaskSettings) -> ZeroShotSettings:
    assert isinstance(settings, ZeroShotSettings)
    return settings


def _with_equal_prompts(outcome: Outcome, classifier: TextClassifier, prompts: PromptedClasses) -> Outcome:
    notes = list(outcome.notes)
    classes = prompts.classes
    if classifier.twins:
        pairs = [both(classes, *twins) for twins in classifier.twins]
        notes.append(
            f"Equal prompts: {listed(pairs)}. The lower index wins, as in published figures; strict_top1, where "
            "given, counts these ties as wrong."
        )
    if classifier.tied:
        groups = [" = ".join(classes[index] for index in group) for group in classifier.tied]
        notes.append(f"Different prompts, same embedding: {listed(groups)}. These ties count as wrong.")
    tables = dict(outcome.tables)
    if classifier.twins:
        tables["equal_prompts"] = _equal_prompts(classifier, prompts)
    return replace(outcome, tables=tables, notes=tuple(notes))


def _equal_prompts(classifier: TextClassifier, prompts: PromptedClasses) -> pd.DataFrame:
    import pandas as pd

    rows = [
        (low, prompts.classes[low], index, prompts.classes[index], prompts.strings[low][0])
        for low, index in classifier.twins
    ]
    return pd.DataFrame(rows, columns=["winner", "winner_name", "loser", "loser_name", "first_prompt"])
