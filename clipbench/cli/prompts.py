"""The commands `clipbench prompts ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clipbench.errors import printable

DataRoot = Annotated[
    Path | None, typer.Option(envvar="CLIPBENCH_DATA", help="A folder of local mirrors, looked at before the hub.")
]

app = typer.Typer(name="prompts", help="Look at prompt sets, filled with class names.", no_args_is_help=True)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A prompt set's name or file, a template with {}, or own.")],
    dataset: Annotated[
        str | None, typer.Option(help="Fill in the classes of this data set, of the catalog or the suite.")
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help="A suite that defines the data set or the prompt set: a file or a name.")
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", help="Fill in this class; needs no data set. Repeat for several."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Count this model's tokens; by default those of the paper's CLIP."),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="List so many classes; 0 for all.")] = 5,
    data_root: DataRoot = None,
) -> None:
    """Print the filled strings of a prompt set, their token counts, and which a tokenizer would cut."""
    from clipbench.cli.console import print_rows
    from clipbench.cli.prompt_listing import show_prompts

    listing = show_prompts(
        name, dataset=dataset, suite=suite, classes=classes or (), model=model, limit=limit, data_root=data_root
    )
    print_rows(listing.columns, listing.rows)
    for note in listing.notes:
        typer.echo(printable(note), err=True)
