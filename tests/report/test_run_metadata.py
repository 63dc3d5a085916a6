"""What was run, as a reader sees it: names with values."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clipbench.report.run_metadata import Fact, facts, runs
from clipbench.results.folder import Results

from .made_up import classification
from .visits import DESKTOP, PHONE, Visit

LONG = "open_clip:ViT-B-32/" + "a_model_with_a_long_name_" * 3
RUN = {
    "suite": "leaves",
    "models": {"vit_b_32": "open_clip ViT-B-32", LONG: LONG},
    "versions": {"open_clip_torch": "3.3.0"},
    "options": {"batch_size": 64, "workers": None, "thumbnails": True},
    "machine": {"gpus": [{"name": "a card", "memory": 2.5}, {"name": "another"}], "flags": ["avx2", 1.5, True]},
}


def test_names_of_models_and_packages_stay_as_they_are_and_fields_become_words(
    make_results: Callable[..., Results],
) -> None:
    (run,) = runs(make_results(run=RUN))
    shown = {heading: {fact.name: fact.text for fact in listed} for heading, listed in run.groups}
    assert shown["Models"] == RUN["models"]
    assert shown["Versions"] == RUN["versions"]
    assert shown["Options"] == {"batch size": "64", "thumbnails": "yes"}


def test_what_is_nested_is_told_row_by_row() -> None:
    assert facts(RUN["machine"]) == (
        Fact("gpus · 1 · name", "a card"),
        Fact("gpus · 1 · memory", "2.5"),
        Fact("gpus · 2 · name", "another"),
        Fact("flags", "avx2, 1.5, yes"),
    )


@pytest.mark.browser
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_long_names_leave_room_for_their_values(
    visit: Callable[..., Visit], make_results: Callable[..., Results], size: tuple[int, int]
) -> None:
    page = visit(make_results(classification("a", "digits", 0.5), run=RUN), size)
    widths = page.evaluate("Array.from(document.querySelectorAll('#runs dd')).map((value) => value.clientWidth)")
    assert min(widths) > 150
