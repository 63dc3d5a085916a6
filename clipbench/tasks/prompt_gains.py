"""What the paper reports of prompts: the gain of a photo's prompt over bare names, and of the ensemble over that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from clipbench.stats.bootstrap import RESAMPLES, SEED
from clipbench.stats.comparison import compare_pair
from clipbench.stats.paired import paired_difference
from clipbench.tasks.base import Metric
from clipbench.tasks.template_scores import TemplateAnswers
from clipbench.tasks.wording import signed
from clipbench.tasks.wording_layout import BARE, PHOTO, Layout

if TYPE_CHECKING:
    import pandas as pd

    from clipbench.tasks.name_lists import Bools


def gains_metrics(answers: TemplateAnswers, layout: Layout) -> Iterator[Metric]:
    """Yield the two gains."""
    for name, _, plain, better, before, after in _gains(answers, layout):
        gain, interval = paired_difference(after, before)
        params = {"plain": plain, "better": better, "seed": SEED, "resamples": RESAMPLES}
        yield Metric(name, gain, len(after), interval, params=params)


def gains_table(answers: TemplateAnswers, layout: Layout) -> pd.DataFrame:
    """Return gain, plain, better, difference, low, high, p (McNemar's exact test)."""
    import pandas as pd

    rows = []
    for _, words, plain, better, before, after in _gains(answers, layout):
        rows.append((words, plain, better, *compare_pair(after, before).numbers))
    return pd.DataFrame(rows, columns=["gain", "plain", "better", "difference", "low", "high", "p"])


def _gains(answers: TemplateAnswers, layout: Layout) -> Iterator[tuple[str, str, str, str, Bools, Bools]]:
    bare, photo = (answers.every_correct[:, layout.position(template)] for template in (BARE, PHOTO))
    together = f"all {len(layout.templates)} templates"
    yield "photo_gain", "a photo over the bare name", BARE, PHOTO, bare, photo
    yield "ensemble_over_photo", "all templates over a photo", PHOTO, together, photo, answers.ensemble_correct


def gains_in_words(metrics: Mapping[str, Metric]) -> str:
    """Return the sentence of the two gains, with the paper's."""
    photo, together = (metrics[name].value or 0.0 for name in ("photo_gain", "ensemble_over_photo"))
    return (
        f"{PHOTO!r} changes top-1 by {signed(photo)} points over the bare class name, all templates averaged by "
        f"{signed(together)} over that. (The CLIP paper, on ImageNet: +1.3, and +3.5 for 80 templates.)"
    )
