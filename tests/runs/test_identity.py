"""What a job's files are named after: all of its prompts, and nothing that they merely lack."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic import create_model

from clipbench.embed.image_set import SetIdentity
from clipbench.fingerprint import digest, digest_strings
from clipbench.results.records import JobResult, Pedigree
from clipbench.runs.identity import pedigree_of, protocol_of
from clipbench.runs.jobs import PreparedJob
from clipbench.runs.runner import Runner
from clipbench.tasks.classify.zero_shot import ZeroShot, ZeroShotSettings
from clipbench.tasks.registry import load_task

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
        return pedigree_of(prepared, needs, {"test": SetIdentity("images", "labels", 8)}).prompts


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


SUITE = """datasets: {{few: {{adapter: scenes, by: colour, n: 24}}}}
tasks: [{{task: {task}, datasets: [few]{settings}}}]
"""


def finished(make_runner: Callable[..., Runner], task: str = "zero_shot", settings: str = "") -> list[JobResult]:
    return list(make_runner(SUITE.format(task=task, settings=settings)).run().jobs(trials=True))


@pytest.mark.parametrize("task", ["zero_shot", "knn", pytest.param("linear_probe", marks=pytest.mark.slow)])
def test_a_setting_as_the_protocol_has_it_is_none(make_runner, task: str) -> None:
    (plain,) = finished(make_runner, task)
    assert plain.pedigree.settings == digest({})
    defaults = load_task(task).Settings(task=task, datasets=("few",)).model_dump(mode="json")
    given = {name: value for name, value in defaults.items() if name not in ("task", "datasets", "limit", "prompts")}
    assert given
    settings = "".join(f", {name}: {json.dumps(value)}" for name, value in given.items())
    assert [job.hash for job in finished(make_runner, task, settings)] == [plain.hash]


@pytest.mark.slow
def test_shots_are_a_setting_one_at_a_time_and_listed_ones_alike(make_runner) -> None:
    listed = finished(make_runner, "few_shot", ", allow_fewer: true, shots: [1, 2]")
    (alone,) = (job for job in finished(make_runner, "few_shot", ", allow_fewer: true, shots: 2") if "2" in job.variant)
    assert len({job.pedigree.settings for job in listed}) == 2
    assert alone.hash in {job.hash for job in listed}


def test_a_setting_that_a_later_protocol_adds_changes_nothing(make_runner, monkeypatch) -> None:
    (before,) = finished(make_runner)
    later = create_model("Later", __base__=ZeroShotSettings, moon=(str, "full"))
    monkeypatch.setattr(ZeroShot, "Settings", later)
    assert finished(make_runner)[0].hash == before.hash
    changed = finished(make_runner, settings=", moon: new")
    assert {job.pedigree.settings for job in changed} == {digest({"moon": "new"})}


@pytest.mark.parametrize(("limit", "subset"), [(8, "limit 8"), (23, "limit 23"), (24, ""), (25, ""), (5000, "")])
def test_a_limit_that_leaves_nothing_out_is_none(make_runner, limit: int, subset: str) -> None:
    (job,) = finished(make_runner, settings=f", limit: {limit}")
    assert (job.pedigree.subset, job.limit) == (subset, limit if subset else None)
    (whole,) = (job for job in finished(make_runner) if not job.pedigree.subset)
    assert (whole.hash == job.hash) == (not subset)


def test_scale_and_adapter_are_part_of_a_result_s_pedigree(make_runner, monkeypatch) -> None:
    runner = make_runner(SUITE.format(task="zero_shot", settings=""))
    ((_, prepared),) = runner.jobs
    assert isinstance(prepared, PreparedJob)
    sets = {"test": SetIdentity("images", "labels", 24)}

    def found(**changes: object) -> tuple[str, str, str]:
        (model,) = runner.models
        model.info = replace(prepared.model.info, **changes)
        pedigree = pedigree_of(prepared, prepared.needs(model.info), sets)
        return pedigree.scale, pedigree.adapter, model.fingerprint

    scale, adapter, stored = found()
    assert (scale, adapter) == ("20 +0", "1")
    assert found(logit_scale=100.00001, logit_bias=-12.5) == ("100 -12.5", "1", stored)
    _, adapter, other = found(pedigree=replace(prepared.model.info.pedigree, protocol=2))
    assert (adapter, other != stored) == ("2", True)


def test_the_code_of_a_task_of_one_s_own_is_part_of_its_protocol(tmp_path, monkeypatch) -> None:
    code = "from clipbench.tasks.classify.zero_shot import ZeroShot\n\n\nclass Own(ZeroShot):\n    name = 'own'\n"
    monkeypatch.syspath_prepend(str(tmp_path))

    def protocol(text: str) -> str:
        (tmp_path / "own_task.py").write_text(text)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        try:
            return protocol_of(load_task("own_task:Own"))
        finally:
            sys.modules.pop("own_task")

    first = protocol(code)
    assert re.fullmatch("own/2 [0-9a-f]{12}", first)
    assert protocol(f"# The same.\n{code}") == first
    assert protocol(f"{code}    limit = 3\n") != first
    assert protocol_of(load_task("zero_shot")) == f"zero_shot/{ZeroShot.protocol}"


def test_a_pedigree_names_the_tested_split_as_data_and_all_others_as_training(make_runner) -> None:
    ((_, prepared),) = make_runner(SUITE.format(task="linear_probe", settings="")).jobs
    assert isinstance(prepared, PreparedJob)
    needs = prepared.needs(prepared.model.info)

    def found(**sets: str) -> Pedigree:
        known = {split: SetIdentity(f"{text} images", f"{text} labels", 24) for split, text in sets.items()}
        return pedigree_of(prepared, needs, known)

    first = found(test="tested", train="fitted", val="chosen")
    assert first.data == "tested images"
    assert found(test="other", train="fitted", val="chosen").differences(first) == ("data", "labels")
    for changed in ({"train": "other"}, {"val": "other"}):
        sets = {"test": "tested", "train": "fitted", "val": "chosen"} | changed
        assert found(**sets).differences(first) == ("training",)
    assert found(test="tested").training == ""
    # Of a task that does not read the split it is set to, what it reads is tested.
    alone, several = found(train="fitted"), found(train="fitted", val="chosen")
    assert (alone.data, alone.training) == ("fitted images", "")
    assert several.data == digest({"train": "fitted images", "val": "chosen images"})
