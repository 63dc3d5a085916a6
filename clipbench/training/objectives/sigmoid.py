"""SigLIP's objective: does this text belong to this image, asked of every pair by itself."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from clipbench.training.objectives.pairs import Pairs
from clipbench.training.objectives.rows import mean_by_rows


def sigmoid(local: Pairs, others: Pairs, scale: Tensor | float, bias: Tensor | float) -> Tensor:
    """Return this process's part of the sigmoid loss (Zhai et al. 2023, arXiv 2303.15343, algorithm 1), in float32.

    L = 1/B sum_ij -log sigmoid(z_ij (s x_i y_j + b)), z = 1 where the text is that of the image, else -1

    Pairs of one class with other texts are left out. A sum over the pairs of each process in turn, as `others`, is the
    whole loss of the B images of `local`.
    """

    def of_rows(some: Pairs, texts: Pairs) -> Tensor:
        logits = scale * (some.image @ texts.text.T) + bias
        signs = torch.where(some.same(texts), 1.0, -1.0)
        losses = -functional.logsigmoid(signs * logits)
        return losses.masked_fill(some.hidden(texts), 0.0).sum() / len(some.image)

    return mean_by_rows(of_rows, local, others)
