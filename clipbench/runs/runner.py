"""Running a suite: order, resume, failure policy, progress. The only loop over jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from clipbench.analyses.run import analyse
from clipbench.embed.device import default_workers, resolve_device, resolve_precision
from clipbench.embed.encode import EncodeSettings
from clipbench.embed.housekeeping import default_cache
from clipbench.embed.opened import OpenedModel
from clipbench.embed.store import Store
from clipbench.errors import UnknownName, UserError, problem_of
from clipbench.models.catalog import find_model
from clipbench.models.custom import DottedSource
from clipbench.plugins import code_file, is_dotted_path
from clipbench.report.page import write_page
from clipbench.results.folder import Results
from clipbench.runs.environment import describe_machine, versions
from clipbench.runs.execute import Executor, failure
from clipbench.runs.jobs import OpenedDatasets, Preparation, PreparedJob, prepare_jobs
from clipbench.runs.plan import Plan, Planner
from clipbench.runs.progress import ProgressListener

if TYPE_CHECKING:
    from clipbench.suite.loading import Suite
    from clipbench.tasks.job import Job

PAGE = "report.html"
Value = TypeVar("Value")


@dataclass(frozen=True)
class RunOptions:
    """What the command line can say about a run; the suite says the rest."""

    output: Path | None = None
    """The results folder; by default results/<suite's name>."""
    data_root: Path | None = None
    """A folder of local mirrors, looked at before the hub."""
    device: str = "auto"
    precision: str = "auto"
    batch_size: int | None = None
    workers: int | None = None
    """Processes that decode images; by default by device and cores."""
    thumbnails: bool = True
    """Keep thumbnails for the page."""
    cache: Path = field(default_factory=default_cache)


class Runner:
    """One run of a suite over models into a results folder."""

    def __init__(
        self, suite: Suite, models: Sequence[str], options: RunOptions, progress: ProgressListener | None = None
    ) -> None:
        self.suite = suite
        self.options = options
        self.progress = progress or ProgressListener()
        self.results = Results(_folder(options.output or Path("results") / suite.name))
        self.models = _open_models(models, options)
        self._unusable: dict[str, BaseException] = {}
        """Why a model cannot be used, by its name: that fails its jobs, and no others."""
        self._page_due = 0.0
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
        return Plan(tuple(costs), tuple(weights.items()), self._code())

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
        self.results.write_run(self._describe())
        executor = Executor(self.results, self.suite.max_broken, self.options.thumbnails, self.progress)
        for model in self.models:
            self._try(model, lambda model: model.info)
            for job, prepared in self.jobs:
                if job.model == model.name:
                    self._attempt(executor, job, self._unusable.get(job.model, prepared))
            self._try(model, OpenedModel.close)
        for result in analyse(Results(self.results.folder)):
            if result.status == "failed":
                self.progress.analysis_failed(result)
        self._write_page()
        return self.results

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

    def _attempt(self, executor: Executor, job: Job, prepared: PreparedJob | BaseException) -> None:
        try:
            if isinstance(prepared, BaseException):
                raise prepared
            result, again = executor.execute(prepared)
            self.results.write_job(result)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - one job's crash must not lose the jobs after it
            result, again = failure(job, self.suite.datasets[job.dataset].info.regime, error), False
            self.results.write_job(result)
        if result.status == "done" and isinstance(prepared, PreparedJob):
            for name in prepared.failures:
                self.results.forget_failure(name)
        # Jobs that differ in what they were prepared with may fail under one name: that is told of once.
        if result.hash not in self._reported:
            self.progress.finished(result, again)
        self._reported.add(result.hash)
        if not again and time.monotonic() > self._page_due:
            self._write_page()

    def _write_page(self) -> None:
        """Write the page; it is due again only when five times as long has passed as this took."""
        path = self.results.folder / PAGE
        started = time.monotonic()
        try:
            write_page(Results(self.results.folder), path)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - records are safe; a page can be made of them at any time
            self.progress.page(path, problem_of(error))
        else:
            self.progress.page(path, "")
        ended = time.monotonic()
        self._page_due = ended + 5 * (ended - started)

    def _describe(self) -> Mapping[str, Any]:
        limits = {settings.limit for settings in self.suite.tasks if settings.limit}
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
                "limit": max(limits) if limits else None,
            },
            "versions": versions(),
            "machine": describe_machine(),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }


def _folder(output: Path) -> Path:
    if output.exists() and not output.is_dir():
        raise UserError("is a file", where=str(output), fix="name a folder for the results with --output")
    return output


def _open_models(specs: Sequence[str], options: RunOptions) -> tuple[OpenedModel, ...]:
    device = resolve_device(options.device)
    precision = resolve_precision(options.precision, device)
    workers = default_workers(device) if options.workers is None else options.workers
    settings = EncodeSettings(device, options.batch_size, workers)
    store = Store(options.cache)
    sources = [find_model(spec) for spec in specs]
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            fix = "results tell models apart by name: leave one out, or name it anew with --model NAME=MODEL"
            raise UserError(f"two models are called {name!r}", where="--model", fix=fix)
    return tuple(OpenedModel(source, store, precision, settings) for source in sources)


def run(
    suite: Suite, models: Sequence[str], options: RunOptions | None = None, progress: ProgressListener | None = None
) -> Results:
    """Run a suite over models and return the results; what is done already is not done again.

    Args:
        suite: from `load_suite`.
        models: as on the command line, e.g. 'vit-b-32' or 'open_clip:ViT-B-32/laion2b_s34b_b79k'.
        options: device, output folder and the like.
        progress: hears of each step.

    Raises:
        UserError: a model is unknown or cannot be had. Failures of single jobs are in the results instead.
    """
    return Runner(suite, models, options or RunOptions(), progress).run()
