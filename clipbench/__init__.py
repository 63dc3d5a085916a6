"""Benchmark CLIP-style image-text models: suites of tasks in, tables and pages with their uncertainty out.

Names are imported when they are first used, so that `import clipbench` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipbench.analyses.rankings.compare import compare
    from clipbench.datasets.base import Dataset, DatasetInfo, Example, IndexedDataset, Split
    from clipbench.errors import UserError
    from clipbench.models.base import ImageFeatures, ImageTextModel, ModelInfo, ModelPedigree, Tokens
    from clipbench.results.folder import Results, load_results
    from clipbench.runs.runner import RunOptions, run
    from clipbench.suite.loading import Suite, load_suite

_HOMES = {
    "Dataset": "datasets.base",
    "DatasetInfo": "datasets.base",
    "Example": "datasets.base",
    "ImageFeatures": "models.base",
    "ImageTextModel": "models.base",
    "IndexedDataset": "datasets.base",
    "ModelInfo": "models.base",
    "ModelPedigree": "models.base",
    "Results": "results.folder",
    "RunOptions": "runs.runner",
    "Split": "datasets.base",
    "Suite": "suite.loading",
    "Tokens": "models.base",
    "UserError": "errors",
    "compare": "analyses.rankings.compare",
    "load_results": "results.folder",
    "load_suite": "suite.loading",
    "run": "runs.runner",
}

__all__ = [
    "Dataset",
    "DatasetInfo",
    "Example",
    "ImageFeatures",
    "ImageTextModel",
    "IndexedDataset",
    "ModelInfo",
    "ModelPedigree",
    "Results",
    "RunOptions",
    "Split",
    "Suite",
    "Tokens",
    "UserError",
    "compare",
    "load_results",
    "load_suite",
    "run",
]


def __getattr__(name: str) -> Any:
    try:
        return getattr(import_module(f"clipbench.{_HOMES[name]}"), name)
    except KeyError:
        raise AttributeError(f"module 'clipbench' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted(__all__)
