"""One image as it is and under each corruption, with what the first model takes it for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from clipbench.errors import UserError
from clipbench.report.pictures import Shown, thumbs_of
from clipbench.report.sections.base import PageData
from clipbench.report.text import labels
from clipbench.results.records import AnalysisResult, JobResult

PREFERRED = 3
"""The severity that is shown as a picture where it was run, else the highest."""

_CLEAN = "as it is"

_ANSWERS = ("id", "label_name", "prediction_name")


@dataclass(frozen=True)
class Strip:
    """The pictures; their `true_label` is what was done to the image."""

    model: str
    """Whose predictions they are; '' where these are not known."""
    pictures: tuple[Shown, ...]


def find_strip(
    models: Sequence[AnalysisResult], corruptions: Sequence[str], views: Mapping[str, JobResult], data: PageData
) -> Strip | None:
    """Return a thumbnail of each corruption that has one, of the first model whose jobs have any.

    Args:
        models: results of models that were corrupted alike.
        corruptions: in the order of the pictures.
        views: jobs on changed images by hash.
        data: of the page.
    """
    for result in models:
        jobs = [views[name] for name in result.jobs if name in views and views[name].pictures]
        chosen = [job for name in corruptions if (job := _of_severity(name, jobs))]
        if chosen:
            shown = [*_clean(chosen[0], data), *(_corrupted(job, data) for job in chosen)]
            known = any(picture.prediction for picture in shown)
            return Strip(result.about.model if known else "", tuple(shown))
    return None


def _of_severity(corruption: str, views: Sequence[JobResult]) -> JobResult | None:
    """Return the job whose picture stands for a corruption; None where none has one."""
    abouts = [(job.about["view"], job) for job in views]
    by_severity = {view["severity"]: job for view, job in abouts if view["corruption"] == corruption}
    return by_severity.get(PREFERRED) or (by_severity[max(by_severity)] if by_severity else None)


def _corrupted(job: JobResult, data: PageData) -> Shown:
    view, picture = job.about["view"], job.pictures[0]
    told = f"{view['corruption'].replace('_', ' ')}, severity {view['severity']}"
    return _shown(job, picture, told, _answer(job, picture["id"], data)[1], data)


def _clean(job: JobResult, data: PageData) -> list[Shown]:
    """Return the image of a corrupted one as it is, where its thumbnail is stored."""
    wanted = job.pictures[0]["id"]
    alike = (job.model, job.dataset, job.split, job.task, job.prompts)
    plain = [
        other
        for other in data.jobs
        if not other.view and (other.model, other.dataset, other.split, other.task, other.prompts) == alike
    ]
    pictures = [*job.pictures[1:], *(picture for other in plain for picture in other.pictures)]
    picture = next((found for found in pictures if found["id"] == wanted), None)
    if picture is None:
        return []
    label, prediction = next((found for other in plain if any(found := _answer(other, wanted, data))), ("", ""))
    told = f"{_CLEAN}, {label}" if label else _CLEAN
    return [_shown(job, picture, labels.capitalised(told), prediction, data)]


def _answer(job: JobResult, example: str, data: PageData) -> tuple[str, str]:
    """Return an image's label and what it was taken for; '' where these are not known."""
    try:
        table = data.results.examples(job.hash, _ANSWERS)
    except UserError:
        return "", ""
    if not set(_ANSWERS) <= set(table.columns):
        return "", ""
    rows = table.loc[table["id"].astype(str) == example, list(_ANSWERS[1:])]
    return ("", "") if rows.empty else (str(rows.iloc[0, 0]), str(rows.iloc[0, 1]))


def _shown(job: JobResult, picture: Mapping[str, str], told: str, prediction: str, data: PageData) -> Shown:
    plain = {**picture, "caption": told, "true_label": told, "prediction": prediction}
    shown = data.album.show([plain], thumbs_of(data.results, job.hash))[0]
    return replace(shown, caption=f"{told}, predicted {prediction}" if prediction else told)
