"""A model's page: evidence of each number, the field's median, what was expected, and how it is run again."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from clipbench.report.site.pages.model.loading import runs_of, snippets
from clipbench.report.site.site import write_site
from clipbench.results.folder import Results
from clipbench.results.records import Pedigree

from ..made_up import HOSTILE, RUN, classification, digest, failure, with_pictures

Make = Callable[..., Results]


@dataclass(frozen=True)
class Site:
    """A site with its board, and its models' pages by slug."""

    folder: Path
    board: dict[str, Any]
    pages: dict[str, str]

    @classmethod
    def of(cls, results: Results, folder: Path, **options: Any) -> Site:
        write_site(results, folder, **options)
        pages = {path.stem: path.read_text("utf-8") for path in (folder / "model").glob("*.html")}
        return cls(folder, json.loads((folder / "data" / "board.json").read_text("utf-8"))["board"], pages)

    def assert_evidence(self) -> None:
        """Each number of the board has its evidence once in its model's page."""
        for column in self.board["columns"]:
            for place, _, _, _, _, job, _ in column["cells"]:
                page = self.pages[self.board["models"][place]["slug"]]
                assert page.count(f'id="job-{job}"' if job else f'id="published-{column["slug"]}"') == 1
                if job:
                    assert f'href="../jobs/{job}.json"' in page
                    assert (self.folder / "jobs" / f"{job}.json").exists()
        for page in self.pages.values():
            assert "could not be made" not in page


@pytest.fixture(scope="module")
def beside_published(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Four models and one with other prompts on one data set, beside the published table."""
    folder = tmp_path_factory.mktemp("site")
    shares = {"a": 0.8, "b": 0.6, "c": 0.5, "d": 0.1}
    other = classification("e", "pets", 0.99)
    other = replace(other, pedigree=replace(other.pedigree, prompts=digest("other prompts")))
    results = Results(folder / "results")
    for job in (*(classification(name, "pets", share) for name, share in shares.items()), other):
        results.write_job(job)
    results.write_run(RUN)
    return Site.of(results, folder / "site", published=["open-clip"])


def cells(page: str, dataset: str) -> list[str]:
    """Return what stands in a data set's row of the profile."""
    row = next(row for row in re.findall(r"<tr.*?</tr>", page, re.S) if f'data-value="{dataset}"' in row)
    found = re.findall(r"<td.*?</td>", row, re.S)
    return [" ".join(unescape(re.sub(r"<[^>]+>", " ", cell)).split()) for cell in found]


def test_each_number_of_the_board_has_its_evidence_once(plausible: Results, tmp_path: Path) -> None:
    plausible.write_job(failure("clip-tiny", "pets", "no such file"))
    for prompts in ("photo", "plain"):  # two columns that the failed job may belong to
        plausible.write_job(classification("clip-random", "pets", 0.6, variant=prompts))
    Site.of(plausible, tmp_path).assert_evidence()


def test_a_published_number_is_its_own_evidence(beside_published: Site) -> None:
    beside_published.assert_evidence()


def test_the_median_is_of_other_models_measured_alike(beside_published: Site) -> None:
    pages = beside_published.pages
    assert cells(pages["a"], "pets")[2:4] == ["50.0 %", "+30.0"]
    assert cells(pages["d"], "pets")[2:4] == ["60.0 %", "−50.0"]
    assert "not compared: prompts differ" in cells(pages["e"], "pets")[-1]


def test_a_published_models_page_is_small(beside_published: Site) -> None:
    pages = beside_published.pages
    assert max(len(page.encode()) for page in pages.values()) < 30_000
    page = pages["vit-b-32-openai"]
    assert "WIT-400M" in page  # declared of the same weights under the name with their activation
    assert "architecture, tag = &#39;ViT-B-32&#39;, &#39;openai&#39;" in page


def test_what_is_expected_is_said_by_the_interval_of_the_difference(make_results: Make, tmp_path: Path) -> None:
    shares = {"imagenet": 0.6, "food101": 0.3, "cifar10": 0.87}
    jobs = [classification("weak-at-food", name, share, n=5000) for name, share in shares.items()]
    pages = Site.of(make_results(*jobs), tmp_path).pages
    page = pages["weak-at-food"]
    assert re.findall(r'data-verdict="(\w+)"', page) == ["not_distinguishable", "lower"]  # cifar10, food101
    assert "below as imagenet leads to expect" in cells(page, "food101")[3]
    assert cells(page, "imagenet")[2:4] == ["–", ""]


def test_where_it_fails_stands_open_with_pictures(make_results: Make, tmp_path: Path) -> None:
    results = make_results()
    job = classification("a", "pets", 0.5, classes=("cat", "dog"), n=400)
    caption = ["true: cat; predicted: dog (0.97)"]
    results.write_job(with_pictures(results, job, caption, true_label="cat", prediction="dog (0.97)"))
    results.write_job(classification("a", "pets-sketch", 0.4, regime="shift"))
    pages = Site.of(results, tmp_path).pages
    fails = pages["a"].split('id="failures"')[1].split("</section>")[0]
    assert "<h3><bdi>pets</bdi></h3>" in fails
    assert "pets-sketch" not in fails
    (image,) = re.findall(r'<img src="\.\./(img/[^"]+)"[^>]*width="128" height="128" loading="lazy"', fails)
    assert (tmp_path / image).exists()


def test_markup_in_names_is_text(make_results: Make, tmp_path: Path) -> None:
    jobs = [classification(text, dataset, 0.7) for text in HOSTILE.values() for dataset in (text, "pets")]
    pages = Site.of(make_results(*jobs), tmp_path).pages
    for page in pages.values():
        assert "could not be made" not in page
        assert not re.search("<script>alert|<img src=x|<svg/onload|<b>friends", page)


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("vit-b-32", "vit-b-32"),
        ("open_clip:ViT-B-16/laion2b_s34b_b88k", "open_clip:ViT-B-16/laion2b_s34b_b88k"),
        ("hf:openai/clip-vit-base-patch32", "hf:openai/clip-vit-base-patch32"),
        ("my.models:Mine", "my.models:Mine"),
        ("mine", "mine=MODEL"),
        ("open_clip:local-dir:/data/mine", "MODEL"),
        ("it's", "it's=MODEL"),
    ],
)
def test_the_command_names_only_what_any_machine_has(make_results: Make, name: str, spec: str) -> None:
    run = {**RUN, "models": {name: "open_clip local folder mine"}, "options": {"device": "cpu", "batch_size": None}}
    job = classification(name, "pets", 0.8)
    results = make_results(job)
    results.write_run(run, [job.hash])
    (found,) = runs_of(results, name, {job.hash})
    assert shlex.split(found.command) == ["clipbench", "run", "quickstart", "--model", spec, "--device", "cpu"]
    assert bool(found.model) == ("MODEL" in spec)
    assert runs_of(results, name, {"other"}) == ()


def test_a_snippet_is_python_and_invents_no_location() -> None:
    found = {name: snippets(name, "measured") for name in ("vit-b-32", "hf:openai/clip", "mine", "local:/data/mine")}
    assert {name: [snippet.title for snippet in made] for name, made in found.items()} == {
        "vit-b-32": ["With open_clip"],
        "hf:openai/clip": ["With transformers"],
        "mine": [],
        "local:/data/mine": [],
    }
    for made in found.values():
        for snippet in made:
            compile(snippet.text, snippet.title, "exec")


def test_fingerprints_of_several_weights_are_all_there(make_results: Make, tmp_path: Path) -> None:
    jobs = [
        replace(classification("a", name, 0.8), pedigree=Pedigree(weights=digest(name), data=digest(name)))
        for name in ("pets", "dtd")
    ]
    pages = Site.of(make_results(*jobs), tmp_path).pages
    made = pages["a"].split('id="made"')[1]
    assert all(digest(name)[:12] in made for name in ("pets", "dtd"))
    assert "Not compared:" in pages["a"]
