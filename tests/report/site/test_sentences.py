"""Every page of a site says a direction only by a verdict, as the report does."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipbench.report.site.site import write_site
from clipbench.results.folder import Results

from ..test_sentences import Claims
from .compared import make_compared


@pytest.mark.slow
def test_no_sentence_of_any_page_says_a_direction_but_by_a_verdict(
    plausible: Results, fitted: Results, tmp_path: Path
) -> None:
    made = {"plausible": plausible, "fitted": fitted, "compared": make_compared(tmp_path / "compared run")}
    seen: set[str] = set()
    for name, results in made.items():
        write_site(results, tmp_path / "sites" / name, published=["open-clip"])
        for path in sorted((tmp_path / "sites" / name).rglob("*.html")):
            # What metrics are called and mean stands on the page of the method, whatever the results.
            if path.name == "method.html":
                continue
            claims = Claims(path.read_text("utf-8"))
            assert claims.unfounded == [], path
            seen |= claims.verdicts
    assert seen >= {"higher", "not_distinguishable"}
