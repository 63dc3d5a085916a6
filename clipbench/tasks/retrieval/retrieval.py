"""Retrieval: images by their captions, and captions by their images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from clipbench.errors import listed
from clipbench.metrics.specs import MetricSpec
from clipbench.tasks.base import DatasetFacts, ImageSet, Inputs, Needs, Outcome, Picture, TaskSettings
from clipbench.tasks.classify.class_tables import PICTURES
from clipbench.tasks.prompts import Names, PromptedClasses
from clipbench.tasks.requirements import require_joint_space, require_split, with_main
from clipbench.tasks.retrieval.ranks import Captions, Ranks, Vectors, both_ranks, retrieval_metrics

if TYPE_CHECKING:
    import pandas as pd

    from clipbench.models.base import ModelInfo

_GALLERY = "The interval is over the images; what they are searched in, the gallery, is held fixed."
_RECALL = (
    "share of queries with a right answer among the k that score highest; any caption of an image counts as right. "
    + _GALLERY
)
_RANK = f"middle rank of the first right answer; 1 is perfect. {_GALLERY}"

METRICS = (
    MetricSpec(
        "mean_recall_at_1",
        "mean R@1",
        definition=f"mean of R@1 from image to text and from text to image. {_GALLERY}",
        per_example="mean_recall_at_1",
    ),
    *(
        MetricSpec(f"{way}_recall_at_{{k}}", label, definition=_RECALL, per_example=f"{way}_recall_at_{{k}}")
        for way, label in (("image_to_text", "image to text R@{k}"), ("text_to_image", "text to image R@{k}"))
    ),
    MetricSpec("image_to_text_median_rank", "image to text median rank", "rank", False, _RANK),
    MetricSpec("text_to_image_median_rank", "text to image median rank", "rank", False, _RANK),
)


class RetrievalSettings(TaskSettings):
    """Settings of retrieval in both directions."""

    task: Literal["retrieval"] = Field(description="Find images by caption and captions by image.")
    datasets: Names = Field(description="Data sets with captions, from the catalog or from this suite.", min_length=1)
    recall_at: tuple[int, ...] = Field(default=(1, 5, 10), description="The ranks k at which recall is reported.")

    @field_validator("recall_at")
    @classmethod
    def _usable(cls, ranks: tuple[int, ...]) -> tuple[int, ...]:
        if not ranks or min(ranks) < 1:
            raise ValueError("needs at least one rank, each 1 or more")
        return tuple(sorted(set(ranks)))


class Retrieval:
    """Image-text retrieval in both directions; any caption of an image counts as right for it."""

    name: ClassVar[str] = "retrieval"
    protocol: ClassVar[int] = 2
    Settings: type[RetrievalSettings] = RetrievalSettings
    label: ClassVar[str] = "retrieval"
    metrics: ClassVar[tuple[MetricSpec, ...]] = METRICS

    def needs(
        self, settings: RetrievalSettings, dataset: DatasetFacts, model: ModelInfo, prompts: PromptedClasses | None
    ) -> Needs:
        """Ask for one split's projected features and its captions."""
        require_split(dataset, settings.split)
        require_joint_space(model, self.name)
        return Needs(splits=(settings.split,), captions=True)

    def evaluate(self, inputs: Inputs, settings: RetrievalSettings, prompts: PromptedClasses | None) -> Outcome:
        """Rank all captions for each image and all images for each caption.

        Held in memory: the vectors of images and captions, and one tile of scores.
        """
        dataset, split = inputs.dataset, settings.split
        images, where = inputs.sets[split], f"{dataset.name}, split {split}"
        captions = Captions.of(images, where)
        vectors = Vectors.of(captions, inputs, split)
        ranks = both_ranks(captions, vectors)
        texts_at = [k for k in settings.recall_at if k < captions.worst_text_rank]
        images_at = [k for k in settings.recall_at if k < captions.images]
        metrics = retrieval_metrics(ranks, texts_at, images_at, images.clusters_of())
        return Outcome(
            metrics=with_main(metrics, dataset, default="mean_recall_at_1"),
            examples=_examples(images, captions, ranks, split).assign(**_recalls(captions, ranks, texts_at, images_at)),
            pictures=_worst(images, captions, vectors, ranks, split),
            notes=tuple(_notes(captions, vectors, settings.recall_at[len(images_at) :])),
        )


def _examples(images: ImageSet, captions: Captions, ranks: Ranks, split: str) -> pd.DataFrame:
    import pandas as pd

    columns = {
        "id": list(images.ids),
        "split": split,
        "captions": np.diff(captions.starts, append=len(captions.text)),
        "caption": [captions.strings[captions.text[start]] for start in captions.starts.tolist()],
        "image_to_text_rank": ranks.image_to_text,
        "text_to_image_rank": np.minimum.reduceat(ranks.text_to_image, captions.starts),
        "text_to_image_worst_rank": np.maximum.reduceat(ranks.text_to_image, captions.starts),
    }
    return pd.DataFrame(columns | images.attributes(np.arange(len(images))))


def _recalls(
    captions: Captions, ranks: Ranks, texts_at: Sequence[int], images_at: Sequence[int]
) -> dict[str, NDArray[Any]]:
    """Return a column of n numbers for each recall, whose mean it is: an image counts as its captions do."""
    to_text = {k: ranks.image_to_text <= k for k in {1, *texts_at}}
    of_captions = captions.images / len(captions.text)
    to_image = {
        k: of_captions * np.add.reduceat((ranks.text_to_image <= k).astype(np.int64), captions.starts)
        for k in {1, *images_at}
    }
    columns: dict[str, NDArray[Any]] = {f"image_to_text_recall_at_{k}": to_text[k] for k in texts_at}
    columns |= {f"text_to_image_recall_at_{k}": to_image[k] for k in images_at}
    return columns | {"mean_recall_at_1": (to_text[1] + to_image[1]) / 2}


def _worst(images: ImageSet, captions: Captions, vectors: Vectors, ranks: Ranks, split: str) -> tuple[Picture, ...]:
    """Return the images whose own captions rank last, each with the text that was retrieved instead."""
    worst = [
        row
        for row in np.argsort(-ranks.image_to_text, kind="stable")[:PICTURES].tolist()
        if ranks.image_to_text[row] > 1
    ]
    scores = vectors.image_rows[vectors.image_column[worst]] @ vectors.text_rows.T
    # The string behind each distinct embedding.
    text_of = {column: text for text, column in reversed(list(enumerate(vectors.text_column.tolist())))}
    first = [captions.strings[text_of[column]] for column in scores.argmax(axis=1).tolist()]
    return tuple(
        _picture(images, row, split, int(ranks.image_to_text[row]), text)
        for row, text in zip(worst, first, strict=True)
    )


def _picture(images: ImageSet, row: int, split: str, rank: int, retrieved: str) -> Picture:
    assert images.captions is not None
    own = f"{images.captions[row][0]} (rank {rank:,})"
    caption = f"best own caption at rank {rank:,}; first caption: {images.captions[row][0]}; retrieved: {retrieved}"
    return Picture(images.ids[row], split, "worst rank", caption, own, retrieved)


def _notes(captions: Captions, vectors: Vectors, dropped: Sequence[int]) -> Iterator[str]:
    if captions.shared:
        yield f"Captions that stand at several images: {captions.shared:,}. Each is right for all of them."
    twins = {
        "Images": len(vectors.image_column) - len(vectors.image_rows),
        "Texts": len(vectors.text_column) - len(vectors.text_rows),
    }
    for what, count in twins.items():
        if count:
            yield f"{what} with exactly the embedding of another: {count:,}. They count as ties, against the model."
    if dropped:
        ranks = listed([str(k) for k in dropped])
        yield f"Recall at {ranks} is left out where there are no more candidates than that: every query would count."
