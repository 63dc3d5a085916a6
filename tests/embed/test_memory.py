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


PHOTOGRAPHS = """
import io, resource, sys, tempfile
from pathlib import Path
import numpy as np, PIL.Image, torch
from clipbench.datasets.base import Example, IndexedSplit
from clipbench.embed.encode import EncodeSettings, ImageEncoder
from clipbench.embed.store import Store
from clipbench.models.base import ImageFeatures

class Mean:
    @staticmethod
    def transform(image):
        array = np.asarray(image.crop((0, 0, 224, 224)), np.float32)
        return torch.from_numpy(array / 255).permute(2, 0, 1).contiguous()
    def encode_images(self, pixels):
        return ImageFeatures(pixels.mean((2, 3)), None)

def photograph(number):
    coarse = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(coarse).resize((500, 375), PIL.Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()

files = [photograph(number) for number in range(20)]
read = lambda row: Example(str(row), bytes(bytearray(files[row % 20])), 0)
with tempfile.TemporaryDirectory() as folder:
    encoder = ImageEncoder(Mean, "mean", Store(Path(folder)), EncodeSettings("cpu"))
    encoder.embed(IndexedSplit(int(sys.argv[1]), read, lambda: None), "photographs")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_megabytes(count: int, program: str = PROGRAM) -> float:
    done = subprocess.run(
        [sys.executable, "-c", program, str(count)], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    return int(done.stdout) / (1024 if sys.platform != "darwin" else 1024**2)


@pytest.mark.slow
def test_embedding_and_zero_shot_need_no_more_memory_for_four_times_the_images():
    small, large = peak_megabytes(4_000), peak_megabytes(16_000)
    features = 12_000 * 1536 * 4 / 1024**2
    assert large - small < features / 2, f"{small:.0f} MB for 4,000 images, {large:.0f} MB for 16,000"


@pytest.mark.slow
def test_a_parts_pixels_are_not_kept():
    small, large = peak_megabytes(128, PHOTOGRAPHS), peak_megabytes(1_100, PHOTOGRAPHS)
    pixels = 1024 * 3 * 224 * 224 * 4 / 1024**2
    encoded = 64
    assert large - small < encoded + pixels / 8, f"{small:.0f} MB for 128 photographs, {large:.0f} MB for 1,100"
