"""Memory does not grow with the number of images."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ..conftest import REPOSITORY

PROGRAM = """
import resource, sys, tempfile
from pathlib import Path
import numpy as np, torch
from clipbench.datasets.base import Example, IndexedSplit
from clipbench.embed.encode import EncodeSettings, ImageEncoder
from clipbench.embed.image_set import SplitReader
from clipbench.embed.store import Store
from clipbench.models.base import ImageFeatures, ModelInfo, ModelPedigree
from clipbench.tasks.base import DatasetFacts, Inputs
from clipbench.tasks.prompts import PromptedClasses
from clipbench.tasks.classify.zero_shot import ZeroShot, ZeroShotSettings

count = int(sys.argv[1])
CLASSES = tuple(f"class {at}" for at in range(10))
WIDTH = 1536

class Wide:
    transform = staticmethod(lambda image: torch.from_numpy(np.asarray(image, np.float32).copy()).permute(2, 0, 1))
    info = ModelInfo("wide", ModelPedigree("w", "t"), has_text=True, features=("projected", "backbone"))
    weights = torch.randn(48, WIDTH, generator=torch.Generator().manual_seed(0))
    def encode_images(self, pixels):
        return ImageFeatures(pixels.flatten(1) @ self.weights, pixels.flatten(1))

def example(row):
    pixels = np.random.default_rng(row).integers(0, 256, (4, 4, 3), np.uint8)
    return Example(str(row), b"P6 4 4 255\\n" + pixels.tobytes(), row % 10)

with tempfile.TemporaryDirectory() as folder:
    store = Store(Path(folder))
    model = Wide()
    encoder = ImageEncoder(lambda: model, "wide", store, EncodeSettings("cpu"))
    index = encoder.embed(IndexedSplit(count, example, lambda: None), "rows")
    images = SplitReader(store, "wide").open(index, ("projected",)).images
    text = lambda strings: np.random.default_rng(1).normal(size=(len(strings), WIDTH)).astype(np.float32)
    facts = DatasetFacts("rows", CLASSES, False, ("test",))
    prompts = PromptedClasses("name", "", CLASSES, tuple((name,) for name in CLASSES))
    settings = ZeroShotSettings(task="zero_shot", datasets=("rows",))
    outcome = ZeroShot().evaluate(Inputs(facts, model.info, {"test": images}, text), settings, prompts)
    assert len(outcome.examples) == count
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_megabytes(count: int) -> float:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(count)], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    return int(done.stdout) / (1024 if sys.platform != "darwin" else 1024**2)


@pytest.mark.slow
def test_embedding_and_zero_shot_need_no_more_memory_for_four_times_the_images():
    small, large = peak_megabytes(4_000), peak_megabytes(16_000)
    features = 12_000 * 1536 * 4 / 1024**2
    assert large - small < features / 2, f"{small:.0f} MB for 4,000 images, {large:.0f} MB for 16,000"
