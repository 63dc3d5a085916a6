"""A few made-up worlds of each kind of interval and statement; `benchmarks/coverage.py` has two thousand."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

COVERAGE = Path(__file__).parents[2] / "benchmarks" / "coverage.py"
WORLDS = 20


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    output = tmp_path_factory.mktemp("coverage") / "rows.json"
    command = [sys.executable, COVERAGE, "--worlds", str(WORLDS), "--processes", "1", "--json", output]
    # Some row of so few worlds falls short by chance: what counts are all worlds of a kind together.
    subprocess.run(command, check=False, capture_output=True)
    return pd.DataFrame(json.loads(output.read_text()))


def test_each_kind_of_interval_covers_in_all_its_worlds_together(rows):
    printed = rows[rows["covered"].notna() & (rows["printed"] > 0)]
    for kind, of_kind in printed.groupby("name"):
        worlds = WORLDS * len(of_kind)
        assert of_kind["covered"].mean() > 0.935 - 3 * np.sqrt(0.95 * 0.05 / worlds), kind
    assert len(printed) > 50


def test_statements_are_rarely_false_and_differences_found_as_often_as_is_said(rows):
    assert rows["false"].dropna().mean() < 0.06 + 3 * np.sqrt(0.06 * 0.94 / (WORLDS * rows["false"].count()))
    powers = rows[rows["said"].notna()]
    assert powers["found"].mean() == pytest.approx(0.8, abs=0.05 + 3 * np.sqrt(0.16 / (WORLDS * len(powers))))


def test_where_no_interval_would_cover_none_is_printed(rows):
    never = rows[rows["printed"] == 0]["world"].tolist()
    assert any(world.startswith("12 clusters") for world in never)
    assert "each of 5 draws holds 8 of the pool's 10" in never
