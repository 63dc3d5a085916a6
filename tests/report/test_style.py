"""The page's colours: legible in light and dark."""

from __future__ import annotations

import re
from importlib import resources
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

TEMPLATES = resources.files("clipbench.report") / "templates"

TEXT = [(ink, on) for ink in ("ink", "soft", "accent", "bad") for on in ("paper", "card")]
TEXT += [("ink", "sunk"), ("ink", "best"), ("soft", "faint"), ("soft", "sunk")]
GRAPHICS = [(f"s{index}", "card") for index in range(8)] + [("warn", "card")]


def colours(source: str) -> dict[str, str]:
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", source))


LIGHT = colours((TEMPLATES / "theme.css").read_text())
DARK = colours((TEMPLATES / "dark.css").read_text())


def linear(colour: str) -> NDArray[np.float64]:
    channels = np.array([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def luminance(colour: str) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(first: str, second: str) -> float:
    """WCAG 2.2, relative luminance."""
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_is_legible_and_bars_stand_out(theme: dict[str, str]) -> None:
    for least, pairs in ((4.5, TEXT), (3, GRAPHICS)):
        assert [pair for pair in pairs if contrast(*(theme[name] for name in pair)) < least] == []


def seen_by_a_deuteranope(colour: str) -> tuple[float, ...]:
    """CIELAB (D65) after Machado, Oliveira and Fernandes 2009, severity 1, on linear sRGB."""
    machado = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
    xyz = to_xyz @ np.clip(machado @ linear(colour), 0, 1) / [0.95047, 1, 1.08883]
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def ciede2000(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """Sharma, Wu and Dalal 2005; of colours that are not grey."""
    lightness, a, b = np.array([first, second]).T
    far = np.hypot(a, b).mean() ** 7
    chroma_ab = a * (1.5 - 0.5 * np.sqrt(far / (far + 25**7)))
    chroma, hue = np.hypot(chroma_ab, b), np.degrees(np.arctan2(b, chroma_ab)) % 360
    turn = (hue[1] - hue[0] + 180) % 360 - 180
    middle, mean = hue[0] + turn / 2, chroma.mean()
    waves = (1, -30, -0.17), (2, 0, 0.24), (3, 6, 0.32), (4, -63, -0.2)
    t = 1 + sum(weight * np.cos(np.radians(times * middle + shift)) for times, shift, weight in waves)
    off = (lightness.mean() - 50) ** 2
    d_l = np.diff(lightness)[0] / (1 + 0.015 * off / np.sqrt(20 + off))
    d_c = np.diff(chroma)[0] / (1 + 0.045 * mean)
    d_h = 2 * np.sqrt(chroma.prod()) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * mean * t)
    rotation = np.sin(np.radians(60 * np.exp(-(((middle % 360 - 275) / 25) ** 2))))
    rotation *= -2 * np.sqrt(mean**7 / (mean**7 + 25**7))
    return float(np.sqrt(d_l**2 + d_c**2 + d_h**2 + rotation * d_c * d_h))


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_models_are_told_apart_without_red_and_green(theme: dict[str, str]) -> None:
    # Pairs 1 and 9 of the test data that were published with the formula.
    assert ciede2000((50, 2.6772, -79.7751), (50, 0, -82.7485)) == pytest.approx(2.0425, abs=1e-4)
    assert ciede2000((50, 2.49, -0.001), (50, -2.49, 0.0009)) == pytest.approx(7.1792, abs=1e-4)
    seen = {name: seen_by_a_deuteranope(theme[name]) for name in (f"s{index}" for index in range(8))}
    assert [pair for pair in combinations(seen, 2) if ciede2000(*(seen[name] for name in pair)) < 10] == []


def test_both_themes_name_the_same_colours() -> None:
    assert set(LIGHT) == set(DARK)


def test_every_colour_that_is_used_is_named() -> None:
    used = set(re.findall(r"var\(--(\w+)\)", (TEMPLATES / "page.css").read_text()))
    assert used - {"c", "v", "columns"} <= set(LIGHT)
