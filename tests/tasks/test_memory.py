import tracemalloc

import numpy as np

from clipbench.tasks.classify.zero_shot import ZeroShot

from .conftest import Generated, evaluate, image_set

CLASSES = [f"class {index}" for index in range(200)]


def peak(count, world, prompted) -> int:
    images = image_set("", {"projected": Generated(count)}, np.arange(count) % len(CLASSES), ids=[""] * count)
    texts = dict(zip(CLASSES, np.random.default_rng(0).standard_normal((len(CLASSES), 256), np.float32), strict=True))
    inputs, prompts = world(CLASSES, texts=texts, test=images), prompted(*CLASSES)
    tracemalloc.start()
    try:
        assert evaluate(ZeroShot, inputs, prompts).metrics[0].n == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_of_zero_shot_is_flat_in_the_number_of_images(world, prompted):
    peak(1000, world, prompted)  # imports
    few, many = (peak(count, world, prompted) for count in (20_000, 60_000))
    # The per-example table grows by some 200 bytes an image; features and scores would by 1,800.
    assert many - few < 40_000 * 250
