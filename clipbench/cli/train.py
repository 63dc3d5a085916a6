"""The command that trains a model from a recipe."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clipbench.cli import prompts as cli_prompts
from clipbench.errors import UserError

if TYPE_CHECKING:
    from clipbench.training.recipe import LoadedRecipe


class Resume(StrEnum):
    """Whether a training that was broken off goes on."""

    auto = "auto"
    never = "never"


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe: a YAML file, or the name of a packaged one.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The folder of the model.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE over the recipe's: optimiser.rate=1.0e-3. Repeat.")
    ] = None,
    data_root: cli_prompts.DataRoot = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that decode images.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Of the CPU; weights are equal for equal threads.")] = None,
    resume: Annotated[Resume, typer.Option(help="auto: go on from the newest checkpoint there.")] = Resume.never,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Say what it will take, from a few steps; write nothing.")
    ] = False,
    devices: Annotated[int, typer.Option(min=1, help="With --dry-run: how many will train.")] = 1,
    hourly_price: Annotated[float | None, typer.Option(min=0, help="With --dry-run: of each device.")] = None,
) -> None:
    """Train a model; with torchrun on several devices or machines."""
    from rich.console import Console

    from clipbench.cli.training_console import TrainingConsole
    from clipbench.embed.device import resolve_device
    from clipbench.training.processes import processes
    from clipbench.training.recipe import load_recipe
    from clipbench.training.start import train as train_model

    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    if dry:
        _dry_run(load_recipe(recipe, settings or ()), resolve_device(device), devices, workers, data_root, hourly_price)
        return
    # Joined before anything can go wrong, so that one of many processes tells of it.
    with processes(resolve_device(device)) as here:
        loaded = load_recipe(recipe, settings or ())
        if output is None:
            raise UserError("is needed: the folder that gets the model", where="--output", fix="write --output DIR")
        with TrainingConsole(Console(emoji=False)) as console:
            train_model(
                loaded,
                output,
                device=device,
                workers=workers,
                data_root=data_root,
                resume=resume is Resume.auto,
                progress=console.show,
            )
        if here.first:
            kind = "local" if loaded.recipe.towers.reference else "open_clip:local-dir"
            typer.echo(f"written; use it as --model {kind}:{output}")


def _dry_run(
    loaded: LoadedRecipe,
    device: str,
    devices: int,
    workers: int | None,
    data_root: Path | None,
    hourly_price: float | None,
) -> None:
    count = os.environ.get("WORLD_SIZE", "1")
    if count != "1":
        fix = f"start it without torchrun and write --devices {count}"
        raise UserError("one process measures for all", where="--dry-run", fix=fix)
    from clipbench.cli.estimate import estimate_lines
    from clipbench.embed.device import default_workers
    from clipbench.training.dry_run.measure import dry_run

    typer.echo("some steps are measured, which takes about a minute", err=True)
    loaders = default_workers(device) if workers is None else workers
    estimate = dry_run(
        loaded, device=device, devices=devices, workers=loaders, data_root=data_root, hourly_price=hourly_price
    )
    typer.echo("\n".join(estimate_lines(estimate)))
