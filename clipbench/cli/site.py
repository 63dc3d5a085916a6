"""The command that writes a leaderboard as a site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def site(
    runs: Annotated[list[Path] | None, typer.Argument(help="Results folders; several are seen as one.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The site's folder.")] = Path("site"),
    title: Annotated[str | None, typer.Option(help="Of the site; by default the suites' names.")] = None,
    published: Annotated[str, typer.Option(help="Published tables to show beside: open-clip,imagenet-testbed.")] = "",
    images: Annotated[bool, typer.Option("--images/--no-images", help="Publish thumbnails.")] = True,
) -> None:
    """Write a leaderboard as static pages: no server, opened from disk or put on any host."""
    from clipbench.report.site.site import write_site
    from clipbench.results.folder import Results, load_results

    tables = [key.strip() for key in published.split(",") if key.strip()]
    results = load_results(*runs) if runs else Results(output, only=())
    typer.echo(write_site(results, output, title=title, published=tables, images=images))
