"""A dry run: the data are opened, the towers built and some steps made; nothing is written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Final

import torch

from clipbench.embed.device import device_memory
from clipbench.training.data.base import Batch, TrainingData
from clipbench.training.dry_run.estimate import Estimate, Memory, SourceSize, TowerSizes
from clipbench.training.dry_run.steps import Line, LiveMemory, Meter, StepCost, with_texts_of
from clipbench.training.objectives.contrastive import contrastive
from clipbench.training.objectives.pairs import Pairs, caption_codes
from clipbench.training.objectives.rows import SIMILARITIES
from clipbench.training.objectives.sigmoid import sigmoid
from clipbench.training.processes import Processes
from clipbench.training.recipe import LoadedRecipe
from clipbench.training.start import build, check_batch, open_data
from clipbench.training.step.learner import resolve_precision
from clipbench.training.towers.base import Trainable

READ: Final = 1024
"""Pairs that are loaded at most, to time it and for the length of their texts."""
READ_SECONDS: Final = 5.0
READ_BATCH: Final = 32
KEPT: Final = 256
"""Pairs whose pixels are kept to train on."""
_COMPARED: Final = 256
"""Pairs whose similarities are measured, with features so narrow that those alone count."""


def dry_run(
    loaded: LoadedRecipe,
    *,
    device: str = "cpu",
    devices: int = 1,
    workers: int = 0,
    data_root: Path | None = None,
    hourly_price: float | None = None,
) -> Estimate:
    """Open a recipe's data, build its towers and measure some steps on one device; nothing is written.

    Args:
        loaded: the recipe.
        device: 'cpu', 'cuda', 'cuda:N' or 'mps'.
        devices: how many will train; the exchange between them is not measured.
        workers: processes that will decode images on each; one is measured, and so many are so many times as fast.
        data_root: local copies of hub data sets.
        hourly_price: of each device.

    Raises:
        UserError: as `start.train` raises it for data, towers and a batch that cannot be shared.
    """
    recipe = loaded.recipe
    check_batch(loaded, Processes(count=devices))
    share = recipe.schedule.batch // devices
    part = min(recipe.part or share, share)
    room = device_memory(device)
    torch.manual_seed(recipe.seed)
    model = build(loaded)
    data = open_data(_with_batch(loaded, min(READ_BATCH, share)), model, Processes(), 0, data_root)
    steps = recipe.schedule.total(data.examples)
    read = _read(data, share)
    tokens = model.tokenize(read.captions).shape[1]
    model = with_texts_of(model, tokens)

    meter = Meter(loaded, model, read.pool, device)
    costs = meter.costs(part, (room or 2**33) / 4)
    towers = _tower_sizes(model)
    memory = Memory(
        weights=towers.weights,
        gradients=towers.moments // 2 * (1 if devices == 1 else 2),
        moments=towers.moments,
        inputs=(share if device == "cpu" else part) * (3 * model.side**2 * 4 + tokens * 8),
        activations=round(_activations(costs).at(part)),
        similarities=_similarities(loaded, read.pool, share, recipe.schedule.batch),
        update=costs[-1].update,
    )
    return Estimate(
        recipe=recipe.name,
        sources=tuple(SourceSize(*size) for size in data.sizes),
        examples=data.examples,
        steps=steps,
        batch=recipe.schedule.batch,
        devices=devices,
        part=part,
        device=device,
        precision=resolve_precision(recipe.precision, device),
        towers=towers,
        text_tokens=tokens,
        read=read.pairs,
        broken=read.broken,
        memory=memory,
        room=room,
        largest_part=_largest_part(memory, _activations(costs), share, room),
        measured=tuple(costs),
        workers=workers,
        loading_seconds=read.seconds * share / max(1, workers),
        compute_seconds=_compute_seconds(meter, costs, part, share),
        flops=costs[-1].flops / costs[-1].pairs,
        disk=(recipe.keep + 1) * towers.checkpoint + towers.weights,
        hourly_price=hourly_price,
    )


@dataclass(frozen=True)
class _Read:
    pool: Batch
    captions: list[str]
    seconds: float
    """A pair."""
    broken: int

    @property
    def pairs(self) -> int:
        return len(self.captions)


def _read(data: TrainingData, share: int) -> _Read:
    """Load pairs for some seconds; the first batch, which opens files, does not count."""
    batches = data.batches(0)
    kept = [next(batches)]
    captions, broken = list(kept[0].captions), kept[0].broken
    started = time.perf_counter()
    timed = 0
    while not timed or (len(captions) < min(share, READ) and time.perf_counter() < started + READ_SECONDS):
        batch = next(batches)
        timed += len(batch.captions)
        captions += batch.captions
        broken += batch.broken
        if len(captions) <= KEPT:
            kept.append(batch)
    seconds = (time.perf_counter() - started) / timed
    words = [caption for batch in kept for caption in batch.captions]
    pool = Batch(torch.cat([batch.pixels for batch in kept]), words, torch.cat([batch.classes for batch in kept]))
    return _Read(pool, captions, seconds, broken)


def _with_batch(loaded: LoadedRecipe, batch: int) -> LoadedRecipe:
    schedule = loaded.recipe.schedule.model_copy(update={"batch": batch})
    return replace(loaded, recipe=loaded.recipe.model_copy(update={"schedule": schedule}))


def _tower_sizes(model: Trainable) -> TowerSizes:
    text = sum(weight.numel() for weight in model.text_weights)
    every = sum(weight.numel() for weight in model.model.parameters())
    weights = sum(value.nbytes for value in chain(model.model.parameters(), model.model.buffers()))
    learnt = 1 if model.bias is None else 2
    return TowerSizes(every - text - learnt, text, weights, 8 * every)


def _activations(costs: Sequence[StepCost]) -> Line:
    return Line.through([(cost.pairs, cost.memory) for cost in costs])


def _compute_seconds(meter: Meter, costs: Sequence[StepCost], part: int, share: int) -> float:
    """Return the seconds of a step: in proportion to its pairs, but for what a step takes whatever its size."""
    seconds = Line.through([(cost.pairs, cost.seconds) for cost in costs])
    if part == share:
        return seconds.at(share)
    a_pass = costs[-1].pairs
    cached = meter.cached_seconds(2 * a_pass, a_pass)
    fixed = min(seconds.fixed, cached)
    return fixed + (cached - fixed) / (2 * a_pass) * share


def _similarities(loaded: LoadedRecipe, pool: Batch, share: int, batch: int) -> int:
    """Return the bytes that the objective holds at its peak, in proportion to how many it holds at once."""
    chosen = torch.arange(_COMPARED) % len(pool.captions)
    captions, classes = caption_codes(pool.captions)[chosen], pool.classes[chosen]
    scale = torch.ones((), requires_grad=True)
    objective = loaded.recipe.objective
    with LiveMemory() as memory:
        image, text = (torch.randn(_COMPARED, 2, requires_grad=True) for _ in range(2))
        local = Pairs(image, text, captions, classes)
        every = local if share == batch else Pairs(image * 1, text * 1, captions, classes)
        if objective.name == "sigmoid":
            loss = sigmoid(local, every, scale, objective.bias)
        else:
            loss = contrastive(local, every, scale)
        torch.autograd.backward(loss)
    # SigLIP's goes from process to process; a comparison that is too large is made by rows.
    others = share if objective.name == "sigmoid" else batch
    rows = max(1, SIMILARITIES // others)
    held = share * batch if share <= rows else rows * others
    return int(memory.lap() * held / _COMPARED**2)


def _largest_part(memory: Memory, activations: Line, share: int, room: int | None) -> int:
    """Return the largest power of two of pairs a pass that leaves room for all else."""
    if room is None:
        return share
    others = memory.weights + memory.gradients + memory.moments + memory.inputs + memory.similarities
    fitting = int((room - others - activations.fixed) / activations.slope)
    return 0 if fitting < 1 else min(share, 1 << (fitting.bit_length() - 1))
