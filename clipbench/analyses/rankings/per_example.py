"""What a metric is the mean of, example by example, as its task declares it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipbench.arrays import IntArray
from clipbench.errors import UserError
from clipbench.metrics.specs import MetricSpec


def example_numbers(spec: MetricSpec, table: pd.DataFrame) -> tuple[NDArray[np.generic], IntArray | None]:
    """Return (n,) truth values or numbers, or (n, S) under S draws; and (n,) strata that the mean is within first.

    Args:
        spec: of the metric.
        table: the per-example table of a job.

    Raises:
        UserError: the metric declares no column, or the table lacks it.
    """
    if not spec.per_example:
        raise UserError(f"{spec.label} is not declared to be a mean over examples")
    stem, draws, _ = spec.per_example.partition("*")
    columns = [str(name) for name in table if str(name).startswith(stem)] if draws else [stem]
    wanted = [*(columns or [spec.per_example]), *([spec.within] if spec.within else [])]
    if lacking := [name for name in wanted if name not in table]:
        raise UserError(f"the per-example table has no column {lacking[0]!r}, which {spec.label} is the mean of")
    numbers = table[columns].to_numpy()
    if numbers.dtype != np.bool_:
        numbers = pd.DataFrame(numbers).apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
        if not np.isfinite(numbers).all():
            raise UserError(f"the column {spec.per_example!r} does not hold a number for every example")
    strata = np.unique(table[spec.within], return_inverse=True)[1].astype(np.int64) if spec.within else None
    return (numbers if draws else numbers[:, 0]), strata
