"""The paragraph on methods and the BibTeX of results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from typer.testing import CliRunner

from clipbench.cli.results import app
from clipbench.report import citations
from clipbench.results.folder import Results

from .findings import standings
from .made_up import HOSTILE, RUN, classification

Make = Callable[..., Results]


def test_methods_say_what_was_measured_on_how_many_images_and_how_the_intervals_were_made(make_results: Make) -> None:
    jobs = [classification(model, "digits", 0.5) for model in "abc"]
    limited = classification("a", "scenes", 0.5)
    limited = replace(limited, pedigree=replace(limited.pedigree, subset="limit 100"))
    drawn = replace(limited.records[2], params={"resamples": 2000, "seed": 0})
    limited = replace(limited, records=(*limited.records[:2], drawn))
    results = make_results(*jobs, limited)
    said = citations.methods(results, results.jobs(), [standings(jobs, {})])
    assert said.startswith("Made with clipbench 0.1.0, torch 2.14.0.")
    for part in (
        "Zero-shot classification: digits (test, n = 1,000); scenes (test, n = 1,000, limit 100).",
        "the 95\u202f% Wilson score interval of a proportion",
        "the 95\u202f% percentile bootstrap over examples (resamples 2,000, seed 0)",
        "Comparisons that hold together at their level: best of each column 3.",
    ):
        assert part in said


def test_bibtex_has_each_data_set_and_model_once_and_no_name_breaks_it(make_results: Make) -> None:
    run: dict[str, Any] = {**RUN, "models": {"a": "open_clip:ViT-B-32/openai"}}
    job = replace(
        classification("a", "digits_8x8", 0.5), run_metadata={"library": "open_clip 3.3.0", "trained_on": ["WIT"]}
    )
    results = make_results(
        job, classification("a", "scenes", 0.5), classification(HOSTILE["quotes"], "s}{", 0.5), run=run
    )
    text = citations.bibtex(results, results.jobs())
    assert text.count("@misc{model-a,") == 1
    for part in (
        "@misc{clipbench,\n  title = {clipbench},\n  note = {version 0.1.0},\n}",
        "@misc{data-digits-8x8,\n  title = {digits\\_8x8},\n  howpublished = {made for a test},\n  note = {MIT},\n}",
        "  howpublished = {open\\_clip:ViT-B-32/openai},\n  note = {open\\_clip 3.3.0; trained on WIT},\n}",
        "title = {s\\}\\{}",
    ):
        assert part in text
    printed = CliRunner().invoke(app, ["cite", str(results.folder)])
    assert text.splitlines()[0] in printed.output
