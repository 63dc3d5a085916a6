"""What the paper reports of prompts: the gain of a photo's prompt over bare names, and of the ensemble over that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipbench.stats.bootstrap import RESAMPLES, SEED
from clipbench.stats.comparison import Comparison, compare_pair
from clipbench.tasks.base import Metric
from clipbench.tasks.prompt_sensitivity.prompt_grid import BARE, PHOTO, Layout
from clipbench.tasks.prompt_sensitivity.template_scores import TemplateAnswers
from clipbench.tasks.wording import signed

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Gain:
    """What one step of the paper gains on these images."""

    name: str
    """Of the metric."""
    words: str
    plain: str
    better: str
    found: Comparison


def gains(answers: TemplateAnswers, layout: Layout) -> tuple[Gain, ...]:
    """Return the two gains."""
    bare, photo = (answers.every_correct[:, layout.position(template)] for template in (BARE, PHOTO))
    together, over = f"all {len(layout.templates)} templates", compare_pair(answers.ensemble_correct, photo)
    return (
        Gain("photo_gain", "a photo over the bare name", BARE, PHOTO, compare_pair(photo, bare)),
        Gain("ensemble_over_photo", "all templates over a photo", PHOTO, together, over),
    )


def gains_metrics(found: Sequence[Gain], images: int) -> Iterator[Metric]:
    """Yield a metric for each gain on so many images."""
    for gain in found:
        params = {"plain": gain.plain, "better": gain.better, "seed": SEED, "resamples": RESAMPLES}
        yield Metric(gain.name, gain.found.difference, images, gain.found.interval, params=params)


def gains_table(found: Sequence[Gain]) -> pd.DataFrame:
    """Return gain, plain, better, difference, low, high, p (McNemar's exact test)."""
    import pandas as pd

    rows = [(gain.words, gain.plain, gain.better, *gain.found.numbers) for gain in found]
    return pd.DataFrame(rows, columns=["gain", "plain", "better", "difference", "low", "high", "p"])


def gains_in_words(metrics: Mapping[str, Metric]) -> str:
    """Return the sentence of the two gains, with the paper's."""
    photo, together = (metrics[name].value or 0.0 for name in ("photo_gain", "ensemble_over_photo"))
    return (
        f"{PHOTO!r} changes top-1 by {signed(photo)} points over the bare class name, all templates averaged by "
        f"{signed(together)} over that. (The CLIP paper, on ImageNet: +1.3, and +3.5 for 80 templates.)"
    )
