"""What a training will take on a device: steps, memory, time, money and disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipbench.training.dry_run.steps import StepCost


@dataclass(frozen=True)
class Memory:
    """Bytes on each device, at their peak."""

    weights: int
    gradients: int
    """Twice those of the weights with several devices: torch exchanges them from buffers of their own."""
    moments: int
    """AdamW's two of each weight."""
    inputs: int
    """Pixels and tokens: on a CPU of a process's share of the batch, else of the pairs of a pass."""
    activations: int
    """Of the pairs of a pass; extrapolated from the batches that were measured."""
    similarities: int
    """Of a device's pairs with all, and what the objective makes of them; measured at a small batch, in proportion."""
    update: int
    """What AdamW makes and frees, when activations and similarities are gone."""

    @property
    def total(self) -> int:
        """All that is there at the same time."""
        passing = max(self.activations + self.similarities, self.update)
        return self.weights + self.gradients + self.moments + self.inputs + passing


@dataclass(frozen=True)
class TowerSizes:
    """Parameters of each tower, and what a checkpoint of both takes."""

    image: int
    text: int
    weights: int
    """Bytes, with buffers."""
    moments: int
    """Bytes of AdamW's two of each weight."""

    @property
    def checkpoint(self) -> int:
        """Bytes."""
        return self.weights + self.moments


@dataclass(frozen=True)
class SourceSize:
    """A data set that is trained on."""

    dataset: str
    examples: int | None
    """None where it does not say so."""


@dataclass(frozen=True)
class Estimate:
    """What a training will take."""

    recipe: str
    sources: tuple[SourceSize, ...]
    """Empty of a recipe that draws its own pictures."""
    examples: int | None
    """In an epoch; None where a data set does not say how many it has."""
    steps: int
    batch: int
    """Pairs a step, on all devices."""
    devices: int
    part: int
    """Pairs a pass on each device; `share` without cached gradients."""
    device: str
    precision: str
    towers: TowerSizes
    text_tokens: int
    """Of the longest of the texts that were read; all of a batch are computed at the length of its longest."""
    read: int
    """Pairs that were loaded."""
    broken: int
    """Of them those that could not be decoded."""
    memory: Memory
    room: int | None
    """Bytes that the device has; None where it does not say so."""
    largest_part: int
    """The largest power of two of pairs a pass that fits; 0 where none does."""
    measured: tuple[StepCost, ...]
    workers: int
    loading_seconds: float
    """To load a device's share of a batch with the workers that it has."""
    compute_seconds: float
    """Of a step, without loading."""
    flops: float
    """A pair, forward and backward, without a second forward pass of cached gradients."""
    disk: int
    """Bytes of the checkpoints that are kept, one that is being written, and the model."""
    hourly_price: float | None

    @property
    def share(self) -> int:
        """Pairs a step on each device."""
        return self.batch // self.devices

    @property
    def epochs(self) -> float | None:
        """How often each example is seen; None where their number is not known."""
        return self.steps * self.batch / self.examples if self.examples else None

    @property
    def step_seconds(self) -> float:
        """Of a step: workers load the next batch meanwhile, without any the loop does it itself."""
        if self.workers:
            return max(self.loading_seconds, self.compute_seconds)
        return self.loading_seconds + self.compute_seconds

    @property
    def seconds(self) -> float:
        """Of all steps."""
        return self.steps * self.step_seconds

    @property
    def cost(self) -> float | None:
        """Of all devices, in the currency of the price."""
        return None if self.hourly_price is None else self.seconds / 3600 * self.devices * self.hourly_price

    @property
    def flops_per_second(self) -> float:
        """What a device achieves while it computes; hours on another one go with what that achieves."""
        return self.flops * self.share / self.compute_seconds

    @property
    def fits(self) -> bool:
        """Whether the device has the memory; true where it does not say so."""
        return self.room is None or self.memory.total <= self.room
