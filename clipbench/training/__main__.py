"""`python -m clipbench.training`: train the reference CLIP; seed 0 gives clip-tiny."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from clipbench.training.loop import Progress

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    output: Annotated[Path, typer.Option(help="Folder to write config.json and model.safetensors to.")],
    seed: Annotated[int, typer.Option(min=0, help="Decides the weights; clip-tiny's is 0.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Train for fewer or more steps.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Weights are equal only for equal threads.")] = 1,
) -> None:
    """Train the reference CLIP on generated scenes and half of scikit-learn's digits, in a quarter of an hour."""
    import torch

    from clipbench.errors import UserError
    from clipbench.files import write_atomically
    from clipbench.training.loop import train
    from clipbench.training.recipe import Recipe

    torch.set_num_threads(threads)
    recipe = Recipe(seed=seed)
    if steps is not None:
        recipe = replace(recipe, steps=steps, warmup=min(recipe.warmup, steps // 4))
    typer.echo(f"{recipe.steps} steps of {recipe.batch} images, seed {seed}, {threads} threads")
    try:
        # Before the training rather than after it.
        write_atomically(output / ".writable", b"")
        (output / ".writable").unlink()
        train(recipe, lambda progress: _show(progress, recipe.steps)).write(output)
    except UserError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    typer.echo(f"written; use it as --model local:{output}")


def _show(progress: Progress, steps: int) -> None:
    if progress.step % 25 and progress.step != steps:
        return
    left = progress.seconds / progress.step * (steps - progress.step)
    numbers = f"loss {progress.loss:.3f}  scale {progress.scale:5.1f}"
    typer.echo(f"step {progress.step:5d}/{steps}  {numbers}  {progress.seconds:4.0f} s, {left:4.0f} s left")


if __name__ == "__main__":
    app()
