"""Results folders with made-up jobs."""

from ..analyses.conftest import another, made_up

__all__ = ["another", "made_up"]
