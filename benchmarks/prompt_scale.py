"""A made-up embedded data set of any size, and what evaluating prompt_sensitivity on it takes.

    python benchmarks/prompt_scale.py FOLDER IMAGES CLASSES        what `prompt_sensitivity.py --scale` starts

Features lie in a store as those of a real run do, and are read from it part by part. The evaluation has a process of
its own, so that the peak of its memory is not that of whoever drew the features.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from clipbench.arrays import Float32Array, IntArray
from clipbench.embed.examples import PART_ROWS, PartKey
from clipbench.embed.image_set import StoredFeatures
from clipbench.embed.store import Store, StoredPart
from clipbench.embed.texts import FILE_ROWS
from clipbench.models.base import ModelInfo, ModelPedigree
from clipbench.prompts.sets import load_prompt_set
from clipbench.tasks.base import DatasetFacts, ImageSet, Inputs
from clipbench.tasks.prompt_sensitivity.prompt_sensitivity import PromptSensitivity, PromptSensitivitySettings
from clipbench.tasks.prompts import PromptedClasses, fill

PROMPTS = "imagenet-80"
SPLIT = "test"
SETTINGS = PromptSensitivitySettings(task="prompt_sensitivity", datasets=("benchmark",), split=SPLIT)
WIDTH = 512
MODEL = ModelInfo("benchmark", ModelPedigree("", ""), has_text=True, logit_scale=100.0, features=("projected",))
_IMAGE_NOISE, _TEXT_NOISE = 3.0, 1.8
"""Lengths beside a class centre of length 1: more than half of the answers are right, and more templates are better."""


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation took, in seconds and bytes."""

    seconds: float
    before: int
    """Peak of the process's memory before: Python, libraries, one small evaluation."""
    peak: int
    """The same afterwards."""
    planned: int
    """What the job's plan says that the evaluation holds."""
    mean_top1: float
    """Of the templates."""


@dataclass(frozen=True)
class World:
    """Images and texts drawn around class centres, in a store in a folder."""

    folder: Path
    images: int
    classes: int

    @property
    def store(self) -> Store:
        return Store(self.folder)

    @property
    def facts(self) -> DatasetFacts:
        names = tuple(f"class {number}" for number in range(self.classes))
        return DatasetFacts("made up", names, multilabel=False, splits=(SPLIT,))

    @property
    def labels(self) -> IntArray:
        return np.arange(self.images, dtype=np.int64) % self.classes

    def prompts(self) -> PromptedClasses:
        return filled(self.facts.classes)

    def write(self) -> None:
        """Draw all features: some at a time, as they are stored."""
        centres = _normal(0, self.classes)
        for number, (part, rows) in enumerate(self._parts()):
            features = centres[self.labels[rows]] + _IMAGE_NOISE * _normal(1, len(rows), number)
            stored = StoredPart(np.arange(len(rows)), {"projected": features}, {}, batch_size=64)
            self.store.write_part(MODEL.name, part, stored)
        strings, files = needed_strings(self.facts, self.prompts()), self.store.texts(MODEL.name)
        for number, start in enumerate(range(0, len(strings), FILE_ROWS)):
            some = strings[start : start + FILE_ROWS]
            of_class = [int(re.findall(r"class (\d+)", string)[0]) for string in some]
            features = centres[of_class] + _TEXT_NOISE * _normal(2, len(some), number)
            files.add(some, features, [False] * len(some))

    def inputs(self) -> Inputs:
        """Return what the task is evaluated on; nothing is read before it asks."""
        parts = tuple((part, np.arange(len(rows))) for part, rows in self._parts())
        features = StoredFeatures(self.store, MODEL.name, "projected", parts, (self.images, WIDTH))
        ids = [f"{row:07d}" for row in range(self.images)]
        sets = {SPLIT: ImageSet(ids, {"projected": features}, self.labels)}
        return Inputs(self.facts, MODEL, sets, self.store.texts(MODEL.name).get)

    def _parts(self) -> Iterator[tuple[PartKey, range]]:
        for start in range(0, self.images, PART_ROWS):
            rows = range(start, min(start + PART_ROWS, self.images))
            yield PartKey(f"{start:07d}", len(rows)), rows


def filled(classes: Sequence[str]) -> PromptedClasses:
    """Return the prompt set filled with class names."""
    templates = load_prompt_set(PROMPTS).templates
    strings = tuple(tuple(fill(template, name) for template in templates) for name in classes)
    return PromptedClasses(PROMPTS, "", tuple(classes), strings, templates)


def needed_strings(facts: DatasetFacts, prompts: PromptedClasses) -> list[str]:
    """Return the strings that the task asks for."""
    return list(PromptSensitivity().needs(SETTINGS, facts, MODEL, prompts).strings)


def evaluate(world: World) -> Evaluation:
    """Evaluate the task on a world that is written."""
    prompts, inputs = world.prompts(), world.inputs()
    memory = PromptSensitivity().needs(SETTINGS, world.facts, MODEL, prompts).memory
    assert memory is not None
    before, started = peak_memory(), time.perf_counter()
    outcome = PromptSensitivity().evaluate(inputs, SETTINGS, prompts)
    seconds = time.perf_counter() - started
    (mean,) = (metric.value for metric in outcome.metrics if metric.name == "mean")
    assert mean is not None
    return Evaluation(seconds, before, peak_memory(), memory({SPLIT: world.images}, WIDTH), mean)


def warm_up() -> None:
    """Let the task load what it loads at its first use."""
    with tempfile.TemporaryDirectory() as folder:
        small = World(Path(folder), images=64, classes=4)
        small.write()
        evaluate(small)


def peak_memory() -> int:
    """Return the most bytes that this process has had in memory.

    Linux's getrusage is of no use: it hands a new program the peak of the process that started it.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _normal(*seed: int) -> Float32Array:
    """Return rows that are about of length 1; the second number of the seed says how many."""
    drawn = np.random.default_rng(seed).standard_normal((seed[1], WIDTH), np.float32)
    rows: Float32Array = drawn / np.float32(WIDTH**0.5)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Evaluate prompt_sensitivity on a made-up data set that is written.")
    parser.add_argument("folder", type=Path, help="where it was written")
    parser.add_argument("images", type=int)
    parser.add_argument("classes", type=int)
    arguments = parser.parse_args()
    warm_up()
    print(json.dumps(asdict(evaluate(World(arguments.folder, arguments.images, arguments.classes)))))


if __name__ == "__main__":
    main()
