"""What a job's files are named after: all of its prompts, and nothing that they merely lack."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipbench.embed.image_set import SetIdentity
from clipbench.fingerprint import digest, digest_strings
from clipbench.runs.identity import pedigree_of
from clipbench.runs.jobs import OpenedDatasets, PreparedJob, list_jobs, prepare
from clipbench.runs.progress import Listener
from clipbench.runs.runner import Runner, RunOptions
from clipbench.suite.loading import load_suite

from ..conftest import REPOSITORY

PLAIN = "templates: ['a {}.', 'the {}.']"
FAMILY = "families: {article: ['a {}.', 'the {}.']}"
NOISE = "families: {article: ['a {}.', 'the {}.'], noise: ['a {}.', 'q {}.']}"


class Prepared:
    """Jobs of one model and data set, prepared with the prompts that are given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.datasets = OpenedDatasets(None)

    def job(self, prompts: str, task: str = "prompt_sensitivity") -> PreparedJob:
        path = self.folder / "suite.yaml"
        path.write_text(
            "datasets: {few: {adapter: scenes, by: shape, n: 8}}\n"
            f"tasks: [{{task: {task}, datasets: [few], prompts: [{{name: x, {prompts}}}]}}]\n"
        )
        suite = load_suite(path)
        options = RunOptions(output=self.folder / "results", cache=self.folder / "cache", device="cpu", workers=0)
        model = Runner(suite, ["colour_words_model:ColourWords"], options, Listener()).models[0]
        (job,) = list_jobs(suite, [model])
        return prepare(job, self.datasets, model.info)

    def digest(self, prompts: str, task: str = "prompt_sensitivity") -> str:
        prepared = self.job(prompts, task)
        return pedigree_of(prepared, prepared.job.model.info, {"test": SetIdentity("images", "labels")}).prompts


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    monkeypatch.syspath_prepend(str(REPOSITORY / "examples"))
    return Prepared(tmp_path)


def test_what_zero_shot_averages_is_strings_however_they_are_made(prepared: Prepared) -> None:
    filled = prepared.job(PLAIN).prompts
    assert filled is not None
    strings = digest([digest_strings(of_class) for of_class in filled.strings])
    noise = f"{NOISE}, controls: [noise]"
    assert [prepared.digest(prompts, "zero_shot") for prompts in (PLAIN, FAMILY, noise)] == [strings] * 3
    assert prepared.digest(NOISE, "zero_shot") != strings


def test_prompt_sensitivity_tells_templates_and_names_apart(prepared: Prepared) -> None:
    classes = prepared.job(PLAIN).facts.classes
    described = ", ".join(f"{name}: ['a {name}.', 'the {name}.']" for name in classes)
    different = [
        PLAIN,
        FAMILY,
        PLAIN.replace("the {}.", "the {c}."),
        f"{NOISE}, controls: [noise]",
        f"{NOISE.replace('q {}', 'qq {}')}, controls: [noise]",
        f"{PLAIN}, synonyms: {{circle: [disc]}}",
        f"descriptions: {{{described}}}",
    ]
    assert len({prepared.digest(prompts) for prompts in different}) == len(different)
    assert len({prepared.job(prompts).sameness for prompts in different}) == len(different)
    assert prepared.digest(different[3]) == prepared.digest(different[3])
