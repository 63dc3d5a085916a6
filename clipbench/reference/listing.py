"""What `clipbench reference` prints: rows of text, and the sentences below them."""

from __future__ import annotations

from dataclasses import dataclass

from clipbench.errors import UserError, did_you_mean
from clipbench.reference.clip_pair import CLAIM, NOT_MATCHED, PairShift, clip_pair
from clipbench.reference.imagenet_c import ALEXNET
from clipbench.reference.published import published_pairs
from clipbench.reference.robustness import CATALOG_SHIFTS, Robustness, published_robustness
from clipbench.reference.sources import rows, sources


@dataclass(frozen=True)
class Listing:
    """A table to print."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def tables() -> Listing:
    """Return the published tables with source, licence and size."""
    listed = []
    for key, source in sources().items():
        sizes = str(len(rows(key))), str(len(rows(key)[0]))
        listed.append((key, f"{source.title} ({source.year})", source.url, source.licence, *sizes))
    address = "https://github.com/hendrycks/robustness"
    listed.append(
        ("imagenet-c", "AlexNet's errors on ImageNet-C (2019)", address, "Apache 2.0", "1", str(len(ALEXNET)))
    )
    return Listing(("table", "title", "source", "licence", "rows", "columns"), tuple(listed))


def table(key: str) -> Listing:
    """Return a published table as it is packaged, and what was done to it.

    Raises:
        UserError: there is no such table.
    """
    if key not in sources():
        raise UserError(f"there is no published table {key!r}", fix=did_you_mean(key, sources()))
    source = sources()[key]
    notes = (
        f"Unit: {source.unit}. Source: {source.url} ({source.licence}). {source.citation}",
        f"Changed: {source.changed}",
        f"Left out: {source.left_out}",
    )
    return Listing(tuple(rows(key)[0]), tuple(tuple(row.values()) for row in rows(key)), notes)


def robustness(name: str, every: bool = False) -> Listing:
    """Return a published model's accuracies, what was expected of them, and effective robustness.

    Args:
        name: of a published model, or its unambiguous beginning.
        every: also the shifts that are not in the catalog.

    Raises:
        UserError: there is no such model, or several begin so.
    """
    shifts = tuple(pair.shift for pair in published_pairs()) if every else CATALOG_SHIFTS
    results = published_robustness(name, shifts)
    model, pair = results[0].model, results[0].pair
    trained = model.training.replace("_", " ") or "not declared"
    notes = [
        f"{model.name} (training: {trained}). Top-1 in %; ImageNet on the classes of the shift. rho, the effective "
        "robustness, is top-1 on the shift minus that expected by a line in logit space through published models "
        "trained on ImageNet alone, in points (Taori et al. 2020). Its interval, each for itself, holds the line, "
        "how far models of other families lie from it, and the images.",
        *(f"{result.pair.shift}: {' '.join(result.warnings)}" for result in results if result.warnings),
        f"Source of the line: {pair.citation}",
    ]
    columns = ("shift", "ImageNet", "shift top-1", "expected", "rho", "95 % interval")
    of_line = ("slope", "intercept", "R2", "models", "left out")
    return Listing((*columns, *of_line), tuple(map(_robustness_row, results)), tuple(notes))


def _robustness_row(result: Robustness) -> tuple[str, ...]:
    line, model, interval = result.line, result.model, result.interval
    expected = "" if result.expected is None else _percent(result.expected, 2)
    rho = "" if result.rho is None else f"{100 * result.rho:+.2f}"
    ends = "" if interval is None else f"{100 * interval.low:+.2f} to {100 * interval.high:+.2f}"
    measured = (_percent(model.reference_top1, 2), _percent(model.shift_top1, 2), expected, rho, ends)
    fitted = (f"{line.slope:.4f}", f"{line.intercept:.4f}", f"{line.r2:.3f}", str(len(line.models)))
    return (result.pair.shift, *measured, *fitted, ", ".join(line.left_out))


def paper_pair() -> Listing:
    """Return the CLIP paper's pair of models: gaps, and the share of the gap that is closed."""
    pair = clip_pair()
    columns = ("set", pair.supervised, pair.zero_shot, f"gap of {pair.supervised}", "gap of CLIP", "gap closed")
    imagenet = ("imagenet", _percent(pair.imagenet), _percent(pair.imagenet), "", "", "")
    closed = sorted(shift.share_closed for shift in pair.shifts if shift.share_closed is not None)
    notes = (
        f"Published, not measured here: {sources()['clip-paper'].citation}, section 3.3. Top-1 in %, gaps in points.",
        NOT_MATCHED,
        f"The paper says that zero-shot CLIP shrinks the gap by {CLAIM}; by these figures the share closed is "
        f"{_percent(closed[0], 0)} to {_percent(closed[-1], 0)} %. Beyond: CLIP does better there than on ImageNet.",
    )
    return Listing(columns, (imagenet, *map(_pair_row, pair.shifts)), notes)


def _pair_row(shift: PairShift) -> tuple[str, ...]:
    numbers = (shift.second_top1, shift.first_top1, shift.gap_second, shift.gap_first)
    beyond = ", beyond" if (shift.share_closed or 0) > 1 else ""
    closed = "" if shift.share_closed is None else f"{_percent(shift.share_closed, 0)} %{beyond}"
    return (shift.dataset, *(_percent(number) for number in numbers), closed)


def _percent(value: float, decimals: int = 1) -> str:
    return f"{100 * value:.{decimals}f}"
