import json

import pytest
from pydantic import ValidationError

from clipbench.tasks.classify.zero_shot import ZeroShotSettings
from clipbench.tasks.prompts import InlinePrompts
from clipbench.tasks.retrieval.retrieval import RetrievalSettings


def zero_shot(**keys):
    return ZeroShotSettings.model_validate({"task": "zero_shot", "datasets": ["leaves"], **keys})


def retrieval(**keys):
    return RetrievalSettings.model_validate({"task": "retrieval", "datasets": ["leaves"], **keys})


def test_each_prompt_choice_is_a_variant():
    settings = zero_shot(prompts=["photo", "a leaf of {}.", {"name": "mine", "templates": ["{}, a leaf"]}])
    variants = settings.variants()
    assert [variant.variant for variant in variants] == ["photo", "a leaf of {}.", "mine"]
    assert [variant.prompt_choices() for variant in variants[:2]] == [("photo",), ("a leaf of {}.",)]
    assert variants[2].prompts == (InlinePrompts(name="mine", templates=("{}, a leaf",)),)
    assert all(variant.datasets == ("leaves",) for variant in variants)


def test_no_prompts_is_one_variant_of_the_data_sets_own():
    settings = zero_shot()
    assert settings.variants() == (settings,)
    assert settings.variant == ""
    assert settings.prompt_choices() == (None,)


@pytest.mark.parametrize("prompts", ["photo", {"name": "mine", "templates": ["{}"]}])
def test_one_value_stands_for_a_list_of_one(prompts):
    assert zero_shot(prompts=prompts, datasets="leaves") == zero_shot(prompts=[prompts], datasets=["leaves"])
    assert retrieval(datasets="leaves").datasets == ("leaves",)


@pytest.mark.parametrize(
    ("keys", "place", "message"),
    [
        ({"prompts": ["photo", "photo"]}, ("prompts",), "named twice: photo"),
        ({"prompts": [{"name": "x", "tmplates": ["{}"], "templates": ["{}"]}]}, "tmplates", "not permitted"),
        ({"prompts": [3]}, "str", "valid string"),
        ({"datasets": []}, ("datasets",), "at least 1 item"),
        ({"prompt": "photo"}, ("prompt",), "not permitted"),
    ],
)
def test_wrong_settings_give_one_error_at_their_place(keys, place, message):
    with pytest.raises(ValidationError) as caught:
        zero_shot(**keys)
    (error,) = caught.value.errors()
    assert error["loc"] == place if isinstance(place, tuple) else error["loc"][-1] == place
    assert message in error["msg"]


def test_recall_ranks_are_sorted_and_distinct():
    assert retrieval(recall_at=[10, 1, 10]).recall_at == (1, 10)
    for wrong in ([], [0, 1]):
        with pytest.raises(ValidationError, match="at least one rank, each 1 or more"):
            retrieval(recall_at=wrong)


@pytest.mark.parametrize("settings", [ZeroShotSettings, RetrievalSettings])
def test_the_json_schema_describes_the_keys_and_allows_single_values(settings):
    properties = settings.model_json_schema()["properties"]
    assert all("description" in properties[key] for key in properties if key != "limit")
    assert {"type": "string"} in properties["datasets"]["anyOf"]
    json.dumps(properties)
