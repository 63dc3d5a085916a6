import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from clipbench.tasks.base import ImageSet, Inputs
from clipbench.tasks.classify.zero_shot import ZeroShot, ZeroShotSettings

CLASSES = [f"class {index}" for index in range(200)]
WIDTH = 256


class Generated:
    """Features that exist only while they are looked at."""

    def __init__(self, count: int) -> None:
        self.shape = (count, WIDTH)

    def chunks(self, rows: int = 4096) -> Iterator[tuple[int, np.ndarray]]:
        for start in range(0, self.shape[0], rows):
            size = min(rows, self.shape[0] - start)
            yield start, np.random.default_rng(start).standard_normal((size, WIDTH), np.float32)

    def load(self) -> np.ndarray:
        pytest.fail("the whole set was loaded")


def peak(count, facts, model, prompted) -> int:
    images = ImageSet([""] * count, {"projected": Generated(count)}, np.arange(count) % len(CLASSES))
    table = np.random.default_rng(0).standard_normal((len(CLASSES), WIDTH), np.float32)
    inputs = Inputs(
        facts(CLASSES), model(), {"test": images}, lambda strings: table[[CLASSES.index(string) for string in strings]]
    )
    prompts = prompted(*CLASSES)
    tracemalloc.start()
    try:
        outcome = ZeroShot().evaluate(inputs, ZeroShotSettings(task="zero_shot", datasets=("toys",)), prompts)
        assert outcome.metrics[0].n == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_of_zero_shot_is_flat_in_the_number_of_images(facts, model, prompted):
    peak(1000, facts, model, prompted)  # imports
    few, many = (peak(count, facts, model, prompted) for count in (20_000, 60_000))
    # The per-example table grows by some 200 bytes an image; features and scores would by 1,800.
    assert many - few < 40_000 * 250
