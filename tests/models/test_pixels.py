"""Raw pixels as features: what they are, what is refused, and a probe on them beside scikit-learn's own fit."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

from clipbench.models.catalog import find_model

from .conftest import assert_refused, differing, load, noise, pedigree


def pixels_of(image: PIL.Image.Image, side: int) -> np.ndarray:
    return np.asarray(image.resize((side, side), PIL.Image.Resampling.BICUBIC), dtype=np.float32).ravel() / 255


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_features_are_the_resized_pixels_in_every_precision(precision):
    source = find_model("pixels:8")
    assert (source.look().local, source.name, source.image_only) == (True, "pixels:8", True)
    source.fetch()
    model, image = load("pixels:8", precision), noise(50, 20)
    found = model.encode_images(model.transform(image)[None])
    assert found.projected is None
    assert np.array_equal(found.backbone.numpy()[0], pixels_of(image, 8))
    assert (model.info.has_text, model.info.features, model.info.trained_on) == (False, ("backbone",), ())


def test_another_side_is_another_model():
    assert differing(pedigree("pixels:8"), pedigree("pixels:32")) == {"transform"}
    assert find_model("pixels:8").locator() != find_model("pixels:32").locator()


@pytest.mark.parametrize("side", ["", "0", "-8", "x", "8x8", "8.5", "²", "513"])
def test_what_is_no_side_is_refused(side):
    message = f"{side!r} is no side of an image; after pixels: comes a whole number from 1 to 512, e.g. pixels:32"
    assert_refused(f"pixels:{side}", f"model 'pixels:{side}': {message}")
