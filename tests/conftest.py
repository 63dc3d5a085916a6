"""Fixtures that many tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images, a small trained CLIP and published tables; the test skips without it."""
    folder = Path(os.environ.get("CLIPBENCH_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the development data; {folder} is absent (set CLIPBENCH_TEST_DATA)")
    return folder
