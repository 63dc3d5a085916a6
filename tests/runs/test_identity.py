"""What a job's files are named after: all of its prompts, and nothing that they merely lack."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clipbench.embed.image_set import SetIdentity
from clipbench.fingerprint import digest, digest_strings
from clipbench.runs.identity import pedigree_of
from clipbench.runs.jobs import PreparedJob
from clipbench.runs.runner import Runner

PLAIN = "templates: ['a {}.', 'the {}.']"
FAMILY = "families: {article: ['a {}.', 'the {}.']}"
NOISE = "families: {article: ['a {}.', 'the {}.'], noise: ['a {}.', 'q {}.']}"


class Prepared:
    """Jobs of one model and data set, prepared with the prompts that are given."""

    def __init__(self, make_runner: Callable[..., Runner]) -> None:
        self.make_runner = make_runner

    def job(self, prompts: str, task: str = "prompt_sensitivity") -> PreparedJob:
        runner = self.make_runner(
            "datasets: {few: {adapter: scenes, by: shape, n: 8}}\n"
            f"tasks: [{{task: {task}, datasets: [few], prompts: [{{name: x, {prompts}}}]}}]\n"
        )
        ((_, prepared),) = runner.jobs
        assert isinstance(prepared, PreparedJob)
        return prepared

    def digest(self, prompts: str, task: str = "prompt_sensitivity") -> str:
        prepared = self.job(prompts, task)
        needs = prepared.needs(prepared.model.info)
        return pedigree_of(prepared, needs, {"test": SetIdentity("images", "labels")}).prompts


@pytest.fixture
def prepared(make_runner) -> Prepared:
    return Prepared(make_runner)


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
    assert len({prepared.job(prompts).key for prompts in different}) == len(different)
    assert prepared.digest(different[3]) == prepared.digest(different[3])
