"""An analysis with its section of the page: images that every model is wrong about, whose labels may be wrong.

Installed as a package whose pyproject.toml has

    [project.entry-points."clipbench.analyses"]
    missed_by_all = "missed_by_all:MissedByAll"
    [project.entry-points."clipbench.sections"]
    missed_by_all = "missed_by_all:MissedByAllSection"

it is made of any results with zero-shot jobs of two models or more. The section's template lies beside this file.
"""

import pandas as pd

from clipbench.extend import (
    AnalysisSettings,
    ColumnSpec,
    Finding,
    Metric,
    MetricSpec,
    TableSpec,
    read_correct,
    side_by_side,
    subject_of,
    wilson,
)


class MissedByAll:
    name = "missed_by_all"
    protocol = 1
    tasks = ("zero_shot",)
    automatic = True
    metrics = (
        MetricSpec("missed", "missed by all", "fraction", False, "share of images that no model is right about."),
    )
    tables = (TableSpec("images", "Images", (ColumnSpec("id"), ColumnSpec("label"), ColumnSpec("taken_for"))),)
    Settings = AnalysisSettings

    def analyse(self, evidence, settings):
        # Jobs of all models on the same images with the same prompts; a note says why others are left out.
        return side_by_side(evidence.jobs, lambda jobs: self.find(jobs, evidence.examples))

    def find(self, jobs, examples):
        missed = ~read_correct(jobs, examples)[:, :, 0].any(axis=0)  # images in the order of the first job's table
        tables = [examples(job.hash).set_index("id") for job in jobs]
        ids = tables[0].index[missed]
        predictions = zip(*(table.loc[ids, "prediction_name"] for table in tables), strict=True)
        images = pd.DataFrame({"id": ids, "label": tables[0].loc[ids, "label_name"].array})
        images["taken_for"] = [", ".join(sorted(set(names))) for names in predictions]
        metric = Metric("missed", len(ids) / len(missed), len(missed), wilson(len(ids), len(missed)), main=True)
        return Finding(subject_of(jobs), (metric,), {"images": images}, tuple(job.hash for job in jobs))


class MissedByAllSection:
    name = "missed_by_all"
    title = "Missed by all"
    order = 40  # behind the comparisons
    analyses = ("missed_by_all",)
    template = "missed_by_all.html.j2"

    def show(self, data, figures):
        return data.results_of(*self.analyses) or None  # None: no section
