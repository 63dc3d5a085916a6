"""The page of a data set: its models, the images that tell of it, its classes, and what is never shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from clipbench.report.site.data.assemble import Measurements
from clipbench.report.site.data.files import write_data
from clipbench.report.site.pages.base import Document, SiteData
from clipbench.report.site.pages.dataset.images import families
from clipbench.report.site.pages.dataset.page import DatasetContent, DatasetPage
from clipbench.report.site.site import write_site
from clipbench.results.folder import Results
from clipbench.results.records import JobResult, Table
from clipbench.tasks.base import SAMPLE

from ..made_up import HOSTILE, classification, with_pictures
from ..visits import PHONE
from .crowd import model_names, write_answers
from .visits import Browser

Make = Callable[..., Results]


@pytest.fixture
def crowd(make_results: Make) -> Results:
    """Seven models of five families on 'birds', whose every 20th label is wrong."""
    results = make_results()
    jobs = write_answers(results, "birds", model_names(7))
    results.write_job(with_pictures(results, jobs[0], ["a", "b", "c"]))
    return results


def content_of(results: Results, folder: Path, published: Sequence[str] = ()) -> dict[str, DatasetContent]:
    here = Measurements.of(results)
    data = SiteData("t", here, write_data(here, folder, published=published))
    return {doc.title: doc.content() for doc in DatasetPage().documents(data) if isinstance(doc, Document)}


def html_of(results: Results, folder: Path, dataset: str, published: Sequence[str] = ()) -> str:
    write_site(results, folder, published=published)
    return (folder / "dataset" / f"{dataset}.html").read_text("utf-8")


def test_wrong_labels_are_among_those_to_look_at(crowd: Results, tmp_path: Path) -> None:
    images = content_of(crowd, tmp_path)["birds"].images
    assert [int(image.id.removeprefix("img-")) % 20 for image in images.doubted[:10]] == [0] * 10
    shown = images.doubted[0]
    place = int(shown.label.removeprefix("class "))
    assert shown.answers[0][0] == f"class {(place - 1) % 10}"


def test_each_number_leads_to_its_job_and_stored_pictures_are_shown(crowd: Results, tmp_path: Path) -> None:
    html = html_of(crowd, tmp_path, "birds")
    assert {job.hash for job in crowd.jobs()} == set(re.findall(r'class="v" href="\.\./model/[^"]+#job-(\w+)"', html))
    assert all((tmp_path / path).exists() for path in re.findall(r'src="\.\./(img/[^"]+)"', html))
    assert 'src="../img/' in html


def test_someone_is_said_to_be_ahead_only_where_no_other_is_level(make_results: Make, tmp_path: Path) -> None:
    results = make_results()
    write_answers(results, "far", model_names(2), skill=(0.2, 0.9))
    write_answers(results, "near", model_names(2), skill=(0.7, 0.71))
    write_site(results, tmp_path)
    far, near = ((tmp_path / "dataset" / f"{name}.html").read_text("utf-8") for name in ("far", "near"))
    assert ('data-verdict="higher"' in far, 'data-verdict="higher"' in near) == (True, False)
    assert "No model is surely ahead of another" in near


def test_models_at_chance_say_nothing_of_images_and_classes(crowd: Results, tmp_path: Path) -> None:
    job = next(job for job in crowd.jobs() if job.model == model_names(7)[0])
    crowd.write_job(replace(job, records=(replace(job.records[0], chance=0.99), *job.records[1:])))
    found = content_of(crowd, tmp_path)["birds"]
    assert found.images.at_chance == found.classes.at_chance == (job.model,)
    assert job.model not in found.images.found.models
    assert len(found.classes.places) == 6


def test_copies_of_unknown_training_are_of_the_family_of_their_architecture() -> None:
    jobs = [
        replace(job, pedigree=replace(job.pedigree, architecture=architecture))
        for job, architecture in (
            (classification(name, "birds", 0.5), kind) for name, kind in zip("abcd", "vvrr", strict=True)
        )
    ]
    found = families([None, "laion2b", None, None], jobs)
    assert found["a"] == found["b"] == "laion2b"
    assert found["c"] == found["d"] != "laion2b"


def test_no_picture_is_shown_of_a_set_that_forbids_it(make_results: Make, tmp_path: Path) -> None:
    results = make_results()
    job = with_pictures(results, classification("a", "imagenet", 0.5), ["x"])
    results.write_job(job)
    results.write_job(with_pictures(results, classification("a", "pets", 0.5), ["x"]))
    write_site(results, tmp_path)
    forbidden, free = ((tmp_path / "dataset" / f"{name}.html").read_text("utf-8") for name in ("imagenet", "pets"))
    assert ("<img" in forbidden, "<img" in free) == (False, True)


def test_samples_are_preferred_and_are_not_taken_for_mistakes(make_results: Make, tmp_path: Path) -> None:
    results = make_results()
    job = with_pictures(results, classification("a", "birds", 0.5), ["mistake", "sample"])
    results.write_job(replace(job, pictures=(job.pictures[0], {**job.pictures[1], "role": SAMPLE})))
    about = content_of(results, tmp_path)["birds"].about
    assert ([picture["caption"] for picture in about.samples], about.hard) == (["sample"], False)
    here = Measurements.of(results)
    written = write_data(here, tmp_path)
    assert [picture["caption"] for picture in written.pictures[job.hash]] == ["mistake"]


def of_classes(model: str, shares: Sequence[float | None]) -> JobResult:
    rows = tuple((f"c{place // 2}", 10 if share is not None else 0, share) for place, share in enumerate(shares))
    return replace(classification(model, "birds", 0.5), tables={"per_class": Table(("class", "n", "accuracy"), rows)})


def test_classes_stand_worst_first_and_all_are_in_a_file(make_results: Make, tmp_path: Path) -> None:
    shares = [0.5, 0.1, None, *(0.9 for _ in range(99))]
    results = make_results(of_classes("a", shares), of_classes("b", [0.7, *shares[1:]]))
    classes = content_of(results, tmp_path / "data")["birds"].classes
    # Two classes have one name; one has no images.
    assert [(row.name, round(row.mean, 3)) for row in classes.shown[:2]] == [("c0", 0.1), ("c0", 0.6)]
    assert (len(classes.shown), len(classes.classes)) == (60, 101)
    write_site(results, tmp_path / "site")
    assert len(pd.read_csv(tmp_path / "site" / "data" / "classes" / "birds.csv")) == 101


def test_published_sets_have_small_pages_with_all_models(tmp_path: Path) -> None:
    html = html_of(Results(tmp_path / "nothing"), tmp_path / "site", "cifar10", ["open-clip"])
    assert len(html.encode()) < 60_000
    assert len(re.findall(r'class="v" href="\.\./model/[^"]+#published-', html)) == 117
    assert "animals and vehicles" in html
    assert len(list((tmp_path / "site" / "dataset").iterdir())) == 38


def test_what_a_set_says_of_itself_is_text(make_results: Make, tmp_path: Path) -> None:
    results = make_results()
    for text in HOSTILE.values():
        job = classification(text, "birds", 0.5, classes=tuple(HOSTILE.values()))
        results.write_job(replace(job, about={**job.about, "source": text, "description": text}))
    html = html_of(results, tmp_path, "birds")
    assert "<script>alert" not in html
    assert "onerror=alert(1)>" not in html
    assert "could not be made" not in html


@pytest.mark.slow
def test_the_page_is_sound_in_the_dark_on_a_phone_and_on_paper(
    crowd: Results, tmp_path: Path, site_browser: Browser
) -> None:
    write_answers(crowd, "fish", model_names(7), classes=70)
    write_site(crowd, tmp_path / "site")
    for name, how in (("birds", {"scheme": "dark", "size": PHONE}), ("fish", {})):
        visit = site_browser.open(tmp_path / "site", f"dataset/{name}.html", **how)
        visit.open_all()
        visit.assert_sound()
    visit.page.emulate_media(media="print")
    within = "(mark) => mark.getBoundingClientRect().width <= mark.parentElement.getBoundingClientRect().width"
    assert visit.evaluate(f"Array.from(document.querySelectorAll('i.heat')).every({within})")
