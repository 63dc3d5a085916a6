"""CLIP's objective: which of a batch's texts belongs to an image, and which of its images to a text."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from clipbench.training.objectives.pairs import Pairs
from clipbench.training.objectives.rows import mean_by_rows

_NEVER = -1e9
"""A logit that is out of the question; minus infinity times a target of 0 would be no number."""


def contrastive(local: Pairs, every: Pairs, scale: Tensor | float) -> Tensor:
    """Return the symmetric cross-entropy over similarities (Radford et al. 2021, figure 3), in float32.

    L = 1/2 mean_i [ -log softmax_j(s x_i y_j)_i - log softmax_j(s y_i x_j)_i ]

    Texts that are equal strings share the target evenly: else a batch that holds one twice asks to tell equal strings
    apart. Pairs of one class with other texts are left out of the softmax.

    Args:
        local: this process's B pairs, of which the mean is.
        every: those of all processes, C, among which the right one is sought; `local` itself where there is one
            process. No process needs more than (B, C) similarities; the mean over processes of equal B is the whole
            batch's loss.
        scale: what similarities are multiplied by, the inverse temperature.
    """

    def of_rows(some: Pairs, others: Pairs) -> Tensor:
        same, hidden = some.same(others), some.hidden(others)
        targets = same.float() / same.sum(dim=1, keepdim=True)
        by_image = scale * (some.image @ others.text.T)
        # Of one process both directions are one product, to the last bit.
        by_text = by_image.T if others is some else scale * (some.text @ others.image.T)
        if hidden.any():
            by_image, by_text = by_image.masked_fill(hidden, _NEVER), by_text.masked_fill(hidden, _NEVER)
        return (functional.cross_entropy(by_image, targets) + functional.cross_entropy(by_text, targets)) / 2

    return mean_by_rows(of_rows, local, every)
