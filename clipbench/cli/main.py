"""The command line: each command parses, calls one library function and prints."""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
import traceback
import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from clipbench.cli import compare as cli_compare
from clipbench.cli import prompts as cli_prompts
from clipbench.cli import reference as cli_reference
from clipbench.cli import results as cli_results
from clipbench.cli import site as cli_site
from clipbench.cli import train as cli_train
from clipbench.cli.listing import LISTINGS, What
from clipbench.errors import UserError, printable, problem_of
from clipbench.plugins import NO_CODE

DONE, SOME_FAILED, WRONG_USE, CRASHED, INTERRUPTED = 0, 1, 2, 70, 130
DEBUG = "CLIPBENCH_DEBUG"
EXIT_CODES = (
    "Exit codes: 0 all jobs are done, 1 some failed (of a dry run: will fail) and the others are done, 2 wrong use, or "
    "a results folder that cannot be written, 70 clipbench itself failed, 130 interrupted: the same command goes on."
)

app = typer.Typer(
    name="clipbench",
    help="Benchmark CLIP-style image-text models: zero-shot transfer, retrieval and more, with intervals.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cache_app = typer.Typer(name="cache", help="Look into the store of embeddings, and make room.", no_args_is_help=True)
app.add_typer(cache_app)
app.add_typer(cli_reference.app)
app.add_typer(cli_prompts.app)
app.add_typer(cli_results.app)
app.command(epilog=cli_compare.EXIT_CODES)(cli_compare.compare)
app.command(epilog=cli_site.EXIT_CODES)(cli_site.site)
app.command()(cli_train.train)


def main() -> None:
    """Run the command line; whatever goes wrong is one message, and a traceback only with --debug."""
    _quieten_libraries()
    if "--debug" in sys.argv[1:]:
        # Wherever it stands: one adds it to the end of a command that failed.
        sys.argv.remove("--debug")
        os.environ[DEBUG] = "1"
    # Records stay until the end: to look for cycles among them took a sixth of the time of a large page.
    gc.set_threshold(50_000, 20, 20)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - told in a line instead
        _tell(error)
        sys.exit(WRONG_USE if isinstance(error, UserError) else CRASHED)


def _tell(error: Exception) -> None:
    if _debugging():
        traceback.print_exception(error)
    message = printable(problem_of(error))
    if not isinstance(error, UserError):
        message = f"clipbench itself failed: {message}; please report it with what the same command says with --debug"
    print(f"error: {message}", file=sys.stderr)


def _debugging() -> bool:
    return os.environ.get(DEBUG, "0") not in {"", "0"}


def _quieten_libraries() -> None:
    """Leave warnings of our own, before heavy imports; hub progress bars only where there is a terminal."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if not sys.stdout.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore", module=r"(torch|torchvision|open_clip|timm|huggingface_hub|PIL)(\.|$)")
    for name in ("huggingface_hub", "open_clip", "timm", "datasets", None):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("clipbench").setLevel(logging.WARNING)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"clipbench {version('clipbench')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help=f"Show tracebacks; may stand anywhere. Also {DEBUG}=1.")
    ] = False,
) -> None:
    pass


@app.command(epilog=EXIT_CODES)
def run(
    suite: Annotated[str, typer.Argument(help="A suite: a YAML file, or the name of a packaged one.")],
    model: Annotated[
        list[str],
        typer.Option(
            "--model",
            "-m",
            help="A catalog name, open_clip:ARCH/TAG, open_clip:local-dir:PATH, ...; NAME=MODEL calls it NAME. Repeat.",
        ),
    ],
    data_root: cli_prompts.DataRoot = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    batch_size: Annotated[str, typer.Option(help="Images a batch: auto, or a number.")] = "auto",
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that decode images.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use so many examples a set, balanced over classes.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Run this data set alone. Repeat for several.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Results folder; by default results/SUITE.")
    ] = None,
    images: Annotated[bool, typer.Option("--images/--no-images", help="Keep thumbnails for the page.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    no_code: Annotated[
        bool, typer.Option("--no-code", help=f"Refuse classes named as package.module:Class. Also {NO_CODE}=1.")
    ] = False,
) -> None:
    """Run a suite of tasks over models; what is finished is never computed again."""
    if no_code:
        os.environ[NO_CODE] = "1"
    from clipbench.suite.loading import select

    selected = select(suite, only or (), limit)
    from rich.console import Console

    from clipbench.cli.console import RunConsole
    from clipbench.cli.interrupts import Interrupts
    from clipbench.cli.plan import print_plan
    from clipbench.runs.options import RunOptions
    from clipbench.runs.runner import Runner

    options = RunOptions(
        output=output,
        data_root=data_root,
        device=device,
        precision=precision,
        batch_size=_batch_size(batch_size),
        workers=workers,
        thumbnails=images,
    )
    progress = RunConsole(Console(emoji=False), debug=_debugging())
    with Interrupts(progress.kept):
        runner = Runner(selected, model, options, progress)
        progress.folder = runner.results.folder
        if dry_run:
            plan = runner.plan()
            print_plan(progress.console, plan, problems=True)
            raise typer.Exit(SOME_FAILED if any(job.problem for job in plan.jobs) else DONE)
        progress.summarise(runner.run())
    raise typer.Exit(SOME_FAILED if progress.failed else DONE)


def _batch_size(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) == 0:
        raise UserError(f"not a batch size: {text!r}", where="--batch-size", fix="give auto or a number of images")
    return int(text)


@app.command("list")
def list_names(what: Annotated[What, typer.Argument(help="What to list.")]) -> None:
    """List the names that suites and options may use."""
    from clipbench.cli.console import print_rows

    print_rows(*LISTINGS[what]())


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="Results folders; several are seen as one.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A .html page, or the table as .csv, .md or .tex; else RUN/report.html."),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="The metric in a table; by default each job's main one.")] = None,
    title: Annotated[str | None, typer.Option(help="The page's title.")] = None,
) -> None:
    """Write a page, or a table, of results."""
    from clipbench.report.page import write_report
    from clipbench.results.folder import load_results

    path = output or runs[0] / "report.html"
    write_report(load_results(*runs), path, metric=metric, title=title)
    typer.echo(path)


@app.command("init-shift")
def init_shift(
    benchmark: Annotated[Path, typer.Argument(help="Images of the benchmark: a folder of class folders, a table, ...")],
    real: Annotated[Path, typer.Argument(help="Other images of the same classes.")],
    prompts: Annotated[
        str, typer.Option(help="A prompt set's name or file, or a template with {}.")
    ] = "a photo of a {}.",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The suite's file; by default it is printed.")
    ] = None,
) -> None:
    """Write a robustness suite for two folders or tables of images of the same classes."""
    from clipbench.files import write_atomically
    from clipbench.suite.init_shift import shift_suite

    suite = shift_suite(benchmark, real, prompts=prompts, output=output)
    for note in suite.notes:
        typer.echo(note, err=True)
    if output is None:
        typer.echo(suite.text, nl=False)
    else:
        write_atomically(output, suite.text.encode())
        typer.echo(output)


class Document(StrEnum):
    """What a YAML file may be."""

    suite = "suite"
    recipe = "recipe"


@app.command()
def schema(what: Annotated[Document, typer.Argument(help="Of suites, or of recipes.")] = Document.suite) -> None:
    """Print the JSON schema of suites or of recipes, for editors that complete and check YAML."""
    from clipbench.suite.reader import suite_schema
    from clipbench.training.recipe import recipe_schema

    typer.echo(json.dumps(suite_schema() if what is Document.suite else recipe_schema(), indent=2))


@cache_app.command("list")
def cache_list() -> None:
    """List what is stored, model by model."""
    from clipbench.cli.console import print_cache
    from clipbench.embed.housekeeping import cache_entries, default_cache

    print_cache(cache_entries(default_cache()))


@cache_app.command("size")
def cache_size() -> None:
    """Print how large the store is, and where."""
    from clipbench.cli.console import format_bytes
    from clipbench.embed.housekeeping import cache_bytes, default_cache

    root = default_cache()
    typer.echo(f"{format_bytes(cache_bytes(root))} in {root}")


@cache_app.command("prune")
def cache_prune(
    model: Annotated[
        str | None,
        typer.Option(help="Remove this model's embeddings: its name, or eight digits or more of its fingerprint."),
    ] = None,
    unused_days: Annotated[
        float | None, typer.Option(min=0, help="Remove models to which nothing was added for so many days.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Remove everything.")] = False,
) -> None:
    """Remove what killed runs left behind and, if asked, embeddings."""
    from clipbench.cli.console import format_bytes
    from clipbench.embed.housekeeping import default_cache, prune

    root = default_cache()
    freed = prune(root, model=model, unused_days=unused_days, everything=everything)
    typer.echo(f"{format_bytes(freed)} freed in {root}")
