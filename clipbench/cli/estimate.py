"""What a training will take, in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipbench.cli.console import format_bytes, format_seconds
from clipbench.errors import printable

if TYPE_CHECKING:
    from clipbench.training.dry_run.estimate import Estimate


def estimate_lines(estimate: Estimate) -> list[str]:
    """Return a line a subject."""
    told = {
        "data": _data(estimate),
        "steps": _steps(estimate),
        "towers": _towers(estimate),
        "memory": _memory(estimate),
        "step": _step(estimate),
        "measured": _measured(estimate),
        "time": _time(estimate),
        "disk": f"{format_bytes(estimate.disk)}, of which each checkpoint {format_bytes(estimate.towers.checkpoint)}",
    }
    return [f"{subject:<9} {printable(line)}" for subject, line in told.items()]


def _data(estimate: Estimate) -> str:
    if not estimate.sources:
        return "drawn by the recipe itself"
    broken = f"; {estimate.broken} of {estimate.read} that were read cannot be decoded" if estimate.broken else ""
    named = [f"{source.dataset} ({_count(source.examples, 'examples')})" for source in estimate.sources]
    return f"{', '.join(named)}{broken}"


def _steps(estimate: Estimate) -> str:
    pairs = f"{estimate.steps:,} of {estimate.batch:,} pairs"
    shared = f", {estimate.share:,} on each of {estimate.devices} devices" if estimate.devices > 1 else ""
    passes = f", {estimate.part:,} a pass" if estimate.part < estimate.share else ""
    if estimate.epochs is None:
        return f"{pairs}{shared}{passes}"
    return f"{pairs}{shared}{passes}: {estimate.epochs:,.1f} epochs of {estimate.examples:,} samples"


def _towers(estimate: Estimate) -> str:
    parameters = f"image {estimate.towers.image:,} parameters, text {estimate.towers.text:,}"
    texts = f"texts of {estimate.text_tokens} tokens, the longest of {estimate.read:,} that were read"
    return f"{parameters}; {estimate.precision}; {texts}"


def _memory(estimate: Estimate) -> str:
    memory = estimate.memory
    parts = {
        "weights": memory.weights,
        "gradients": memory.gradients,
        "AdamW's moments": memory.moments,
        "inputs": memory.inputs,
        "activations": memory.activations,
        "similarities": memory.similarities,
        "or then AdamW's update": memory.update,
    }
    sizes = [f"{name} {format_bytes(size)}" for name, size in parts.items() if size]
    told = f"{format_bytes(memory.total)}: {', '.join(sizes)}"
    if estimate.fits:
        return told
    part = estimate.largest_part
    fix = f"set part={part}" if part else "no part fits: take more devices, a smaller batch or smaller towers"
    return f"{told}; more than the {format_bytes(estimate.room)} of {estimate.device}: {fix}"


def _step(estimate: Estimate) -> str:
    loading, compute = estimate.loading_seconds, estimate.compute_seconds
    by = f" ({_count(estimate.workers, 'workers')})" if estimate.workers else ""
    if not estimate.workers:
        found = "one after the other; --workers loads meanwhile"
    elif loading <= compute:
        found = "the data do not hold it up"
    else:
        found = "the data hold it up; give more --workers"
    return f"data {_duration(loading)}{by}, compute {_duration(compute)}: {found}"


def _measured(estimate: Estimate) -> str:
    sizes = [f"{cost.pairs:,}" for cost in estimate.measured]
    steps = f"steps of {' and '.join([', '.join(sizes[:-1]), sizes[-1]] if sizes[1:] else sizes)} pairs"
    rest = "" if estimate.measured[-1].pairs == estimate.share else "; larger ones are computed from the last two"
    work = f"{estimate.flops / 1e9:,.3g} GFLOP a pair, {estimate.flops_per_second / 1e12:,.3g} TFLOP/s"
    alone = "; the exchange between devices is left out" if estimate.devices > 1 else ""
    return f"{steps} on {estimate.device}{rest}{alone}; {work}"


def _time(estimate: Estimate) -> str:
    rate = f"{estimate.batch / estimate.step_seconds:,.0f} images/s"
    hours = estimate.seconds / 3600
    told = f"{format_seconds(estimate.seconds) if hours < 100 else f'{hours:,.0f} h'}, {rate}"
    if estimate.cost is None:
        return told
    devices = f" and device, {estimate.devices} devices" if estimate.devices > 1 else ""
    return f"{told}; at {estimate.hourly_price:,.2f} an hour{devices}: {estimate.cost:,.2f}"


def _count(number: int | None, what: str) -> str:
    return f"{what} unknown" if number is None else f"{number:,} {what.rstrip('s') if number == 1 else what}"


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds < 10 else format_seconds(seconds)
