import tracemalloc

import numpy as np
import pytest

from clipbench.tasks.classify.zero_shot import ZeroShot
from clipbench.tasks.probe.knn import Knn

from .conftest import Generated, evaluate, image_set

CLASSES = [f"class {index}" for index in range(200)]


def peak(task, count, world, prompted, **keys) -> int:
    train, test = (
        image_set("", {"projected": Generated(n)}, np.arange(n) % len(CLASSES), ids=[""] * n) for n in (400, count)
    )
    texts = dict(zip(CLASSES, np.random.default_rng(0).standard_normal((len(CLASSES), 256), np.float32), strict=True))
    inputs, prompts = world(CLASSES, texts=texts, train=train, test=test), prompted(*CLASSES)
    tracemalloc.start()
    try:
        assert evaluate(task, inputs, prompts, **keys).metrics[0].n == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("task", "keys", "counts"), [(ZeroShot, {}, (20_000, 60_000)), (Knn, {"k": [200, 1]}, (10_000, 25_000))]
)
def test_memory_does_not_grow_with_the_images_tested(world, prompted, task, keys, counts):
    peak(task, 1000, world, prompted, **keys)  # imports
    few, many = (peak(task, count, world, prompted, **keys) for count in counts)
    # The per-example table grows by some 200 bytes an image; features would by 1,024, and scores or neighbours too.
    assert many - few < (counts[1] - counts[0]) * 250
