"""Shifts and corruptions as a reader meets them, in headless Chromium."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clipbench.report.sections.robustness import baseline
from clipbench.results.folder import Results

from .findings import (
    PUBLISHED,
    corrupted,
    expected,
    on_shift,
    over_shifts,
    pair,
    published,
    published_model,
)
from .made_up import classification
from .visits import DESKTOP, PHONE, Visit

pytestmark = pytest.mark.browser
Make = Callable[..., Results]

NEW = "#robustness [data-plot], #corruptions [data-plot]"
SKILL = {"open_clip:ViT-L-14/laion2b_s32b_b82k": 0.08, "vit-b-32": 0.0, "a supervised model": 0.04}
SHIFTS = {"imagenet-sketch": 0.42, "imagenet-v2": 0.56, "our-photographs": 0.61}
CORRUPTIONS = ("gaussian_noise", "zoom_blur", "fog", "elastic_transform", "jpeg_compression")
KINDS = ("standard", "more_data", "robust_intv", "lp_adv", "zero_shot", "")


@pytest.fixture
def filled(make_results: Make, found: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Results:
    """Three models on three shifts, two of them with published models, and under five corruptions."""
    line = [
        published_model(
            f"p{number}", 0.5 + number / 300, expected(0.5 + number / 300) + (number % 7) / 100, KINDS[number % 6]
        )
        for number in range(90)
    ]
    with_line = list(SHIFTS)[:2]
    monkeypatch.setattr(baseline, "published_pair", lambda reference, shift: published(shift, line))
    results = []
    for model, skill in SKILL.items():
        shifts = [
            on_shift(model, name, 0.63 + skill, there + skill, baseline=PUBLISHED if name in with_line else "")
            for name, there in SHIFTS.items()
        ]
        results += [*shifts, over_shifts(shifts)]
        results.append(corrupted(model, "cifar10", 0.8 + skill, names=CORRUPTIONS, against="vit-b-32"))
    results.append(
        pair("vit-b-32", [("imagenet-v2", 0.56, 0.66, 0.07, 0.14, 0.5), ("films", 0.5, 0.4, -0.1, 0.3, 1.3)])
    )
    found(*results)
    return make_results(*(classification(model, "imagenet", 0.63 + skill) for model, skill in SKILL.items()))


@pytest.mark.slow
def test_every_figure_is_drawn_in_the_colours_of_its_theme(visit: Callable[..., Visit], filled: Results) -> None:
    page = visit(filled, DESKTOP, "dark")
    page.draw_all()
    # Three scatters, three panels of gaps, a pair with its way, five corruptions.
    assert page.page.locator(NEW).count() == 13
    assert page.evaluate(f"Array.from(document.querySelectorAll('{NEW}')).every((box) => box.querySelector('svg'))")
    colours = page.evaluate(
        "(() => { const dots = Array.from(document.querySelectorAll('#shift-1 .point'));"
        " return [dots.length, new Set(dots.map((dot) => getComputedStyle(dot).stroke)).size]; })()"
    )
    assert colours[0] == 93
    assert colours[1] >= 6
    name = page.page.locator("#shift-1 .textpoint text", has_text="vit-b-32").first
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert name.evaluate("(text) => getComputedStyle(text).fill") == ink


@pytest.mark.slow
def test_the_sections_fit_a_phone_and_their_labels_do_not_touch(visit: Callable[..., Visit], filled: Results) -> None:
    page = visit(filled, PHONE)
    page.draw_all()
    page.assert_fits()


def test_a_pointer_on_a_model_says_its_numbers(visit: Callable[..., Visit], filled: Results) -> None:
    page = visit(filled)
    page.page.locator("#shift-1").scroll_into_view_if_needed()
    page.page.locator("#shift-1 .main-svg").first.wait_for()
    point = page.page.locator("#shift-1 .scatterlayer .trace").last.locator(".point").first
    point.scroll_into_view_if_needed()
    point.hover(force=True)
    label = page.page.locator("#shift-1 .hovertext").first
    label.wait_for()
    for words in ("imagenet-sketch: 42.0", "effective robustness:", "n = 10,000 and 2,000"):
        assert words in label.text_content().replace("\u202f", " ")
