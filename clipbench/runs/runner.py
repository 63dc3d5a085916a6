"""Running a suite: order, resume, failure policy, progress. The only loop over jobs."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.analyses.run import analyse
from clipbench.embed.device import default_workers, resolve_device, resolve_precision
from clipbench.embed.encode import EncodeSettings
from clipbench.embed.opened import OpenedModel
from clipbench.embed.store import Store, default_cache
from clipbench.errors import UserError
from clipbench.models.catalog import find_model
from clipbench.report.page import write_page
from clipbench.results.folder import Results
from clipbench.runs.environment import describe_machine, versions
from clipbench.runs.execute import Executor, Progress, failure, failure_hash
from clipbench.runs.jobs import Job, OpenedDatasets, as_plain, list_jobs
from clipbench.runs.plan import Plan, Planner
from clipbench.runs.progress import Listener

if TYPE_CHECKING:
    from clipbench.suite.loading import Suite

PAGE = "report.html"


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

    def __init__(self, suite: Suite, models: Sequence[str], options: RunOptions, listener: Listener) -> None:
        self.suite = suite
        self.options = options
        self.listener = listener
        self.results = Results(options.output or Path("results") / suite.name)
        self.datasets = OpenedDatasets(options.data_root)
        self.models = _open_models(models, options)
        self.jobs = list_jobs(suite, self.models)
        self._page_due = 0.0
        self._told: set[str] = set()

    def plan(self) -> Plan:
        """Return the plan; fetches nothing.

        Raises:
            Unavailable: a model's weights can be had neither here nor by download.
        """
        return Planner(self.datasets, self.results).plan(self.jobs, self.models)

    def run(self) -> Results:
        """Run all jobs that are not done; a job that fails is recorded and the others go on.

        Raises:
            Unavailable: a model's weights can be had neither here nor by download; nothing has run then.
        """
        self.listener.planned(self.plan())
        for model in self.models:
            self.listener.fetching(model.name)
            model.source.fetch()
        self.results.write_run(self._describe())
        progress = Progress(self.listener.started, self.listener.advanced)
        executor = Executor(self.datasets, self.results, self.suite.max_broken, self.options.thumbnails, progress)
        for model in self.models:
            for job in self.jobs:
                if job.model is model:
                    self._attempt(executor, job)
            model.keep_rates()
            model.close()
        self._analyse()
        self._write_page()
        return self.results

    def _analyse(self) -> None:
        for found in analyse(Results(self.results.folder)):
            if found.status == "failed":
                self.listener.finished(found, again=False)

    def _attempt(self, executor: Executor, job: Job) -> None:
        again = False
        try:
            result, again = executor.execute(job)
        except UserError as error:
            result = failure(as_plain(job, self.datasets), str(error))
        except Exception as error:  # noqa: BLE001 - one job's crash must not lose the jobs after it
            result = failure(job, f"unexpected {type(error).__name__}: {error}", traceback.format_exc())
        self.results.write_job(result)
        if result.status == "done":
            for failed in (job, as_plain(job, self.datasets)):
                self.results.forget_failure(failure_hash(failed))
        # A job beside another set with the same classes is the job on its own: it is told of once.
        if result.hash not in self._told:
            self.listener.finished(result, again)
        self._told.add(result.hash)
        if not again and time.monotonic() > self._page_due:
            self._write_page()

    def _write_page(self) -> None:
        """Write the page; it is due again only when five times as long has passed as this took."""
        path = self.results.folder / PAGE
        started = time.monotonic()
        try:
            write_page(Results(self.results.folder), path)
        except Exception as error:  # noqa: BLE001 - records are safe; a page can be made of them at any time
            self.listener.page(path, f"{type(error).__name__}: {error}")
        else:
            self.listener.page(path, "")
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
            fix = "results tell models apart by name; leave one out, or rename its folder"
            raise UserError(f"two models are called {name!r}", where="--model", fix=fix)
    return tuple(OpenedModel(source, store, precision, settings) for source in sources)


def run(
    suite: Suite, models: Sequence[str], options: RunOptions | None = None, listener: Listener | None = None
) -> Results:
    """Run a suite over models and return the results; what is done already is not done again.

    Args:
        suite: from `load_suite`.
        models: as on the command line, e.g. 'vit-b-32' or 'open_clip:ViT-B-32/laion2b_s34b_b79k'.
        options: device, output folder and the like.
        listener: is told of progress.

    Raises:
        UserError: a model is unknown or cannot be had. Failures of single jobs are in the results instead.
    """
    return Runner(suite, models, options or RunOptions(), listener or Listener()).run()
