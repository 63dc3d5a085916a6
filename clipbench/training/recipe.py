"""A recipe: data, towers, objective and schedule of a training in one YAML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from clipbench.datasets.base import DatasetDefinition
from clipbench.datasets.catalog import catalog_definitions
from clipbench.documents.marked_yaml import KeyPath, MarkedYaml, read_mapping, unmarked
from clipbench.documents.validation import Problem, check, refuse
from clipbench.errors import UserError, did_you_mean
from clipbench.suite.reader import DIALECT, dataset_schema, read_datasets

_BY_DEFAULT: Final = "by default the configuration's own, else OpenAI's"
EXPECTED = "a recipe is a mapping of the keys data, towers, objective, optimiser, schedule and others"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """One data set to train on: its captions, or its classes in the words of prompts."""

    dataset: str = Field(description="A name of `datasets`, or of the catalog.")
    split: str = Field(default="train", description="Which split.")
    prompts: str = Field(default="", description="Templates for the names of classes, where it has no captions.")


class Evaluation(_Part):
    """A task that tells how good the model is while it trains."""

    dataset: str = Field(description="A name of `datasets`, or of the catalog.")
    split: str = Field(default="test", description="Which split.")
    task: Literal["zero_shot", "retrieval"] | None = Field(
        default=None, description="By default zero_shot where there are classes, retrieval where there are captions."
    )
    prompts: str = Field(default="", description="Of zero_shot: a prompt set or a template; by default the set's own.")
    limit: int | None = Field(
        default=1000, ge=1, description="Examples, balanced over the classes, chosen by a hash of their ids; null: all."
    )


class Objective(_Part):
    """What the model is trained to do."""

    name: Literal["contrastive", "sigmoid"] = Field(default="contrastive", description="CLIP's, or SigLIP's.")
    temperature: float = Field(default=0.07, gt=0, description="Where the learnt temperature starts.")
    largest_scale: float = Field(default=100.0, gt=0, description="The logit scale is clipped here.")
    bias: float = Field(default=-10.0, description="Where SigLIP's learnt bias starts.")


class Optimiser(_Part):
    """AdamW; gains, biases, the scale and other vectors are not decayed."""

    rate: float = Field(default=5e-4, gt=0, description="Highest learning rate.")
    text_rate: float | None = Field(default=None, gt=0, description="That of the text tower and the scale, if another.")
    weight_decay: float = Field(default=0.2, ge=0, description="Share of a weight lost a step, times the rate.")
    beta1: float = Field(default=0.9, ge=0, lt=1, description="Memory of the mean of gradients.")
    beta2: float = Field(default=0.98, ge=0, lt=1, description="Memory of the mean of their squares.")
    epsilon: float = Field(
        default=1e-6, gt=0, description="Added to the root of that mean, by which a step is divided."
    )
    clip_norm: float | None = Field(default=None, gt=0, description="Gradients are scaled down to this norm.")
    fused: bool = Field(default=True, description="torch's fused AdamW: faster, rounded otherwise.")


def _exactly_one(*keys: str) -> dict[str, Any]:
    """Say in a JSON schema that one of these keys is given."""
    return {"oneOf": [{"required": [key]} for key in keys]}


class Schedule(_Part):
    """How long, and how the learning rate goes: linear warm-up, then half a cosine down to 0."""

    model_config = ConfigDict(json_schema_extra=_exactly_one("steps", "epochs", "samples"))

    batch: int = Field(ge=2, description="Pairs a step, over all processes.")
    steps: int | None = Field(default=None, ge=1, description="How many; or give epochs or samples.")
    epochs: float | None = Field(default=None, gt=0, description="How often each sample is seen.")
    samples: int | None = Field(default=None, ge=1, description="How many pairs are seen.")
    warmup: int = Field(default=0, ge=0, description="Steps of warm-up.")

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if sum(length is not None for length in (self.steps, self.epochs, self.samples)) != 1:
            raise ValueError("give one of steps, epochs and samples")
        return self

    def total(self, examples: int | None) -> int:
        """Return the number of steps, of data with so many examples.

        Raises:
            UserError: it is given in epochs, and the size of the data is not known.
        """
        if self.steps is not None:
            return self.steps
        if self.samples is not None:
            return max(1, self.samples // self.batch)
        assert self.epochs is not None  # one of the three is given
        if examples is None:
            fix = "give schedule.samples or schedule.steps instead"
            raise UserError("the data do not say how many examples they have", where="schedule.epochs", fix=fix)
        return max(1, round(self.epochs * examples / self.batch))


class Towers(_Part):
    """The two towers: a configuration of open_clip's by name, or its sizes."""

    model_config = ConfigDict(json_schema_extra=_exactly_one("open_clip", "config", "reference"))

    open_clip: str = Field(default="", description="A configuration's name: ViT-B-32, RN50, ViT-B-16-SigLIP, ...")
    config: dict[str, Any] = Field(default={}, description="embed_dim, vision_cfg and text_cfg, as open_clip has them.")
    reference: bool = Field(default=False, description="Those of clip-tiny.")
    mean: tuple[float, float, float] | None = Field(default=None, description=f"Of pixels; {_BY_DEFAULT}.")
    std: tuple[float, float, float] | None = Field(default=None, description=f"Of pixels; {_BY_DEFAULT}.")
    resize_mode: Literal["shortest", "squash"] | None = Field(
        default=None, description=f"Squares of an image, or all of it pressed into a square; {_BY_DEFAULT}."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(map(bool, (self.open_clip, self.config, self.reference))) != 1:
            raise ValueError("give one of open_clip, config and reference")
        return self


class Crop(_Part):
    """A random square of the image, scaled to the model's side: the paper's only augmentation."""

    smallest: float = Field(default=0.9, gt=0, le=1, description="Its least share of the image's shorter side.")
    flip: bool = Field(default=False, description="Mirror every other image; not in the paper.")


class Recipe(_Part):
    """All that decides the weights, and how they are made."""

    name: str = Field(default="", description="What the model is called; left out: the file's name.")
    description: str = Field(default="", description="What it is for, in a sentence.")
    seed: int = Field(default=0, ge=0, description="Of new weights, order, crops and captions.")
    datasets: dict[str, dict[str, Any]] = Field(default={}, description="Data sets that the catalog lacks.")
    data: tuple[Source, ...] = Field(default=(), description="What is trained on; clip-tiny draws its own.")
    crop: Crop = Field(default=Crop(), description="How much of an image is seen.")
    towers: Towers = Field(description="What is trained.")
    objective: Objective = Field(default=Objective(), description="What it is trained to do.")
    optimiser: Optimiser = Field(default=Optimiser(), description="AdamW.")
    schedule: Schedule = Field(description="How long, and how the learning rate goes.")
    part: int | None = Field(default=None, ge=1, description="Pairs a pass, with cached gradients; by default all.")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="Of the towers; auto: bfloat16 or float16 on a card, float32 on a CPU."
    )
    gradient_checkpointing: bool = Field(default=False, description="Of transformers: a second forward pass.")
    compile: bool = Field(default=False, description="torch.compile of the towers: minutes at first, then faster.")
    save_every: int = Field(default=500, ge=1, description="Steps between two checkpoints.")
    keep: int = Field(default=2, ge=1, description="Checkpoints that are kept.")
    evaluate: tuple[Evaluation, ...] = Field(default=(), description="What it is tested on while it trains.")
    evaluate_every: int | None = Field(default=None, ge=1, description="Steps; by default at the end alone.")

    @model_validator(mode="after")
    def _has_data(self) -> Self:
        if bool(self.data) == self.towers.reference:
            raise ValueError("give `data`, except to clip-tiny's own towers, which draw their scenes")
        if self.evaluate_every is not None and not self.evaluate:
            raise ValueError("evaluate_every has no effect without `evaluate`, a list of data sets")
        return self


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe as it was read, with what its data sets are."""

    recipe: Recipe
    definitions: Mapping[str, DatasetDefinition]
    """Of every data set that it names."""
    document: Mapping[str, Any]
    """The file's values, with those that were set over them: equal documents give equal weights."""


def recipe_schema() -> dict[str, Any]:
    """Return the JSON schema by which editors complete recipes: a data set by its `adapter`.

    Raises:
        UserError: an installed package's adapter cannot be imported.
    """
    schema = Recipe.model_json_schema()
    schema["properties"]["datasets"]["additionalProperties"], adapters = dataset_schema()
    definitions = {**schema.pop("$defs"), **adapters}
    return {"$schema": DIALECT, **schema, "title": "clipbench recipe", "$defs": definitions}


def packaged_recipes() -> Mapping[str, Path]:
    """Return the recipes that come with clipbench, by bare name."""
    folder = Path(str(files("clipbench.training").joinpath("recipes")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Read and check a recipe; no data set is opened.

    Relative paths start from the file's folder; those of a packaged recipe, which has none of its own, from the
    working directory.

    Args:
        name_or_path: a YAML file, or the name of a packaged one.
        overrides: 'optimiser.rate=1.0e-3': values put in the place of those in the file, written as YAML.

    Raises:
        UserError: there is no such recipe, or something in it is wrong; the message names the line and what to write.
    """
    path = Path(name_or_path)
    base = path.parent
    if not path.is_file():
        packaged = packaged_recipes()
        if str(name_or_path) not in packaged:
            fix = f"{did_you_mean(path.stem, packaged)}; or give the path of a YAML file"
            raise UserError(f"there is no recipe {str(name_or_path)!r}", fix=fix)
        path, base = packaged[str(name_or_path)], Path()
    document = read_mapping(path, EXPECTED)
    if overrides:
        document = unmarked(_overridden(document.value, overrides), f"{path} with --set")
    recipe, problems = check(Recipe, document)
    definitions = _definitions(document, base, problems)
    if recipe is not None:
        problems += _unknown(recipe, definitions)
    refuse(document, problems)
    assert recipe is not None  # without problems there is one
    named = set(_named(recipe).values())
    recipe = recipe.model_copy(update={"name": recipe.name or path.stem})
    return LoadedRecipe(recipe, {name: definitions[name] for name in sorted(named)}, document.value)


def _overridden(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    changed = yaml.safe_load(yaml.safe_dump(dict(values)))
    for override in overrides:
        key, equals, text = override.partition("=")
        steps, place = key.split("."), changed
        if not equals or not all(steps):
            raise UserError(f"{override!r} sets nothing", where="--set", fix="write KEY=VALUE: optimiser.rate=1.0e-3")
        for step in steps[:-1]:
            inner = place.setdefault(step, {})
            if not isinstance(inner, dict):
                raise UserError(f"{step!r} holds no keys", where=f"--set {key}", fix="change the recipe's file")
            place = inner
        place[steps[-1]] = yaml.safe_load(text)
    return dict(changed)


def _definitions(document: MarkedYaml, base: Path, problems: list[Problem]) -> dict[str, DatasetDefinition]:
    """Return the data sets that a recipe may name: the catalog's and its own; notes what is wrong with the latter."""
    own = read_datasets(document, base, problems)
    return {**catalog_definitions(), **{name: found for name, found in own.items() if found is not None}}


def _named(recipe: Recipe) -> dict[KeyPath, str]:
    """Return the data sets that a recipe names, by where."""
    found: dict[KeyPath, str] = {("data", at, "dataset"): source.dataset for at, source in enumerate(recipe.data)}
    return found | {("evaluate", at, "dataset"): wanted.dataset for at, wanted in enumerate(recipe.evaluate)}


def _unknown(recipe: Recipe, definitions: Mapping[str, DatasetDefinition]) -> list[Problem]:
    known = recipe.datasets.keys() | definitions.keys()
    return [
        Problem(path, f"unknown data set {name!r}", did_you_mean(name, known))
        for path, name in _named(recipe).items()
        if name not in known
    ]
