"""What a step costs in seconds, memory and arithmetic, measured on some steps of the training itself."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from weakref import finalize

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from clipbench.embed.device import is_out_of_memory
from clipbench.training.data.base import Batch
from clipbench.training.processes import Processes
from clipbench.training.recipe import LoadedRecipe
from clipbench.training.step.learner import Learner
from clipbench.training.towers.base import Trainable

STEPS: Final = 2**31
"""Of the schedule, as long as any."""
TIMED: Final = 3
"""Steps that are timed, after one that warms up."""
LONGEST: Final = 3.0
"""Seconds; larger batches are tried for as long as a step is expected to be shorter."""
GROWTH: Final = 4
_ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_ATTENTION_BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


@dataclass(frozen=True)
class StepCost:
    """A step of so many pairs, from the batch to the changed weights."""

    pairs: int
    seconds: float
    """Median of the timed steps, without the loading of data."""
    memory: int
    """Bytes that both passes make and free again, at their peak: activations, without weights, gradients, moments."""
    update: int
    """Bytes that AdamW makes and frees again, at their peak."""
    flops: int
    """Of matrix products, convolutions and attention, both ways; a multiplication with its addition is two."""


@dataclass(frozen=True)
class Line:
    """What grows with the number of pairs: y = fixed + slope * pairs."""

    fixed: float
    slope: float

    @classmethod
    def through(cls, points: Sequence[tuple[int, float]]) -> Line:
        """Return the line through the last two points; one through zero where there is one, or noise tilts it."""
        pairs, value = points[-1]
        if len(points) > 1:
            before, earlier = points[-2]
            slope = (value - earlier) / (pairs - before)
            if slope > 0 and value >= slope * pairs:
                return cls(value - slope * pairs, slope)
        return cls(0.0, value / pairs)

    def at(self, pairs: float) -> float:
        """Return y."""
        return self.fixed + self.slope * pairs


class LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the tensors that are made while it is entered, on any device, until each is freed.

    It sees what operators return, not what they hold inside themselves while they work.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._changes: list[tuple[int, int]] = []
        """Number of a storage, and bytes: positive when it was made, negative when it was freed."""
        self._alive: dict[int, int] = {}
        """Number of each storage by its address."""
        self._begun = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Run an operator and note what it has made."""
        returned = func(*args, **(kwargs or {}))
        given = {value.untyped_storage()._cdata for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)}
        for value in tree_leaves(returned):
            if isinstance(value, Tensor):
                self._note(value.untyped_storage(), given)
        return returned

    def _note(self, storage: torch.UntypedStorage, given: set[int]) -> None:
        # Views and changes in place return what was there before.
        address = storage._cdata
        if address in given or address in self._alive:
            return
        number, size = len(self._changes), storage.nbytes()
        self._alive[address] = number
        self._changes.append((number, size))
        finalize(storage, self._freed, address, number, size)

    def _freed(self, address: int, number: int, size: int) -> None:
        if self._alive.get(address) == number:
            del self._alive[address]
            self._changes.append((number, -size))

    def lap(self) -> int:
        """Return the most bytes at a time of what was made since the last call, without what is there still."""
        lasting = set(self._alive.values())
        now = peak = 0
        for number, change in self._changes[self._begun :]:
            if number >= self._begun and number not in lasting:
                now += change
                peak = max(peak, now)
        self._begun = len(self._changes)
        return peak


def flop_counter() -> FlopCounterMode:
    """Return torch's counter, which knows a CPU's fused attention too."""
    of_cpu = {_ATTENTION: _attention_flops, _ATTENTION_BACKWARD: _attention_backward_flops}
    return FlopCounterMode(display=False, custom_mapping=of_cpu)


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


def _attention_backward_flops(gradient: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_backward_flop_count(gradient, query, key, value))  # type: ignore[no-untyped-call]


class Meter:
    """Measures steps of a recipe's model, which changes its weights; the learner is that of the training itself."""

    def __init__(self, loaded: LoadedRecipe, model: Trainable, pool: Batch, device: str) -> None:
        """`pool`: pairs to make batches of; they are repeated where they do not suffice."""
        self._recipe, self._model, self._pool, self._device = loaded.recipe, model, pool, device

    def costs(self, largest: int, room: float) -> list[StepCost]:
        """Measure growing batches, each in one pass, until one is as large as wanted, or the next would be too much.

        Args:
            largest: pairs of the largest batch.
            room: bytes that a batch's activations may take.
        """
        found: list[StepCost] = []
        pairs = min(2, largest)
        while True:
            try:
                found.append(self._cost(pairs))
            except (RuntimeError, MemoryError) as error:
                if not found or not is_out_of_memory(error):
                    raise
                return found
            seconds = Line.through([(cost.pairs, cost.seconds) for cost in found])
            memory = Line.through([(cost.pairs, cost.memory) for cost in found])
            # Two sizes at least: what a step costs whatever its size must not be multiplied.
            growth = GROWTH if len(found) > 1 or seconds.at(GROWTH * pairs) <= LONGEST else 2
            following = min(largest, growth * pairs)
            too_long = len(found) > 1 and seconds.at(following) > LONGEST
            if pairs == largest or too_long or memory.at(following) > room:
                return found
            pairs = following

    def _cost(self, pairs: int) -> StepCost:
        batch = _repeated(self._pool, pairs)
        # Pixels that are on the device already do not count as activations.
        ready = replace(batch, pixels=batch.pixels.to(self._device))
        # What is compiled cannot be looked into.
        learner = self._learner(part=None, compile=False)
        with flop_counter() as flops, LiveMemory() as memory:
            activations: list[int] = []
            hook = register_optimizer_step_pre_hook(lambda *_: activations.append(memory.lap()))
            learner.learn(ready, 0, STEPS)
            hook.remove()
            rest = memory.lap()
        # A step whose gradients are not finite updates nothing.
        activations.append(rest)
        seconds = self._timed(self._learner(part=None) if self._recipe.compile else learner, batch)
        return StepCost(pairs, seconds, activations[0], rest, flops.get_total_flops())

    def cached_seconds(self, pairs: int, part: int) -> float:
        """Return what a step of so many pairs takes in passes of `part`, with cached gradients."""
        return self._timed(self._learner(part=part), _repeated(self._pool, pairs))

    def _learner(self, **changes: Any) -> Learner:
        return Learner(self._model, self._recipe.model_copy(update=changes), Processes(device=self._device))

    def _timed(self, learner: Learner, batch: Batch) -> float:
        seconds: list[float] = []
        learner.learn(batch, 0, STEPS)
        while len(seconds) < TIMED and sum(seconds) < 2 * LONGEST:
            started = self._now()
            learner.learn(batch, 0, STEPS)
            seconds.append(self._now() - started)
        return statistics.median(seconds)

    def _now(self) -> float:
        if self._device != "cpu":
            torch.accelerator.synchronize()
        return time.perf_counter()


def _repeated(pool: Batch, pairs: int) -> Batch:
    chosen = torch.arange(pairs) % len(pool.captions)
    captions = [pool.captions[number] for number in chosen.tolist()]
    return Batch(pool.pixels[chosen], captions, pool.classes[chosen])


def with_texts_of(model: Trainable, tokens: int) -> Trainable:
    """Return a model whose texts are padded to so many tokens, as the longest of a large batch lengthens all."""
    return replace(model, tokenize=partial(_padded, model.tokenize, tokens))


def _padded(tokenize: Any, tokens: int, captions: Sequence[str]) -> Tensor:
    ids: Tensor = tokenize(captions)
    return torch.nn.functional.pad(ids, (0, tokens - ids.shape[1]))
