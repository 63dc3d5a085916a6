"""Scores of a model that is being trained: the harness's own tasks, on embeddings in memory."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from clipbench.datasets.base import Dataset, DatasetDefinition, Split
from clipbench.datasets.catalog import open_dataset
from clipbench.datasets.decoding import BrokenImage, decode
from clipbench.datasets.subset import LimitedSplit
from clipbench.embed.encode import EncodeSettings
from clipbench.errors import UserError, problem_of
from clipbench.metrics.specs import Declared
from clipbench.prompts.filling import prompts_for
from clipbench.results.records import Record
from clipbench.tasks.base import DatasetFacts, Inputs, Needs, Task, TaskSettings
from clipbench.tasks.prompts import PromptedClasses
from clipbench.tasks.registry import load_task
from clipbench.training.monitor.embedding import EmbeddedTexts, TrainedModel, embed_images
from clipbench.training.recipe import Evaluation, LoadedRecipe

if TYPE_CHECKING:
    from pathlib import Path

    from clipbench.models.base import ModelInfo
    from clipbench.training.towers.base import Trainable

LOOKED_AT: Final = 16
"""Images of each data set that are decoded before a training begins; if none can be, it does not begin."""


@dataclass(frozen=True)
class Score:
    """What one evaluation found."""

    dataset: str
    split: str
    task: str
    prompts: str
    """What they are called; '' where captions are compared."""
    metric: str = ""
    """The main one, by its name in the records of a run."""
    label: str = ""
    """What a reader calls it."""
    unit: str = "fraction"
    value: float | None = None
    """None where it is undefined, or the evaluation failed."""
    low: float | None = None
    """Ends of its interval, where it has one."""
    high: float | None = None
    n: int = 0
    """How many examples it rests on."""
    metrics: Mapping[str, float | None] | None = None
    """All of the task, by name."""
    broken: int = 0
    """Images that could not be decoded; they are not among the n."""
    seconds: float = 0.0
    trained_on: bool = False
    """Whether the model is trained on these very images."""
    problem: str = ""
    """Why the evaluation failed."""


@dataclass(frozen=True)
class _Opened:
    """An evaluation with its data set open and its prompts filled in."""

    task: Task[Any]
    settings: TaskSettings
    facts: DatasetFacts
    prompts: PromptedClasses | None
    needs: Needs
    split: Split
    cluster: str
    score: Score
    """With nothing found yet."""


class Evaluations:
    """Those of a recipe, for the one process that evaluates."""

    def __init__(
        self,
        loaded: LoadedRecipe,
        model: Trainable,
        device: str = "cpu",
        workers: int = 0,
        data_root: Path | None = None,
    ) -> None:
        """Open every data set and look at its first images.

        Raises:
            UserError: one cannot be opened or evaluated, or none of its first images can be decoded.
        """
        self._model, self._name = model, loaded.recipe.name
        self._device, self._workers, self._every = device, workers, loaded.recipe.evaluate_every
        info = TrainedModel(model, self._name, device).info
        self._opened = [_open(loaded, place, info, data_root) for place in range(len(loaded.recipe.evaluate))]

    def at(self, step: int, steps: int) -> tuple[Score, ...]:
        """Evaluate the model after so many steps of all, where that is due; what fails is told in its score.

        Each step of a training seeds its own random numbers, so that those that are drawn here do not change it.
        """
        if step != steps and (self._every is None or step % self._every):
            return ()
        self._model.model.eval()
        try:
            return tuple(map(self._score, self._opened))
        finally:
            self._model.model.train()

    def _score(self, opened: _Opened) -> Score:
        started = time.monotonic()
        try:
            score = self._evaluate(opened)
        except Exception as error:  # noqa: BLE001 - a plug-in's data or task raises anything, and the training goes on
            score = replace(opened.score, problem=problem_of(error))
        return replace(score, seconds=time.monotonic() - started)

    def _evaluate(self, opened: _Opened) -> Score:
        model, needs = TrainedModel(self._model, self._name, self._device), opened.needs
        encoding = EncodeSettings(self._device, workers=self._workers)
        images = embed_images(model, opened.split, opened.cluster, encoding)
        captions = chain.from_iterable(images.captions or ()) if needs.captions else ()
        texts = EmbeddedTexts(model, list(dict.fromkeys([*needs.strings, *captions])))
        sets = {opened.settings.split: images}
        outcome = opened.task.evaluate(
            Inputs(opened.facts, model.info, sets, texts, self._device), opened.settings, opened.prompts
        )
        main = next(Record.of(metric) for metric in outcome.metrics if metric.main)
        return replace(
            opened.score,
            metric=main.metric,
            label=Declared.by(opened.task).metric(main.metric).label,
            unit=main.unit,
            value=main.value,
            low=main.low,
            high=main.high,
            n=main.n,
            metrics={metric.name: metric.value for metric in outcome.metrics},
            broken=images.n_broken,
        )


def _open(loaded: LoadedRecipe, place: int, info: ModelInfo, data_root: Path | None) -> _Opened:
    wanted, where = loaded.recipe.evaluate[place], f"recipe {loaded.recipe.name}: evaluate[{place}]"
    dataset = open_dataset(loaded.definitions[wanted.dataset], data_root=data_root)
    name = wanted.task or ("zero_shot" if dataset.classes else "retrieval")
    if wanted.prompts and name == "retrieval":
        raise UserError("retrieval compares captions and takes no prompts", where=where, fix="leave `prompts` out")
    task = load_task(name)
    settings = task.Settings(task=name, datasets=(wanted.dataset,), split=wanted.split)
    prompts = prompts_for(wanted.prompts or None, dataset=dataset) if name == "zero_shot" else None
    facts = _facts(wanted.dataset, dataset)
    needs = task.needs(settings, facts, info, prompts)
    split = dataset.split(wanted.split)
    if wanted.limit is not None:
        split = LimitedSplit(split, wanted.limit)
    _look(split, needs, f"{where}: {wanted.dataset}/{wanted.split}")
    score = Score(wanted.dataset, wanted.split, name, prompts.name if prompts else "")
    score = replace(score, trained_on=_is_trained_on(wanted, loaded))
    return _Opened(task, settings, facts, prompts, needs, split, dataset.info.cluster, score)


def _facts(name: str, dataset: Dataset) -> DatasetFacts:
    return DatasetFacts(
        name=name,
        classes=tuple(dataset.classes),
        multilabel=dataset.multilabel,
        splits=tuple(dataset.splits),
        regime=dataset.info.regime,
        main_metric=dataset.info.main_metric,
        captioned=dataset.captioned,
    )


def _look(split: Split, needs: Needs, where: str) -> None:
    """Decode the first images; a UserError where there are none, none can be decoded, or none has a caption."""
    first, problems = list(islice(chain.from_iterable(split.shards()), LOOKED_AT)), []
    for example in first:
        try:
            if example.problem:
                raise BrokenImage(example.problem)
            decode(example.image, split.decoding)
        except BrokenImage as broken:
            problems.append(f"{example.id} ({broken})")
    if len(problems) == len(first):
        told = f"none of its first images can be decoded: {problems[0]}" if first else "there are no images"
        raise UserError(told, where=where, fix="check the data set's path and split, or leave it out of `evaluate`")
    if needs.captions and not any(example.captions for example in first):
        raise UserError("has no captions, which retrieval needs", where=where, fix="name another data set, or its task")


def _is_trained_on(wanted: Evaluation, loaded: LoadedRecipe) -> bool:
    """Return whether `data` has the same split of the same data set, whatever name it has there."""

    def content(name: str) -> tuple[object, ...]:
        definition: DatasetDefinition = loaded.definitions[name]
        return definition.adapter, definition.arguments, definition.shares

    return any(
        source.split == wanted.split and content(source.dataset) == content(wanted.dataset)
        for source in loaded.recipe.data
    )
