"""What a plug-in may import, and the only module beside `clipbench` whose names stay as they are.

Names are imported when they are first used, so that `import clipbench.extend` costs nothing.
"""

from typing import TYPE_CHECKING, Any

from clipbench import _resolve

if TYPE_CHECKING:
    from clipbench.analyses.base import Analysis, AnalysisSettings, Evidence, Finding, verdict_of
    from clipbench.analyses.comparable import read_correct, side_by_side, subject_of
    from clipbench.datasets.base import Dataset, DatasetInfo, Example, IndexedDataset, IndexedSplit, Split
    from clipbench.datasets.decoding import Decoding, decode
    from clipbench.errors import Unavailable, UserError, did_you_mean
    from clipbench.metrics.shift import fit_line
    from clipbench.metrics.specs import ColumnSpec, CurveSpec, MetricSpec, TableSpec
    from clipbench.metrics.vectors import unit_rows
    from clipbench.models.base import ImageFeatures, ImageModel, ImageTextModel, ModelInfo, ModelPedigree, Tokens
    from clipbench.models.custom import describe_module
    from clipbench.reference.published import published_pair
    from clipbench.report.sections.base import PageData, Section
    from clipbench.results.records import AnalysisResult, JobResult, Subject, Verdict
    from clipbench.runs.progress import ProgressListener
    from clipbench.stats.bootstrap import bootstrap_mean, bootstrap_units
    from clipbench.stats.intervals import Interval, wilson
    from clipbench.tasks.base import (
        ArrayFeatures,
        Condition,
        DatasetFacts,
        ImageSet,
        Inputs,
        Metric,
        Needs,
        Outcome,
        Picture,
        Task,
        TaskSettings,
    )
    from clipbench.tasks.classify.class_prompts import PromptSettings, class_prompts, distinct_strings
    from clipbench.tasks.classify.classifier import text_classifier
    from clipbench.tasks.classify.decisions import decide
    from clipbench.tasks.probe.feature_settings import FeatureSettings, require_training, stored_feature
    from clipbench.tasks.prompts import PromptedClasses
    from clipbench.tasks.requirements import require_joint_space, require_split

# Data sets, models, tasks and the steps that they share, intervals, analyses, how it all is shown, progress, errors.
__all__ = ["Dataset", "DatasetInfo", "Example", "IndexedDataset", "IndexedSplit", "Split"]
__all__ += ["Decoding", "decode"]
__all__ += ["ImageFeatures", "ImageModel", "ImageTextModel", "ModelInfo", "ModelPedigree", "Tokens", "describe_module"]
__all__ += ["DatasetFacts", "ImageSet", "Inputs", "Metric", "Needs", "Outcome", "Picture", "PromptedClasses", "Task"]
__all__ += ["ArrayFeatures", "Condition", "FeatureSettings", "PromptSettings", "TaskSettings"]
__all__ += ["class_prompts", "decide", "distinct_strings", "require_joint_space", "require_split", "require_training"]
__all__ += ["stored_feature", "text_classifier", "unit_rows"]
__all__ += ["Interval", "bootstrap_mean", "bootstrap_units", "wilson"]
__all__ += ["Analysis", "AnalysisSettings", "Evidence", "Finding", "Subject", "Verdict", "fit_line", "published_pair"]
__all__ += ["read_correct", "side_by_side", "subject_of"]
__all__ += ["ColumnSpec", "CurveSpec", "MetricSpec", "PageData", "Section", "TableSpec", "verdict_of"]
__all__ += ["AnalysisResult", "JobResult", "ProgressListener"]
__all__ += ["Unavailable", "UserError", "did_you_mean"]

_HOMES = {
    "clipbench.analyses.base": "Analysis AnalysisSettings Evidence Finding verdict_of",
    "clipbench.analyses.comparable": "read_correct side_by_side subject_of",
    "clipbench.datasets.base": "Dataset DatasetInfo Example IndexedDataset IndexedSplit Split",
    "clipbench.datasets.decoding": "Decoding decode",
    "clipbench.errors": "Unavailable UserError did_you_mean",
    "clipbench.runs.progress": "ProgressListener",
    "clipbench.metrics.shift": "fit_line",
    "clipbench.metrics.specs": "ColumnSpec CurveSpec MetricSpec TableSpec",
    "clipbench.models.base": "ImageFeatures ImageModel ImageTextModel ModelInfo ModelPedigree Tokens",
    "clipbench.models.custom": "describe_module",
    "clipbench.results.records": "AnalysisResult JobResult Subject Verdict",
    "clipbench.report.sections.base": "PageData Section",
    "clipbench.reference.published": "published_pair",
    "clipbench.stats.bootstrap": "bootstrap_mean bootstrap_units",
    "clipbench.stats.intervals": "Interval wilson",
    "clipbench.tasks.base": "ArrayFeatures Condition DatasetFacts ImageSet Inputs Metric Needs Outcome Picture Task "
    "TaskSettings",
    "clipbench.tasks.classify.class_prompts": "PromptSettings class_prompts distinct_strings",
    "clipbench.tasks.classify.classifier": "text_classifier",
    "clipbench.tasks.classify.decisions": "decide",
    "clipbench.tasks.probe.feature_settings": "FeatureSettings require_training stored_feature",
    "clipbench.tasks.prompts": "PromptedClasses",
    "clipbench.tasks.requirements": "require_joint_space require_split",
    "clipbench.metrics.vectors": "unit_rows",
}


def __getattr__(name: str) -> Any:
    return _resolve(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted(__all__)
