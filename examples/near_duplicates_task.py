"""A task that uses features: which images of the evaluated split are, nearly, in the training split too?

    tasks:
      - task: near_duplicates_task:NearDuplicates
        datasets: scenes-shape
        cosine: 0.99  # how alike two pictures of different things are depends on model and data

`Needs.features` says what is embedded, and `features` of each split holds it, (n, D) float32, not normalised:
`projected`, in the space that images and texts share, or `backbone`, the image tower's output before that projection,
which built-in tasks call `pre_projection`. `model.features` names those that the model gives: one or both.
"""

import pandas as pd

from clipbench.extend import Metric, Needs, Outcome, Picture, TaskSettings, require_split, unit_rows, wilson


class DuplicateSettings(TaskSettings):
    train_split: str = "train"
    cosine: float = 0.98

    @property
    def variant(self):
        return f"cosine {self.cosine:g} with {self.train_split}"


class NearDuplicates:
    name = "near_duplicates"
    protocol = 1
    Settings = DuplicateSettings

    def needs(self, settings, dataset, model, prompts):
        for split in (settings.split, settings.train_split):
            require_split(dataset, split)
        return Needs(splits=(settings.split, settings.train_split), features=(feature_of(model),))

    def evaluate(self, inputs, settings, prompts):
        feature = feature_of(inputs.model)
        images, training = inputs.sets[settings.split], inputs.sets[settings.train_split]
        vectors, _ = unit_rows(training.features[feature].load())
        nearest, cosine = [], []
        for _, chunk in images.features[feature].chunks(1024):  # not all pairs of images at once
            cosines = unit_rows(chunk)[0] @ vectors.T
            nearest += [training.ids[row] for row in cosines.argmax(axis=1)]
            cosine += cosines.max(axis=1).tolist()
        table = pd.DataFrame({"id": images.ids, "split": settings.split, "nearest": nearest, "cosine": cosine})
        found = table[table["cosine"] >= settings.cosine]
        share, interval = len(found) / len(table), wilson(len(found), len(table))
        metric = Metric("duplicates", share, len(table), interval, main=True)
        rows = found.nlargest(12, "cosine").itertuples()
        pictures = tuple(Picture(row.id, row.split, "duplicate", f"{row.cosine:.3f} {row.nearest}") for row in rows)
        return Outcome((metric,), table, pictures=pictures)


def feature_of(model):
    return "backbone" if "backbone" in model.features else "projected"
