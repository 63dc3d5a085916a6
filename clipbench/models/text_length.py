"""The start-up check that texts may be cut to the longest of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipbench.models.base import ImageTextModel

PROBES = ("a dog", "a photo of a small red car on a wet street, 1987", "two cups & one spoon: which is nearer?")
"""Texts of different lengths with letters, digits and punctuation."""

_TOLERANCE: dict[str, tuple[float, float]] = {
    "float32": (1e-6, 1e-4),
    "float16": (1e-4, 2e-2),
    "bfloat16": (1e-3, 1e-1),
}
"""1 - cosine, and largest difference relative to the largest value: rounding is all that may differ."""


def cutting_is_exact(model: ImageTextModel) -> bool:
    """Say whether rows cut to the longest text give the same embeddings as whole rows.

    False for a model that does not claim so (`text_length` is not 'cut'); else three texts are encoded
    both ways and must agree: in float32 to a cosine of at least 1 - 1e-6 and a largest difference of
    1e-4 of the largest value, in lower precisions to their rounding.
    """
    import torch

    if model.text_length != "cut":
        return False
    tokens = model.tokenize(PROBES)
    longest = int(tokens.lengths.max())
    whole = model.encode_tokens(tokens.ids).double()
    cut = model.encode_tokens(tokens.ids[:, :longest]).double()
    cosine_gap, difference = _TOLERANCE.get(model.info.pedigree.precision, _TOLERANCE["float32"])
    cosines = torch.nn.functional.cosine_similarity(whole, cut, dim=-1)
    largest = (whole - cut).abs().max() / whole.abs().max()
    return bool(cosines.min() >= 1 - cosine_gap) and bool(largest <= difference)
