"""Settings of the tasks: the jobs that they make, what these are called, and what is refused where."""

import json

import pytest
from pydantic import ValidationError

from clipbench.errors import UserError
from clipbench.suite.loading import load_suite
from clipbench.tasks.base import Condition
from clipbench.tasks.prompts import InlinePrompts
from clipbench.tasks.registry import TASKS, load_task

from .conftest import settings_of

BOTH = ["pre_projection", "projected"]
MINE = {"name": "mine", "templates": ["{}, a leaf"]}
TOWARDS = "towards the text classifier"


def settings(task, **keys):
    return settings_of(load_task(task), **keys)


@pytest.mark.parametrize(
    ("task", "keys", "variants"),
    [
        ("zero_shot", {}, [""]),
        ("zero_shot", {"prompts": ["photo", "a leaf of {}.", MINE]}, ["photo", "a leaf of {}.", "mine"]),
        ("linear_probe", {"features": BOTH}, ["", "projected"]),
        ("linear_probe", {"normalise": True}, ["normalised"]),
        ("linear_probe", {"C": 1, "solver": "scikit-learn"}, ["C = 1, scikit-learn"]),
        ("few_shot", {"shots": [1, 4], "features": BOTH},
         ["1 shot", "1 shot, projected", "4 shots", "4 shots, projected"]),
        ("few_shot", {"shots": 4, "C": 1}, ["4 shots, C = 1"]),
        ("few_shot", {"shots": 4, "C": "cross_validation", "normalise": True},
         ["4 shots, normalised"]),
        ("knn", {"k": [20, 1], "features": BOTH}, ["", "projected"]),
        ("knn", {"k": 5, "temperature": None}, ["k = 5, unweighted"]),
        ("knn", {"temperature": 0.1, "features": "projected"}, ["projected, temperature 0.1"]),
        ("wise_ft", {}, [""]),
        ("wise_ft", {"prompts": ["photo", "a {}."], "towards": "text_classifier"},
         [f"photo, {TOWARDS}", f"a {{}}., {TOWARDS}"]),
        ("wise_ft", {"C": 1}, ["C = 1"]),
        ("retrieval", {}, [""]),
        ("prompt_sensitivity", {"prompts": ["imagenet-7", "imagenet-80"]}, ["imagenet-7", "imagenet-80"]),
    ],
)  # fmt: skip
def test_each_job_is_called_by_its_prompts_and_by_what_is_not_the_default(task, keys, variants):
    assert [variant.variant for variant in settings(task, **keys).variants()] == variants


def test_prompts_and_condition_are_fields():
    job = settings("few_shot", shots=4, features="projected", C=1)
    assert job.condition == Condition(4, "projected", "C = 1")
    assert (job.k, job.feature, job.prompts_name, job.prompt_choices()) == (4, "projected", "", ())
    head = settings("wise_ft", prompts="photo", C=2, towards="text_classifier")
    assert (head.prompts_name, head.condition) == ("photo", Condition(head=f"{TOWARDS}, C = 2"))
    assert head.prompt_choices() == ("photo",)
    several = settings("zero_shot", prompts=["photo", MINE]).variants()
    assert [variant.prompts for variant in several] == [("photo",), (InlinePrompts.model_validate(MINE),)]
    assert all(variant.datasets == ("toys",) for variant in several)
    assert settings("zero_shot").prompt_choices() == (None,)


def test_defaults():
    assert settings("few_shot").shots == (1, 2, 4, 8, 16)
    assert settings("knn").k == (20, 1, 5, 10, 50, 100, 200)
    assert settings("wise_ft").alphas == (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
    assert settings("wise_ft", alphas=0.2, features="projected").every_alpha == (0, 0.2, 0.5, 1)
    assert settings("retrieval", recall_at=[10, 1, 10]).recall_at == (1, 10)


@pytest.mark.parametrize(
    ("task", "key", "value"),
    [
        ("zero_shot", "prompts", "photo"),
        ("zero_shot", "prompts", MINE),
        ("retrieval", "datasets", "leaves"),
        ("linear_probe", "features", "projected"),
        ("few_shot", "shots", 2),
        ("knn", "k", 5),
    ],
)
def test_one_value_stands_for_a_list_of_one(task, key, value):
    assert settings(task, **{key: value}) == settings(task, **{key: [value]})


@pytest.mark.parametrize(
    ("task", "keys", "place", "message"),
    [
        ("zero_shot", {"prompts": ["photo", "photo"]}, "prompts", "named twice: photo"),
        ("zero_shot", {"prompts": [{**MINE, "tmplates": ["{}"]}]}, "tmplates", "not permitted"),
        ("zero_shot", {"prompts": [3]}, "str", "valid string"),
        ("zero_shot", {"datasets": []}, "datasets", "at least 1 item"),
        ("zero_shot", {"prompt": "photo"}, "prompt", "not permitted"),
        ("retrieval", {"recall_at": []}, "recall_at", "at least one rank, each 1 or more"),
        ("retrieval", {"recall_at": [0, 1]}, "recall_at", "at least one rank, each 1 or more"),
        ("linear_probe", {"C": 0}, "C", "greater than 0"),
        ("linear_probe", {"val_fraction": 0}, "val_fraction", "greater than 0"),
        ("linear_probe", {"val_fraction": 1}, "val_fraction", "less than 1"),
        ("linear_probe", {"max_iterations": 0}, "max_iterations", "greater than 0"),
        ("linear_probe", {"features": []}, "features", "at least 1 item"),
        ("linear_probe", {"features": ["projected", "projected"]}, "features", "named twice: projected"),
        ("linear_probe", {"features": "backbone"}, 0, "'pre_projection' or 'projected'"),
        ("linear_probe", {"solver": "adamw"}, "solver", "'lbfgs' or 'scikit-learn'"),
        ("linear_probe", {"prompts": "photo"}, "prompts", "not permitted"),
        ("few_shot", {"shots": [2, 2]}, "shots", "named twice: 2"),
        ("few_shot", {"shots": [0]}, 0, "greater than 0"),
        ("few_shot", {"shots": []}, "shots", "at least 1 item"),
        ("few_shot", {"seeds": 0}, "seeds", "greater than 0"),
        ("few_shot", {"C": 0}, "number", "greater than 0"),
        ("knn", {"k": []}, "k", "at least 1 item"),
        ("knn", {"k": [5, 0]}, 1, "greater than 0"),
        ("knn", {"k": [5, 2.5]}, 1, "valid integer"),
        ("knn", {"k": ["5"]}, 0, "valid integer"),
        ("knn", {"k": True}, 0, "valid integer"),
        ("knn", {"k": [1, 5, 1]}, "k", "named twice: 1"),
        ("knn", {"temperature": 0}, "temperature", "greater than or equal to 0.0001"),
        ("knn", {"temperature": float("inf")}, "temperature", "finite number"),
        ("knn", {"normalise": False}, "normalise", "by their cosine, for which features have length 1; delete"),
        ("wise_ft", {"features": ["pre_projection"]}, 0, "'projected'"),
        ("wise_ft", {"normalise": False}, "normalise", "True"),
        ("wise_ft", {"alphas": [1.5]}, 0, "less than or equal to 1"),
        ("wise_ft", {"prompts": ["a", "a"]}, "prompts", "named twice: a"),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused_at_their_place(task, keys, place, message):
    with pytest.raises(ValidationError) as caught:
        settings(task, **keys)
    error = caught.value.errors()[0]
    assert error["loc"][-1] == place
    assert message in error["msg"]


@pytest.mark.parametrize(
    ("task", "line", "message"),
    [
        ("few_shot", "C: cv", "'cv' is not allowed: it should be a number greater than 0, or the word cross_val"),
        ("few_shot", "C: 1e-1", "expected a number, got '1e-1'; YAML reads 1e-1 as text: write 0.1"),
        ("few_shot", "C: -1", "-1 is not allowed: it should be greater than 0"),
        ("few_shot", "shots: [1, two]", "tasks[0].shots[1]: expected a whole number, got 'two'"),
        ("knn", "k: [20, 0]", "tasks[0].k[1]: 0 is not allowed: it should be greater than 0"),
        ("knn", "k: [20, 1.5]", "tasks[0].k[1]: expected a whole number, got 1.5"),
        ("knn", "k: [20, 5, 20]", "tasks[0].k: named twice: 20"),
        ("knn", "normalise: false", "tasks[0].normalise: knn compares images by their cosine, for which features"),
    ],
)  # fmt: skip
def test_a_suite_says_where_its_settings_are_wrong(tmp_path, task, line, message):
    (tmp_path / "suite.yaml").write_text(f"name: s\ntasks:\n  - task: {task}\n    datasets: digits\n    {line}\n")
    with pytest.raises(UserError) as caught:
        load_suite(tmp_path / "suite.yaml")
    assert "suite.yaml:5: " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("task", TASKS)
def test_the_json_schema_describes_the_keys_and_allows_single_values(task):
    properties = load_task(task).Settings.model_json_schema()["properties"]
    assert all("description" in properties[key] for key in properties if key != "limit")
    assert {"type": "string"} in properties["datasets"]["anyOf"]
    json.dumps(properties)
