"""The command that trains a model from a recipe."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from clipbench.cli import prompts as cli_prompts


class Resume(StrEnum):
    """Whether a training that was broken off goes on."""

    auto = "auto"
    never = "never"


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe: a YAML file, or the name of a packaged one.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder of the model.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE over the recipe's: optimiser.rate=1.0e-3. Repeat.")
    ] = None,
    data_root: cli_prompts.DataRoot = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that decode images.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Of the CPU; weights are equal for equal threads.")] = None,
    resume: Annotated[Resume, typer.Option(help="auto: go on from the newest checkpoint there.")] = Resume.never,
) -> None:
    """Train a model; with torchrun on several devices or machines."""
    from rich.console import Console

    from clipbench.cli.training_console import TrainingConsole
    from clipbench.embed.device import default_workers, resolve_device
    from clipbench.files import write_atomically
    from clipbench.training.recipe import load_recipe
    from clipbench.training.start import train_recipe

    loaded = load_recipe(recipe, settings or ())
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    # Before the training rather than after it.
    write_atomically(output / ".writable", b"")
    (output / ".writable").unlink(missing_ok=True)
    chosen = resolve_device(device)
    with TrainingConsole(Console(emoji=False)) as console:
        train_recipe(
            loaded,
            output,
            device=chosen,
            workers=default_workers(chosen) if workers is None else workers,
            data_root=data_root,
            resume=resume is Resume.auto,
            progress=console.show,
        )
    kind = "local" if loaded.recipe.towers.reference else "open_clip:local-dir"
    typer.echo(f"written; use it as --model {kind}:{output}")
