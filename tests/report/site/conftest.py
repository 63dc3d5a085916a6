"""Sites in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .visits import Browser


@pytest.fixture
def site_browser(browser: Any) -> Iterator[Browser]:
    """Opens pages of sites; at the end nothing may have gone wrong in them."""
    made = Browser(browser)
    yield made
    made.close()
