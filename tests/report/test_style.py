"""The page's colours: legible in light and dark."""

from __future__ import annotations

import re
from importlib import resources

import pytest

TEMPLATES = resources.files("clipbench.report") / "templates"

TEXT = [(ink, on) for ink in ("ink", "soft", "accent", "bad") for on in ("paper", "card")]
TEXT += [("ink", "sunk"), ("ink", "best"), ("soft", "faint"), ("soft", "sunk")]
GRAPHICS = [(f"s{index}", "card") for index in range(8)] + [("warn", "card")]


def colours(source: str) -> dict[str, str]:
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", source))


LIGHT = colours((TEMPLATES / "page.html.j2").read_text())
DARK = colours((TEMPLATES / "dark.css").read_text())


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """WCAG 2.2, relative luminance."""
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_is_legible_and_bars_stand_out(theme: dict[str, str]) -> None:
    for least, pairs in ((4.5, TEXT), (3, GRAPHICS)):
        assert [pair for pair in pairs if contrast(*(theme[name] for name in pair)) < least] == []


def test_both_themes_name_the_same_colours() -> None:
    assert set(LIGHT) == set(DARK)


def test_every_colour_that_is_used_is_named() -> None:
    used = set(re.findall(r"var\(--(\w+)\)", (TEMPLATES / "page.css").read_text()))
    assert used - {"c", "v"} <= set(LIGHT)
