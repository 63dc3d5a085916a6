"""Benchmark CLIP-style image-text models: suites of tasks in, tables and pages with their uncertainty out.

Names are imported when they are first used, so that `import clipbench` costs nothing. What a plug-in needs stands in
`clipbench.extend`.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipbench.analyses.rankings.all_pairs import compare_all
    from clipbench.analyses.rankings.compare import compare
    from clipbench.analyses.rankings.disagreements import disagreements
    from clipbench.datasets.base import Dataset, DatasetInfo, Example, IndexedDataset, Split
    from clipbench.errors import UserError
    from clipbench.models.base import ImageFeatures, ImageTextModel, ModelInfo, ModelPedigree, Tokens
    from clipbench.report.site.data.files import write_site_data
    from clipbench.report.site.site import write_site
    from clipbench.runs.results import Results, load_results
    from clipbench.runs.runner import run
    from clipbench.suite.init_shift import shift_suite
    from clipbench.suite.loading import Suite, load_suite
    from clipbench.training.start import train

__all__ = ["Results", "Suite", "compare", "compare_all", "disagreements", "load_results", "load_suite", "run"]
__all__ += ["shift_suite", "train", "write_site", "write_site_data"]
__all__ += ["Dataset", "DatasetInfo", "Example", "ImageFeatures", "ImageTextModel", "IndexedDataset", "ModelInfo"]
__all__ += ["ModelPedigree", "Split", "Tokens", "UserError"]

_HOMES = {
    "clipbench.analyses.rankings.all_pairs": "compare_all",
    "clipbench.analyses.rankings.compare": "compare",
    "clipbench.analyses.rankings.disagreements": "disagreements",
    "clipbench.datasets.base": "Dataset DatasetInfo Example IndexedDataset Split",
    "clipbench.errors": "UserError",
    "clipbench.suite.init_shift": "shift_suite",
    "clipbench.models.base": "ImageFeatures ImageTextModel ModelInfo ModelPedigree Tokens",
    "clipbench.report.site.data.files": "write_site_data",
    "clipbench.report.site.site": "write_site",
    "clipbench.runs.results": "Results load_results",
    "clipbench.runs.runner": "run",
    "clipbench.suite.loading": "Suite load_suite",
    "clipbench.training.start": "train",
}


def _resolve(public: str, homes: Mapping[str, str], name: str) -> Any:
    """Return what a public module calls `name`, from the one of its `homes` (module -> names) that defines it."""
    for module, names in homes.items():
        if name in names.split():
            return getattr(import_module(module), name)
    raise AttributeError(f"module {public!r} has no attribute {name!r}")


def __getattr__(name: str) -> Any:
    return _resolve(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted(__all__)
