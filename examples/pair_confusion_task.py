"""A task of one's own: how often are two classes taken for each other?

    tasks:
      - task: pair_confusion_task:PairConfusion
        datasets: [scenes-colour]
        pair: [orange, brown]

in a suite that is run with this folder on PYTHONPATH. A package that adds the task by an entry point
(`[project.entry-points."clipbench.tasks"]`, `pair_confusion = "pair_confusion_task:PairConfusion"`) can be named in
suites as `task: pair_confusion`. Embedding, resume, records and the page are clipbench's; a task is what `needs`
asks for and what `evaluate` makes of it, and sees neither model nor files.
"""

import numpy as np
import pandas as pd

from clipbench.extend import (
    Metric,
    Needs,
    Outcome,
    PromptSettings,
    UserError,
    class_prompts,
    did_you_mean,
    distinct_strings,
    require_joint_space,
    require_split,
    text_classifier,
    unit_rows,
    wilson,
)


class PairSettings(PromptSettings):
    """The keys of the task in a suite, beside task, datasets, split, limit and prompts."""

    pair: tuple[str, str]

    @property
    def variant(self):  # tells this job from one with another pair: else the later would replace it
        return ", ".join(filter(None, (" or ".join(self.pair), super().variant)))


class PairConfusion:
    name = "pair_confusion"
    protocol = 1  # to be raised when the same inputs would give other numbers
    Settings = PairSettings

    def needs(self, settings, dataset, model, prompts):
        require_split(dataset, settings.split)
        require_joint_space(model, self.name)
        for name in settings.pair:
            if name not in dataset.classes:
                raise UserError(f"no class {name!r}", where=dataset.name, fix=did_you_mean(name, dataset.classes))
        strings = distinct_strings(class_prompts(prompts, dataset, self.name))
        return Needs(splits=(settings.split,), strings=strings)

    def evaluate(self, inputs, settings, prompts):
        images = inputs.sets[settings.split]
        classifier = text_classifier(prompts, inputs.text, inputs.model.name)
        vectors, _ = unit_rows(images.features["projected"].load())
        cosines = (vectors @ classifier.vectors.T)[:, classifier.column]
        first, second = (inputs.dataset.classes.index(name) for name in settings.pair)
        rows = np.flatnonzero(np.isin(images.labels, (first, second)))
        if not len(rows):
            raise UserError(f"no image of {' or '.join(settings.pair)}", where=inputs.dataset.name)
        labels = images.labels[rows]
        own, other = cosines[rows, labels], cosines[rows, np.where(labels == first, second, first)]
        confused = other >= own  # a tie is not a right answer
        rate = Metric("confusion_rate", float(confused.mean()), len(rows), wilson(confused.sum(), len(rows)), main=True)
        examples = {"id": [images.ids[row] for row in rows], "split": settings.split, "margin": own - other}
        return Outcome((rate,), pd.DataFrame(examples | {"label": labels, "correct": ~confused}))
