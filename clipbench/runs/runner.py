"""Running a suite: order, resume, failure policy, progress. The only loop over jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from clipbench.analyses.run import analyse
from clipbench.embed.opened import OpenedModel
from clipbench.errors import UnknownName, UserError, problem_of
from clipbench.fingerprint import digest
from clipbench.models.custom import DottedSource
from clipbench.plugins import code_file, is_dotted_path
from clipbench.report.page import write_page
from clipbench.results.folder import Results as StoredResults
from clipbench.runs.environment import describe_machine, versions
from clipbench.runs.execute import Executor, failure
from clipbench.runs.jobs import OpenedDatasets, Preparation, PreparedJob, prepare_jobs
from clipbench.runs.options import RunOptions, open_models
from clipbench.runs.plan import Plan, Planner
from clipbench.runs.progress import ProgressListener
from clipbench.runs.results import Results
from clipbench.suite.loading import Suite, select

if TYPE_CHECKING:
    from clipbench.models.base import ImageModel
    from clipbench.results.records import JobResult
    from clipbench.tasks.job import Job

PAGE = "report.html"
Value = TypeVar("Value")


class Runner:
    """One run of a suite over models into a results folder."""

    def __init__(
        self,
        suite: Suite,
        models: Sequence[str | ImageModel],
        options: RunOptions,
        progress: ProgressListener | None = None,
    ) -> None:
        self.suite = suite
        self.options = options
        self.progress = progress or ProgressListener()
        self.results = StoredResults(options.folder(suite.name))
        self.models = open_models(models, options)
        self._unusable: dict[str, BaseException] = {}
        """Why a model cannot be used, by its name: that fails its jobs, and no others."""
        self._page_due = 0.0
        self._finished: list[str] = []
        """Hashes of the jobs so far, done before or now."""
        self._reported: set[str] = set()

    @cached_property
    def jobs(self) -> tuple[Preparation, ...]:
        """The jobs of the run, each prepared once, for the plan as for the run."""
        datasets = OpenedDatasets(self.suite.datasets, self.options.data_root)
        return prepare_jobs(self.suite, self.models, datasets)

    def plan(self) -> Plan:
        """Return the plan; fetches nothing. What a part of the run raises is in it as why that part's jobs will fail.

        Raises:
            UnknownName: a model's name stands for nothing: no module, no architecture, no weights of that name.
        """
        weights = {model.name: self._try(model, lambda model: model.source.look()) for model in self.models}
        here = {name for name, there in weights.items() if there and there.local}
        for model in self.models:
            if model.name in here:
                self._try(model, lambda model: model.info)
        planner = Planner(self.results)
        costs = [
            planner.cost(job, self._unusable.get(job.model, prepared), job.model in here) for job, prepared in self.jobs
        ]
        return Plan(tuple(costs), tuple(weights.items()), self._code(), self._classes())

    def run(self) -> Results:
        """Run all jobs that are not done; a job that fails is recorded and the others go on.

        Raises:
            UnknownName: as for `plan`; nothing has run then.
        """
        self.progress.planned(self.plan())
        for model in self.models:
            if model.name not in self._unusable:
                self.progress.fetching(model.name)
            self._try(model, lambda model: model.source.fetch())
        self._described = self._describe()
        shown = self._is_shown()
        self.results.write_run(self._described)
        executor = Executor(self.results, self.suite.max_broken, self.options.thumbnails, self.progress)
        for model in self.models:
            self._try(model, lambda model: model.info)
            for job, prepared in self.jobs:
                if job.model == model.name:
                    self._attempt(executor, job, self._unusable.get(job.model, prepared))
            self._try(model, OpenedModel.close)
        for result in analyse(StoredResults(self.results.folder)):
            if result.status == "failed":
                self.progress.analysis_failed(result)
        self.results.write_run(self._described, self._finished)
        if shown and self._is_shown():
            self.progress.page(self.results.folder / PAGE, "")
        else:
            self._write_page()
        return Results(self.results.folder, only=frozenset(self._finished))

    def _is_shown(self) -> bool:
        """Whether the page was written after all that it shows, by a run like this one."""
        folder, page = self.results.folder, self.results.folder / PAGE
        others = [path for path in (folder / "runs").glob("*.json") if path != self.results.run_path(self.suite.name)]
        try:
            written = page.stat().st_mtime_ns
            files = (*others, *(folder / "jobs").iterdir(), *(folder / "analyses").glob("*.json"))
            known = next((run for run in self.results.runs if run["suite"] == self.suite.name), {})
            told = [
                {key: run.get(key) for key in self._described if key != "started"} for run in (known, self._described)
            ]
            return digest(told[0]) == digest(told[1]) and all(path.stat().st_mtime_ns <= written for path in files)
        except (OSError, UserError):
            return False

    def _try(self, model: OpenedModel, step: Callable[[OpenedModel], Value]) -> Value | None:
        """Take a step with a model; whatever it raises fails the jobs of this model, which is not touched again."""
        if model.name in self._unusable:
            return None
        try:
            return step(model)
        except (KeyboardInterrupt, UnknownName):
            raise
        except BaseException as error:  # noqa: BLE001 - a model that breaks must not cost the other models' jobs
            self._unusable[model.name] = error
            return None

    def _code(self) -> tuple[tuple[str, str], ...]:
        """Return what the suite and the command line name by dotted path, with the file that each comes from."""
        named = [definition.adapter for definition in self.suite.datasets.values()]
        named += [entry.task for entry in self.suite.tasks]
        named += [model.source.path for model in self.models if isinstance(model.source, DottedSource)]
        return tuple((name, code_file(name)) for name in dict.fromkeys(named) if is_dotted_path(name))

    def _classes(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        opened = (prepared for _, prepared in self.jobs if isinstance(prepared, PreparedJob))
        sources = {job.tested.definition.name: job.tested for job in opened if job.tested.definition.base}
        return tuple((name, source.dataset.classes) for name, source in sources.items() if source.dataset.classes)

    def _attempt(self, executor: Executor, job: Job, prepared: PreparedJob | BaseException) -> None:
        try:
            if isinstance(prepared, BaseException):
                raise prepared
            result, again = executor.execute(prepared)
            if not again:
                result = self._with_model(result)
                self.results.write_job(result)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - one job's crash must not lose the jobs after it
            regime, again = self.suite.datasets[job.dataset].info.regime, False
            result = self._with_model(failure(job, regime, error))
            self.results.write_job(result)
        self._finished.append(result.hash)
        if not again:
            self.results.write_run(self._described, self._finished)
        if result.status == "done" and isinstance(prepared, PreparedJob):
            for name in prepared.failures:
                self.results.forget_failure(name)
        # Jobs that differ in what they were prepared with may fail under one name: that is told of once.
        if result.hash not in self._reported:
            self.progress.finished(result, again)
        self._reported.add(result.hash)
        if not again and time.monotonic() > self._page_due:
            self._write_page()

    def _with_model(self, result: JobResult) -> JobResult:
        """Say of what model it is, as far as that is known: names alone do not tell models apart."""
        model = next(model for model in self.models if model.name == result.model)
        run_metadata = {**result.run_metadata, "model": model.source.about}
        return replace(result, pedigree=replace(result.pedigree, weights=model.weights), run_metadata=run_metadata)

    def _write_page(self) -> None:
        """Write the page; it is due again only when five times as long has passed as this took."""
        path = self.results.folder / PAGE
        started = time.monotonic()
        try:
            write_page(StoredResults(self.results.folder), path)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - records are safe; a page can be made of them at any time
            self.progress.page(path, problem_of(error))
        else:
            self.progress.page(path, "")
        ended = time.monotonic()
        self._page_due = ended + 5 * (ended - started)

    def _describe(self) -> Mapping[str, Any]:
        return {
            "suite": self.suite.name,
            "description": self.suite.description,
            "suite_text": self.suite.text,
            "analyses": [dict(settings) for settings in self.suite.analyses],
            "models": {model.name: model.source.about for model in self.models},
            "options": {
                "device": self.models[0].settings.device if self.models else "",
                "precision": self.models[0].precision if self.models else "",
                "batch_size": self.options.batch_size,
            },
            "versions": versions(),
            "machine": describe_machine(),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }


def run(
    suite: Suite | str | Path | Mapping[str, Any],
    models: Sequence[str | ImageModel] | str,
    *,
    only: Sequence[str] | str = (),
    limit: int | None = None,
    output: str | Path | None = None,
    data_root: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | None = None,
    workers: int | None = None,
    thumbnails: bool = True,
    cache: str | Path | None = None,
    progress: ProgressListener | None = None,
) -> Results:
    """Run a suite over models and return this run's results; what is done already is not done again.

    Args:
        suite: a YAML file, a packaged suite's name, the mapping that such a file holds, or what `load_suite` gives.
        models: each by its name on the command line, e.g. 'vit-b-32', 'mine=open_clip:ViT-B-32@FILE' or
            'package.module:Class', or as an object that fits `ImageModel` or `ImageTextModel`.
        only: the data sets to run, by default all of the suite.
        limit: use so many examples a set.
        output: the results folder, by default results/<suite's name>.
        data_root: a folder of local mirrors, looked at before the hub.
        device: 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'.
        precision: 'auto', 'float32', 'bfloat16' or 'float16'.
        batch_size: images a batch, by default by device.
        workers: processes that decode images, by default by device and cores.
        thumbnails: keep thumbnails for the page.
        cache: the folder of embeddings, by default that of the command line.
        progress: hears of each step.

    Raises:
        UserError: the suite is wrong, or a name stands for nothing. Failures of jobs are in the results instead.
    """
    options = RunOptions(
        output=None if output is None else Path(output),
        data_root=None if data_root is None else Path(data_root),
        device=device,
        precision=precision,
        batch_size=batch_size,
        workers=workers,
        thumbnails=thumbnails,
        **({} if cache is None else {"cache": Path(cache)}),
    )
    chosen = select(suite, [only] if isinstance(only, str) else only, limit)
    return Runner(chosen, [models] if isinstance(models, str) else models, options, progress).run()
