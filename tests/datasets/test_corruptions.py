"""Corruptions do to an image what their publication says, and always the same."""

from __future__ import annotations

import colorsys
import io
import pickle
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from scipy import ndimage, stats
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from clipbench.datasets.adapters.webdataset import WebDataset
from clipbench.datasets.base import Example
from clipbench.datasets.corruptions import blur, digital
from clipbench.datasets.corruptions.constants import CIFAR_C, EXTRA, IMAGENET_C, KINDS, SEVERITIES, STANDARD
from clipbench.datasets.corruptions.corruption import Corruption, available
from clipbench.datasets.corruptions.random import Draws, to_pixels
from clipbench.datasets.corruptions.weather import PHOTOGRAPHS
from clipbench.datasets.decoding import decode
from clipbench.embed.examples import cut_into_parts
from clipbench.embed.loader import Decoder, batches
from clipbench.errors import UserError

ALL = STANDARD + EXTRA


@pytest.fixture
def frost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installed package with photographs of frost, whose code must not run."""
    folder = tmp_path / "installed" / "imagecorruptions" / "frost"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise AssertionError('imported')")
    for number, name in enumerate(PHOTOGRAPHS):
        PIL.Image.new("RGB", (480, 320), (40 * number, 50, 200 - 40 * number)).save(folder / name)
    monkeypatch.syspath_prepend(str(folder.parents[1]))
    return folder


@pytest.fixture
def no_frost(monkeypatch: pytest.MonkeyPatch) -> None:
    """No such package, whatever is installed here."""
    monkeypatch.setattr("clipbench.datasets.corruptions.weather.PACKAGE", "no_such_package")


def noise_image(width: int = 224, height: int = 224, seed: int = 0) -> PIL.Image.Image:
    """Smooth coloured noise, with structure at several scales as in a photograph."""
    generator = np.random.default_rng(seed)
    field = sum(
        sigma * ndimage.gaussian_filter(generator.normal(size=(height, width, 3)), (sigma, sigma, 0), mode="wrap")
        for sigma in (1, 3, 9, 27)
    )
    return PIL.Image.fromarray(np.clip(128 + 55 * field / field.std(), 0, 255).astype(np.uint8))


def flat(*colour: int, side: int = 224) -> PIL.Image.Image:
    return PIL.Image.new("RGB", (side, side), colour * (3 // len(colour)))


def corrupt(name: str, severity: int, image: PIL.Image.Image, example_id: str = "a") -> np.ndarray:
    """(H, W, 3) float64 of the corrupted image at its own size."""
    return np.asarray(Corruption(name, severity, "adapted")(image, example_id), np.float64)


# What there is


def test_there_are_fifteen_standard_corruptions_and_four_more_in_four_kinds():
    assert (len(STANDARD), len(EXTRA)) == (15, 4)
    assert set(KINDS) == set(ALL) == set(IMAGENET_C) == set(CIFAR_C)
    kinds = [KINDS[name] for name in STANDARD]
    assert kinds == ["noise"] * 3 + ["blur"] * 4 + ["weather"] * 4 + ["digital"] * 4
    assert [KINDS[name] for name in EXTRA] == ["noise", "blur", "weather", "digital"]
    assert all(len(table[name]) == 5 for table in (IMAGENET_C, CIFAR_C) for name in ALL)


# Written down from the publication's code a second time.
@pytest.mark.parametrize(
    ("table", "name", "severity", "constants"),
    [
        (IMAGENET_C, "gaussian_noise", 5, (0.38,)),
        (IMAGENET_C, "shot_noise", 3, (12,)),
        (IMAGENET_C, "impulse_noise", 4, (0.17,)),
        (IMAGENET_C, "defocus_blur", 2, (4, 0.5)),
        (IMAGENET_C, "glass_blur", 3, (1, 2, 3)),
        (IMAGENET_C, "motion_blur", 4, (15, 12)),
        (IMAGENET_C, "zoom_blur", 5, (1.31, 0.03)),
        (IMAGENET_C, "snow", 4, (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65)),
        (IMAGENET_C, "frost", 2, (0.8, 0.6, 1)),
        (IMAGENET_C, "fog", 3, (2.5, 1.7)),
        (IMAGENET_C, "brightness", 1, (0.1,)),
        (IMAGENET_C, "contrast", 4, (0.1,)),
        (IMAGENET_C, "elastic_transform", 5, (29.28 / 224, 2.44 / 224, 4.88 / 224)),
        (IMAGENET_C, "pixelate", 1, (0.6,)),
        (IMAGENET_C, "jpeg_compression", 2, (18,)),
        (IMAGENET_C, "speckle_noise", 3, (0.35,)),
        (IMAGENET_C, "gaussian_blur", 5, (6,)),
        (IMAGENET_C, "spatter", 5, (0.67, 0.4, 1, 0.65, 1.5, 1)),
        (IMAGENET_C, "saturate", 4, (5, 0.1)),
        (CIFAR_C, "gaussian_noise", 4, (0.09,)),
        (CIFAR_C, "shot_noise", 1, (500,)),
        (CIFAR_C, "defocus_blur", 3, (0.5, 0.6)),
        (CIFAR_C, "glass_blur", 4, (0.25, 1, 2)),
        (CIFAR_C, "motion_blur", 5, (9, 2.5)),
        (CIFAR_C, "snow", 3, (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9)),
        (CIFAR_C, "frost", 5, (0.75, 0.45, 5)),
        (CIFAR_C, "elastic_transform", 2, (0.05, 0.2, 0.07)),
        (CIFAR_C, "jpeg_compression", 3, (58,)),
        (CIFAR_C, "saturate", 5, (2.5, 0.2)),
    ],
)
def test_constants_are_the_published_ones(table, name, severity, constants):
    assert table[name][severity - 1] == pytest.approx(constants)


# Always the same


@pytest.mark.usefixtures("frost")
@pytest.mark.parametrize("name", ALL)
def test_pixels_depend_on_nothing_but_image_and_id(name):
    view, image = Corruption(name, 4, "adapted"), noise_image(64, 48)
    first = np.asarray(view(image, "a"))
    view(image, "b")
    assert np.array_equal(np.asarray(pickle.loads(pickle.dumps(view))(image, "a")), first)
    assert np.asarray(image).tobytes() == np.asarray(noise_image(64, 48)).tobytes()


@pytest.mark.usefixtures("frost")
def test_random_corruptions_differ_between_ids_and_the_others_do_not():
    image = noise_image(64, 64)
    same = {name for name in ALL if np.array_equal(corrupt(name, 3, image, "a"), corrupt(name, 3, image, "b"))}
    fixed = {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"}
    assert same == fixed | {"gaussian_blur", "saturate"}


def test_noise_is_another_one_at_another_severity_and_in_another_corruption():
    # At a severity apart the same numbers would give images in proportion; at equal seeds, speckle as gaussian.
    image = flat(128)
    noise = [corrupt(*of, image).ravel() - 128 for of in (("gaussian_noise", 1), ("gaussian_noise", 2))]
    noise.append(corrupt("speckle_noise", 1, image).ravel() - 128)
    assert np.abs(np.corrcoef(noise) - np.eye(3)).max() < 0.02


def test_noise_stays_the_same_in_every_version():
    # Known values: a change here means that GENERATOR has to be counted up.
    image = flat(128, side=2)
    known = {"gaussian_noise": "141 66 75 96 172 113 132 146 99 95 76 95"}
    known["shot_noise"] = "212 106 85 148 106 106 127 170 127 127 106 233"
    for name, values in known.items():
        assert corrupt(name, 3, image).ravel().tolist() == [int(value) for value in values.split()]
    fingerprint = "69cd81e074916ab151c510f5bb80ea5415c89b5eae38169967ccf497e035bec4"
    assert Corruption("gaussian_noise", 3).fingerprint() == fingerprint


def test_workers_and_batch_sizes_do_not_matter(png):
    examples = [Example(f"{number}", png((10 * number, 90, 200), side=32), label=0) for number in range(7)]
    decoder = Decoder(to_tensor, Corruption("glass_blur", 2, "adapted"))

    def pixels(batch_size: int, workers: int) -> torch.Tensor:
        parts = cut_into_parts(iter([iter(examples)]))
        return torch.cat([batch.pixels for batch in batches(parts, decoder, batch_size, workers)])

    assert torch.equal(pixels(7, 0), pixels(2, 2))


def to_tensor(image: PIL.Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def test_the_fingerprint_names_everything_that_changes_pixels(frost):
    view = Corruption("snow", 3)
    others = [replace(view, corruption="fog"), replace(view, severity=2), replace(view, protocol="adapted")]
    others += [replace(view, jpeg=85), Corruption("frost", 3)]
    prints = {other.fingerprint() for other in (view, *others)}
    assert len(prints) == 6
    assert Corruption("snow", 3).fingerprint() == view.fingerprint()


def test_a_name_is_corruption_and_severity_and_whatever_differs_from_the_defaults():
    view = Corruption("snow", 3, "cifar-c", jpeg=85)
    views = (Corruption("snow", 3), Corruption("snow", 3, jpeg=85), view)
    assert [view.name for view in views] == ["snow/3", "snow/3/jpeg85", "snow/3/cifar-c/jpeg85"]
    about = {"corruption": "snow", "kind": "weather", "severity": 3, "protocol": "cifar-c", "jpeg": 85}
    assert view.about == about


# Protocols


def test_imagenet_c_corrupts_the_middle_224_of_the_image_at_256():
    original = Compose([Resize(256, InterpolationMode.BILINEAR), CenterCrop(224)])
    for size in ((500, 375), (333, 500), (224, 224), (30, 61), (256, 299)):
        image = noise_image(*size)
        expected = np.asarray(Corruption("contrast", 1, "adapted")(original(image), "a"))
        assert np.array_equal(np.asarray(Corruption("contrast", 1)(image, "a")), expected), size


def test_jpeg_85_is_the_result_saved_at_that_quality():
    image = noise_image()
    stream = io.BytesIO()
    Corruption("gaussian_noise", 1)(image, "a").save(stream, "JPEG", quality=85, optimize=True)
    released = Corruption("gaussian_noise", 1, jpeg=85)(image, "a")
    assert np.array_equal(np.asarray(PIL.Image.open(stream)), np.asarray(released))


def test_cifar_c_has_weaker_constants_and_takes_no_other_size():
    view = Corruption("gaussian_noise", 1, "cifar-c")
    noise = np.concatenate([np.asarray(view(flat(128, side=32), f"{number}"), float) for number in range(20)])
    assert noise.std() == pytest.approx(255 * 0.04, rel=0.02)
    with pytest.raises(ValueError, match="CIFAR-C is for images of 32 x 32, not 33 x 32; use protocol 'imagenet-c'"):
        view(PIL.Image.new("RGB", (33, 32)), "a")


def test_an_image_that_cifar_c_refuses_fails_the_job_by_its_id(png):
    decoder = Decoder(to_tensor, Corruption("snow", 1, "cifar-c"))
    failure = decoder[Example("a", png(side=16), label=0)]
    assert failure.where == "image 'a'"
    says = "the view snow/1/cifar-c failed (ValueError: CIFAR-C is for images of 32 x 32, not 16 x 16"
    assert failure.problem.startswith(says)


@pytest.mark.usefixtures("frost")
@pytest.mark.parametrize("name", ALL)
def test_adapted_takes_images_of_any_size_and_cifar_c_makes_every_corruption_at_every_severity(name):
    for size in ((1, 1), (8, 8), (3, 40), (120, 75)):
        for severity in (1, 5):
            assert Corruption(name, severity, "adapted")(noise_image(*size), "a").size == size
    image = noise_image(32, 32)
    changed = [np.asarray(Corruption(name, severity, "cifar-c")(image, "a")) for severity in SEVERITIES]
    assert all(pixels.shape == (32, 32, 3) for pixels in changed)
    assert all(np.abs(pixels - np.asarray(image, float)).mean() > 0.5 for pixels in changed)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "LA", "CMYK", "1"])
def test_images_of_other_modes_are_converted_to_rgb(mode):
    image = noise_image(40, 40).convert(mode)
    assert np.array_equal(corrupt("glass_blur", 1, image), corrupt("glass_blur", 1, image.convert("RGB")))


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gausian_noise", 3), "unknown corruption 'gausian_noise'; did you mean 'gaussian_noise'"),
        (("gaussian_noise", 6), "gaussian_noise: severity 6 does not exist; give 1 to 5"),
        (("gaussian_noise", 0), "gaussian_noise: severity 0 does not exist; give 1 to 5"),
        (("gaussian_noise", True), "gaussian_noise: severity True does not exist; give 1 to 5"),
        (("snow", 3, "imagenetc"), "snow: unknown protocol 'imagenetc'; did you mean 'imagenet-c'"),
        (("snow", 3, "imagenet-c", 0), "snow: JPEG quality 0 does not exist; give 1 to 100"),
    ],
)
def test_errors_name_what_is_wrong_and_the_nearest_right_name(arguments, message):
    with pytest.raises(UserError, match=f"^{message}"):
        Corruption(*arguments)


@pytest.mark.usefixtures("no_frost")
def test_without_its_photographs_frost_is_refused_and_not_among_the_available():
    assert available() == tuple(name for name in ALL if name != "frost")
    with pytest.raises(UserError, match=r"'frost' needs photographs .* pip install 'clipbench\[corruptions\]'"):
        Corruption("frost", 1)


# Noise


def test_gaussian_noise_has_the_published_deviation_in_every_channel():
    noise = corrupt("gaussian_noise", 1, flat(128, side=400)) + 0.5 - 128
    assert noise.std(axis=(0, 1)) == pytest.approx([255 * 0.08] * 3, rel=0.01)
    assert abs(noise.mean()) < 0.2
    assert np.abs(np.corrcoef(noise.reshape(-1, 3).T) - np.eye(3)).max() < 0.02


def test_shot_noise_has_the_mean_and_variance_of_photon_counts():
    noisy = corrupt("shot_noise", 1, flat(128, side=400)) / 255
    assert noisy.mean() == pytest.approx(128 / 255, rel=0.01)
    assert noisy.var() == pytest.approx(128 / 255 / 60, rel=0.02)
    assert np.array_equal(np.unique(corrupt("shot_noise", 5, noise_image())), [0, 85, 170, 255])
    assert corrupt("shot_noise", 5, flat(0)).max() == 0


def test_impulse_noise_sets_the_published_share_of_values_half_to_each_end():
    noisy = corrupt("impulse_noise", 3, flat(128, side=400))
    assert (noisy == 0).mean() == pytest.approx(0.045, rel=0.03)
    assert (noisy == 255).mean() == pytest.approx(0.045, rel=0.03)
    assert set(np.unique(noisy)) == {0, 128, 255}


def test_speckle_noise_grows_with_the_value():
    deviations = [corrupt("speckle_noise", 1, flat(value, side=400)).std() for value in (0, 60, 120)]
    assert deviations == pytest.approx([0, 60 * 0.15, 120 * 0.15], rel=0.01)


def test_draws_follow_their_distributions():
    draws = Draws(3)
    assert stats.kstest(draws.normal(200, 100).ravel(), "norm").pvalue > 0.01
    assert stats.kstest(draws.uniform(-2, 3, 20_000), "uniform", (-2, 5)).pvalue > 0.01
    assert stats.chisquare(np.bincount(draws.integers(0, 7, 20_000), minlength=7)).pvalue > 0.01
    assert set(draws.integers(-2, 2, 1000).tolist()) == {-2, -1, 0, 1}


# Blur


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("name", [name for name in ALL if KINDS[name] == "blur"])
def test_blur_keeps_one_colour_and_the_mean(name, severity):
    # The released defocus blur brightens by up to 1.2 % at severities 4 and 5, where the disc fills its array.
    brighter = 0.012 if name == "defocus_blur" and severity > 3 else 0
    kept = corrupt(name, severity, flat(200, 100, 50))
    assert (np.abs(kept - (200, 100, 50)) <= brighter * np.array([200, 100, 50]) + 1e-9).all()
    image = noise_image()
    assert corrupt(name, severity, image).mean() == pytest.approx(np.asarray(image).mean(), abs=0.012 * 128 + 1)


def test_defocus_spreads_a_point_over_a_disc():
    point = np.zeros((31, 31, 3), np.uint8)
    point[15, 15] = 255
    rows, columns = np.mgrid[-15:16, -15:16]
    disc = rows**2 + columns**2 <= 9
    assert np.array_equal(corrupt("defocus_blur", 1, PIL.Image.fromarray(point))[..., 0] > 0, disc)


def test_glass_lets_each_pixel_take_a_neighbours_value_the_last_pixel_first():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 17, 3), np.uint8)
    expected = pixels.copy()
    for _, draws in zip(range(2), [Draws(9)] * 2, strict=True):
        moves = draws.integers(-3, 3, 2, 20 - 6, 17 - 6)
        for row in range(20 - 3, 3, -1):
            for column in range(17 - 3, 3, -1):
                down, right = moves[:, row - 4, column - 4]
                expected[row, column] = expected[row + down, column + right]
    assert np.array_equal(to_pixels(blur.glass_blur(pixels, (0, 3, 2), Draws(9))), expected)


def test_motion_blur_looks_to_one_side_with_gaussian_weights():
    row = np.random.default_rng(0).random((1, 90)).astype(np.float32)
    weights = np.exp(-(np.arange(21) ** 2) / 18)
    padded = np.pad(row[0], (0, 20), "edge")
    expected = np.convolve(padded, weights[::-1] / weights.sum(), "valid")
    assert blur.smear(row, 10, 3, 0)[0] == pytest.approx(expected, abs=1e-6)
    column = blur.smear(row.T, 10, 3, 90)
    assert column[:, 0] == pytest.approx(expected, abs=1e-6)
    diagonal = np.zeros((9, 9), np.float32)
    diagonal[4, 4] = 1
    seen_from = np.argwhere(blur.smear(diagonal, 1, 1, -45))
    assert seen_from.tolist() == [[4, 4], [5, 3]] or seen_from.tolist() == [[4, 4], [5, 3], [5, 3]]


@pytest.mark.parametrize("zoom", [1, 1.07, 1.3, 4.5])
def test_zoom_enlarges_the_middle_linearly(zoom):
    image = np.asarray(noise_image(60, 60), np.float32)
    kept = int(np.ceil(60 / zoom))
    start = (60 - kept) // 2
    larger = ndimage.zoom(image[start : start + kept, start : start + kept], (zoom, zoom, 1), order=1)
    start = (len(larger) - 60) // 2
    assert blur.zoomed(image, zoom) == pytest.approx(larger[start : start + 60, start : start + 60], abs=1e-3)


# Weather


def test_snow_falls_once_and_once_more_turned_round():
    snowed = corrupt("snow", 3, flat(0))
    assert np.array_equal(snowed, np.rot90(snowed, 2))
    # Black becomes grey where no flake is: (1 - 0.7) x 0.5.
    assert snowed.min() == np.floor(255 * 0.3 * 0.5)
    assert snowed.max() > 150
    assert (corrupt("snow", 3, flat(255)) == 255).all()


def test_frost_is_a_weighted_sum_of_image_and_photograph(frost):
    image, seen = flat(100), set()
    for number in range(30):
        frosted = corrupt("frost", 2, image, f"{number}")
        assert (frosted == frosted[0, 0]).all()
        seen.add(tuple(frosted[0, 0]))
    with_photographs = [np.asarray(PIL.Image.open(frost / name))[0, 0] for name in PHOTOGRAPHS]
    assert seen == {tuple(np.floor(np.clip(0.8 * 100 + 0.6 * ice + 1e-3, 0, 255))) for ice in with_photographs}


def test_frost_reads_every_fifth_pixel_for_cifar_and_enlarges_for_large_images(frost):
    stripes = np.zeros((320, 480, 3), np.uint8)
    stripes[2::5, 2::5] = 200
    for name in PHOTOGRAPHS:
        PIL.Image.fromarray(stripes).save(frost / name, "PNG")
    frosted = np.asarray(Corruption("frost", 1, "cifar-c")(flat(0, side=32), "a"))
    assert (frosted == 40).all()
    assert Corruption("frost", 1, "adapted")(flat(0, side=700), "a").size == (700, 700)


def test_fog_thickens_from_nothing_to_its_height_and_black_stays_black():
    for severity, height in zip(SEVERITIES, (1.5, 2, 2.5, 2.5, 3), strict=True):
        foggy = corrupt("fog", severity, flat(255, side=64))
        assert foggy.max() == 255
        assert foggy.min() == np.floor(255 / (1 + height) + 1e-3)
        assert np.array_equal(foggy[..., 0], foggy[..., 2])
        assert (corrupt("fog", severity, flat(0, side=64)) == 0).all()


def test_fog_gets_rougher_with_severity():
    def roughness(severity: int) -> float:
        clouds = np.stack([corrupt("fog", severity, flat(255, side=64), f"{number}")[..., 0] for number in range(40)])
        return float(np.diff(clouds, axis=1).var() / clouds.var(axis=(1, 2)).mean())

    assert roughness(1) < roughness(3) < roughness(5)


@pytest.mark.parametrize(("name", "channel"), [("brightness", 2), ("saturate", 1)])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_brightness_and_saturation_change_one_number_of_hsv(name, channel, severity):
    colours = np.random.default_rng(severity).integers(0, 256, (8, 8, 3), np.uint8)
    colours[0] = [[0, 0, 0], [255, 255, 255], [90, 90, 90], [255, 0, 0], [1, 0, 0], [0, 3, 3], [9, 9, 8], [7, 7, 7]]
    factors = {"brightness": (1, severity / 10), "saturate": [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)]}
    factor, added = factors[name] if name == "brightness" else factors[name][severity - 1]
    found = corrupt(name, severity, PIL.Image.fromarray(colours)).reshape(-1, 3)
    for colour, changed in zip(colours.reshape(-1, 3), found, strict=True):
        hsv = list(colorsys.rgb_to_hsv(*(colour / 255)))
        hsv[channel] = min(1, hsv[channel] * factor + added)
        assert changed == pytest.approx(255 * np.array(colorsys.hsv_to_rgb(*hsv)) - 0.5, abs=0.51), colour


# Digital changes


def test_contrast_draws_each_channel_to_its_mean():
    halves = np.zeros((4, 4, 3), np.uint8)
    halves[:2] = (200, 100, 0)
    found = corrupt("contrast", 1, PIL.Image.fromarray(halves))
    assert found[0, 0].tolist() == [140, 70, 0]
    assert found[3, 3].tolist() == [60, 30, 0]


def test_elastic_is_an_affine_map_and_then_a_gaussian_field_of_moves():
    pixels = np.asarray(noise_image(50, 40))
    scale, sigma, bend = (40 * share for share in (1.2, 0.04, 0.1))
    draws = Draws(5)
    middle, arm = np.array([20, 25]), 40 // 3
    corners = middle + arm * np.array([[1, 1], [-1, 1], [-1, -1]])
    moved = corners + draws.uniform(-bend, bend, 3, 2)
    back = np.linalg.solve(np.c_[moved, np.ones(3)], corners)
    rows, columns = np.mgrid[:40, :50]
    source = np.stack([rows, columns, np.ones_like(rows)], -1) @ back
    across, down = (
        scale * ndimage.gaussian_filter(draws.uniform(-1, 1, 40, 50).astype(float), sigma, mode="reflect", truncate=3)
        for _ in range(2)
    )
    for channel in range(3):
        plane = pixels[..., channel].astype(float)
        stretched = ndimage.map_coordinates(plane, np.moveaxis(source, -1, 0), order=1, mode="mirror")
        expected = ndimage.map_coordinates(stretched, (rows + down, columns + across), order=1, mode="reflect")
        found = digital.elastic_transform(pixels, (1.2, 0.04, 0.1), Draws(5))[..., channel]
        assert found == pytest.approx(expected, abs=0.05)


def test_pixelation_shrinks_and_enlarges_by_boxes():
    image = noise_image()
    small = image.resize((89, 89), PIL.Image.Resampling.BOX)
    expected = small.resize((224, 224), PIL.Image.Resampling.BOX)
    assert np.array_equal(corrupt("pixelate", 3, image), np.asarray(expected))


def test_jpeg_compression_is_pillows_at_the_published_quality():
    image, stream = noise_image(), io.BytesIO()
    image.save(stream, "JPEG", quality=10)
    assert np.array_equal(corrupt("jpeg_compression", 4, image), np.asarray(PIL.Image.open(stream)))


def test_spatter_is_water_that_brightens_or_mud_that_covers():
    water = corrupt("spatter", 2, flat(0))
    wet = water.max(axis=2) > 50
    assert 0.01 < wet.mean() < 0.3
    assert water.max() == np.floor(238 * 0.6)
    assert (water[wet][:, 0] / water[wet][:, 1]).mean() == pytest.approx(175 / 238, abs=0.01)
    mud = corrupt("spatter", 5, flat(0, 0, 255))
    covered = mud[(mud != (0, 0, 255)).any(axis=2)]
    assert 0.03 < len(covered) / 224**2 < 0.5
    # Mud is brown, (63, 42, 20), and covers by at least 0.8.
    shares = covered[:, 0] / 63
    assert shares.min() == pytest.approx(0.8, abs=0.02)
    assert covered[:, 2] == pytest.approx(20 * shares + 255 * (1 - shares), abs=5)


# The whole

OTHERS = {"glass_blur", "frost", "fog", "elastic_transform", "spatter", "saturate"}
"""Whose published constants do not simply grow: passes through glass vary, the weight of the image falls with that of
frost's rise, the affine map is strong at severities 1 and 2 alone, saturation falls and then rises. Clouds and drops
vary too much from image to image."""


@pytest.fixture(scope="module")
def pictures(shared_data: Path) -> list[PIL.Image.Image]:
    shards = WebDataset(path=shared_data / "imagenet_sample").split("test").shards()
    examples = islice((example for shard in shards for example in shard), 3)
    return [decode(example.image).resize((224, 224)) for example in examples]


@pytest.mark.shared_data
@pytest.mark.parametrize("name", [name for name in ALL if name not in OTHERS])
def test_photographs_get_farther_from_the_clean_one_with_severity(name, pictures):
    def distance(severity: int) -> float:
        corrupted = [corrupt(name, severity, picture, f"{number}") for number, picture in enumerate(pictures)]
        return float(np.mean((np.stack(corrupted) - np.stack(pictures).astype(float)) ** 2))

    distances = [distance(severity) for severity in SEVERITIES]
    assert distances == sorted(distances)
    assert distances[0] > 5
