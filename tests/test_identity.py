"""What a job's files are named after: all of its prompts, and nothing that they merely lack."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipbench.embed.image_set import SetIdentity
from clipbench.fingerprint import digest, digest_strings
from clipbench.identity import pedigree_of
from clipbench.jobs import OpenedDatasets, PreparedJob, list_jobs, prepare
from clipbench.listener import Listener
from clipbench.runner import Runner, RunOptions
from clipbench.suite import load_suite

from .conftest import REPOSITORY

PLAIN = "templates: ['a {}.', 'the {}.']"
FAMILY = "families: {article: ['a {}.', 'the {}.']}"
NOISE = "families: {article: ['a {}.', 'the {}.'], noise: ['a {}.', 'q {}.']}"


class Prepared:
    """Jobs of one model and data set, prepared with the prompts that are given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.datasets = OpenedDatasets(None)

    def job(self, prompts: str) -> PreparedJob:
        path = self.folder / "suite.yaml"
        path.write_text(
            "datasets: {few: {adapter: scenes, by: shape, n: 8}}\n"
            f"tasks: [{{task: zero_shot, datasets: [few], prompts: [{{name: x, {prompts}}}]}}]\n"
        )
        suite = load_suite(path)
        options = RunOptions(output=self.folder / "results", cache=self.folder / "cache", device="cpu", workers=0)
        model = Runner(suite, ["colour_words_model:ColourWords"], options, Listener()).models[0]
        (job,) = list_jobs(suite, [model])
        return prepare(job, self.datasets, model.info)

    def digest(self, prompts: str) -> str:
        prepared = self.job(prompts)
        return pedigree_of(prepared, prepared.job.model.info, {"test": SetIdentity("images", "labels")}).prompts


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    monkeypatch.syspath_prepend(str(REPOSITORY / "examples"))
    return Prepared(tmp_path)


def test_prompts_without_structure_are_their_strings(prepared: Prepared) -> None:
    filled = prepared.job(PLAIN).prompts
    assert filled is not None
    strings = digest([digest_strings(of_class) for of_class in filled.strings])
    assert prepared.digest(PLAIN) == strings
    assert prepared.digest(FAMILY) == digest([strings, [["article", [0, 1]]]])


def test_controls_and_names_count_where_the_strings_are_the_same(prepared: Prepared) -> None:
    different = [
        PLAIN,
        FAMILY,
        f"{NOISE}, controls: [noise]",
        f"{NOISE.replace('q {}', 'qq {}')}, controls: [noise]",
        f"{PLAIN}, synonyms: {{circle: [disc]}}",
        # The strings of a class with two names, as templates of one.
        "templates: ['a {}.'], synonyms: {circle: [the circle]}",
        "templates: ['a {}.'], descriptions: {circle: ['a circle.', 'a the circle.']}",
    ]
    assert len({prepared.digest(prompts) for prompts in different}) == len(different)
    assert len({prepared.job(prompts).sameness for prompts in different}) == len(different)
    assert prepared.digest(different[2]) == prepared.digest(different[2])
