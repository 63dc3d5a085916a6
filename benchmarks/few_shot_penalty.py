"""Which C is best for one image a class, and what cross-validation gains over the paper's C = 0.316.

    python benchmarks/few_shot_penalty.py DATA

DATA is the folder with CIFAR-10 and the small CLIP (`probe_data.cifar10`). The constant is judged on training images
alone: 30 draws of one image a class from one half of them, tested on 150 a class of the other half. Few-shot with
either C is then tested on the test split, as a suite does it. Nothing is timed; a minute on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from probe_data import ProbeData, arrays, cifar10

from clipbench.arrays import Float64Array
from clipbench.heads.logistic import fit
from clipbench.tasks.probe.few_shot import FewShot
from clipbench.tasks.probe.few_shot_sampler import FewExamples

VALUES = tuple(10.0 ** (half / 2) for half in range(-6, 11))
DRAWS, TESTED = 30, 150
CLASSES = {"first five": range(5), "last five": range(5, 10), "all ten": range(10)}


def one_shot(data: ProbeData, classes: Sequence[int]) -> Float64Array:
    """Return the mean accuracy at each of the values, among some classes."""
    features, labels = arrays(data.train)
    random, even = np.random.default_rng(0), np.arange(len(labels)) % 2 == 0
    pools = [np.flatnonzero(even & (labels == label)) for label in classes]
    tested = [random.choice(np.flatnonzero(~even & (labels == label)), TESTED, replace=False) for label in classes]
    rows, truth, drawn_labels = (
        np.concatenate(tested),
        np.repeat(np.arange(len(classes)), TESTED),
        np.arange(len(classes)),
    )
    right = np.zeros(len(VALUES))
    for _ in range(DRAWS):
        drawn = np.array([random.choice(pool) for pool in pools])
        examples = FewExamples(tuple(map(str, drawn)), features[drawn], drawn_labels, len(classes))
        problem, head = examples.scaled().problem(drawn_labels, "cpu"), None
        for place, value in enumerate(VALUES):
            head = fit(problem, value, head).head
            scores = head.class_scores(features[rows] / np.float32(examples.root_mean_square))
            right[place] += (scores.argmax(axis=1) == truth).mean()
    return right / DRAWS


def main(data: Path, cache: Path) -> None:
    """Print both tables."""
    loaded = cifar10(data, cache)
    print("one image a class, training images alone:", *(f"{value:.3g}" for value in VALUES))
    for name, classes in CLASSES.items():
        print(f"{name:>10}:", *(f"{100 * share:.1f}" for share in one_shot(loaded, list(classes))))
    task, inputs = FewShot(), loaded.inputs("cpu")
    for shots in (1, 2, 4, 8, 16):
        for penalty in (0.316, "cross_validation"):
            settings = task.Settings(task="few_shot", datasets=("cifar10",), shots=shots, C=penalty)
            top1, spread, *_ = task.evaluate(inputs, settings, None).metrics
            assert top1.interval is not None
            assert top1.value is not None
            assert spread.value is not None
            ends = f"[{100 * top1.interval.low:.1f}, {100 * top1.interval.high:.1f}]"
            print(f"{shots:>2} shots, C {penalty}: {100 * top1.value:.1f} {ends}, sd {100 * spread.value:.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    given = parser.parse_args()
    main(given.data, given.cache)
