"""What a reader must know of the images that a job rests on: which are the same, and what they are too few for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from clipbench.results.records import Duplicates, JobResult
from clipbench.stats.clusters import MIN_CLUSTERS, cluster_sizes, effective_clusters

if TYPE_CHECKING:
    from clipbench.embed.image_set import StoredSet
    from clipbench.tasks.base import ImageSet


def duplicates_of(split: str, sets: Mapping[str, StoredSet]) -> Duplicates | None:
    """Count the images of the evaluated split that are equal to others; None where the cache does not say."""
    tested, *fitted_on = (sets[name].contents for name in sorted(sets, key=lambda name: name != split))
    if tested is None or any(contents is None for contents in fitted_on):
        return None
    known = [contents for contents in fitted_on if contents is not None]
    with_train = int(np.isin(tested, np.concatenate(known)).sum()) if known else None
    return Duplicates(len(tested) - len(np.unique(tested)), with_train)


def set_notes(result: JobResult, images: ImageSet) -> Iterator[str]:
    """Yield the notes on duplicates, a cut gallery, and clusters too few for an interval, of the evaluated images."""
    found, n = result.duplicates, len(images)
    if found and found.within:
        yield f"Of the {n:,} images of {result.split}, {found.within:,} repeat another one, byte by byte."
    if found and found.with_train:
        yield f"Of the {n:,} images of {result.split}, {found.with_train:,} are also among those that were fitted on."
    if result.limit is not None and images.captions is not None:
        yield (
            f"Searched are only these {n:,} images and their captions: recall rises as a limit falls, so this is to be "
            "compared with results of the same limit alone."
        )
    codes = images.clusters_of()
    if codes is not None and (effective := effective_clusters(sizes := cluster_sizes(codes))) < MIN_CLUSTERS:
        named = f"{len(sizes):,} clusters ({result.about['cluster']})"
        worth = "" if effective > len(sizes) - 1 else f", which are worth {effective:.0f} of one size"
        yield f"Images come in {named}{worth}: there are no intervals under {MIN_CLUSTERS}."
