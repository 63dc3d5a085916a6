"""Running a suite: order, resume, failure policy, progress. The only loop over jobs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.analyses.run import analyse
from clipbench.embed.device import default_workers, resolve_device, resolve_precision
from clipbench.embed.encode import EncodeSettings
from clipbench.embed.housekeeping import default_cache
from clipbench.embed.opened import OpenedModel
from clipbench.embed.store import Store
from clipbench.errors import UserError
from clipbench.fingerprint import digest
from clipbench.models.catalog import find_model
from clipbench.report.page import write_page
from clipbench.results.folder import Results
from clipbench.runs.environment import describe_machine, versions
from clipbench.runs.execute import Executor, failure
from clipbench.runs.jobs import OpenedDatasets, Preparation, PreparedJob, prepare_jobs
from clipbench.runs.plan import Plan, Planner
from clipbench.runs.progress import ProgressListener

if TYPE_CHECKING:
    from clipbench.results.records import JobResult
    from clipbench.suite.loading import Suite
    from clipbench.tasks.job import Job

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

    def __init__(
        self, suite: Suite, models: Sequence[str], options: RunOptions, progress: ProgressListener | None = None
    ) -> None:
        self.suite = suite
        self.options = options
        self.progress = progress or ProgressListener()
        self.results = Results(options.output or Path("results") / suite.name)
        self.models = _open_models(models, options)
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
        """Return the plan; fetches nothing.

        Raises:
            Unavailable: a model's weights can be had neither here nor by download.
        """
        weights = {model.name: model.source.look() for model in self.models}
        return Planner(self.results).plan(self.jobs, weights)

    def run(self) -> Results:
        """Run all jobs that are not done; a job that fails is recorded and the others go on.

        Raises:
            Unavailable: a model's weights can be had neither here nor by download; nothing has run then.
        """
        self.progress.planned(self.plan())
        for model in self.models:
            self.progress.fetching(model.name)
            model.source.fetch()
        self._described = self._describe()
        shown = self._is_shown()
        self.results.write_run(self._described)
        executor = Executor(self.results, self.suite.max_broken, self.options.thumbnails, self.progress)
        for model in self.models:
            for job, prepared in self.jobs:
                if job.model == model.name:
                    self._attempt(executor, job, prepared)
            model.close()
        for result in analyse(Results(self.results.folder)):
            if result.status == "failed":
                self.progress.analysis_failed(result)
        if shown and self._is_shown():
            self.results.write_run(self._described, self._finished)
            self.progress.page(self.results.folder / PAGE, "")
        else:
            self._write_page()
        return self.results

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

    def _attempt(self, executor: Executor, job: Job, prepared: PreparedJob | Exception) -> None:
        try:
            if isinstance(prepared, Exception):
                raise prepared
            result, again = executor.execute(prepared)
        except Exception as error:  # noqa: BLE001 - one job's crash must not lose the jobs after it
            result, again = failure(job, self.suite.datasets[job.dataset].info.regime, error), False
        if not again:
            result = self._with_model(result)
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
        provenance = {**result.provenance, "model": model.source.about}
        return replace(result, pedigree=replace(result.pedigree, weights=model.weights), provenance=provenance)

    def _write_page(self) -> None:
        """Write the page; it is due again only when five times as long has passed as this took."""
        self.results.write_run(self._described, self._finished)
        path = self.results.folder / PAGE
        started = time.monotonic()
        try:
            write_page(Results(self.results.folder), path)
        except Exception as error:  # noqa: BLE001 - records are safe; a page can be made of them at any time
            self.progress.page(path, f"{type(error).__name__}: {error}")
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
