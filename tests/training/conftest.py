"""Data and a hub for trainings."""

from __future__ import annotations

from ..hub_server import hub_fixture, no_hub_fixture  # noqa: F401
