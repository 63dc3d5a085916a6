"""How large the tensors are that a computation makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Largest(TorchDispatchMode):
    """While it is open: `elements` of the largest tensor that an operation gave, forward and backward."""

    elements = 0

    def __torch_dispatch__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: Any = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, list | tuple) else [made]:
            if isinstance(tensor, Tensor):
                self.elements = max(self.elements, tensor.numel())
        return made


def largest_tensor(loss: Callable[[], torch.Tensor]) -> int:
    """Elements of the largest tensor that a loss and its gradients need."""
    with Largest() as seen:
        loss().backward()
    return seen.elements
