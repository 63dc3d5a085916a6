"""The commands `clipbench reference ...`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from clipbench.reference.listing import Listing

app = typer.Typer(
    name="reference", help="Look at the published figures that results are set beside.", no_args_is_help=True
)


@app.command("list")
def reference_list() -> None:
    """List the published tables with source, licence and size."""
    from clipbench.reference.listing import tables

    _print_listing(tables())


@app.command("table")
def reference_table(name: Annotated[str, typer.Argument(help="A table's name, as `list` gives it.")]) -> None:
    """Print a published table, and what was changed and left out."""
    from clipbench.reference.listing import table

    _print_listing(table(name))


@app.command("robustness")
def reference_robustness(
    model: Annotated[str, typer.Argument(help="A published model, e.g. vit_b_32_clip_zeroshot, or how it begins.")],
    every: Annotated[bool, typer.Option("--all", help="Also shifts that are not among the data sets here.")] = False,
) -> None:
    """Print a published model's effective robustness under each shift of ImageNet."""
    from clipbench.reference.listing import robustness

    _print_listing(robustness(model, every))


@app.command("pair")
def reference_pair() -> None:
    """Print the CLIP paper's pair: zero-shot CLIP beside a supervised ResNet-101."""
    from clipbench.reference.listing import paper_pair

    _print_listing(paper_pair())


def _print_listing(listing: Listing) -> None:
    from clipbench.cli.console import print_rows

    console = print_rows(listing.columns, listing.rows)
    for note in listing.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=not console.is_terminal)
