"""Comparing models on the command line, and refusing a new one that is worse."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clipbench.errors import UserError

WORSE, UNDECIDED = 3, 4
EXIT_CODES = (
    "Exit codes: 0 compared, and of --fail-if-worse nothing is shown to be worse by more than that; 2 wrong use; 3 "
    "something is worse by more than the points given, and its interval excludes zero; 4 with --strict: for something "
    "there are too few examples to say."
)


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Results folders; several are seen as one.")],
    first: Annotated[str | None, typer.Option(help="A model; may be left out where the results hold two.")] = None,
    second: Annotated[str | None, typer.Option(help="The model that it is compared with.")] = None,
    metric: Annotated[str | None, typer.Option(help="A metric; by default each job's main one.")] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="Compare on this data set alone. Repeat for several.")
    ] = None,
    all_pairs: Annotated[
        bool, typer.Option("--all-pairs", help="Compare all models, and say which ranks each may have.")
    ] = False,
    disagreements: Annotated[
        Path | None, typer.Option(help="Also write the examples on which the two differ, to this .csv.")
    ] = None,
    fail_if_worse: Annotated[
        float | None,
        typer.Option(min=0, help="Fail where the second is worse than the first by more points than this."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail too where there are too few examples to say.")] = False,
) -> None:
    """Compare models, or one model of two runs, on the same examples: differences whose intervals hold together."""
    from rich.console import Console

    from clipbench.analyses.rankings.all_pairs import compare_all
    from clipbench.analyses.rankings.compare import compare as compare_two
    from clipbench.analyses.rankings.disagreements import disagreements as differing_examples
    from clipbench.analyses.rankings.gate import judge
    from clipbench.cli.comparison import print_all_pairs, print_comparison, print_judgement, write_disagreements
    from clipbench.results.folder import load_results

    results, console = load_results(*runs), Console(emoji=False)
    if all_pairs:
        if first or second or disagreements or fail_if_worse is not None:
            raise UserError("is not about two models", where="--all-pairs", fix="leave out the options that are")
        print_all_pairs(console, compare_all(results, metric=metric, datasets=dataset or ()))
        return
    table = compare_two(results, first, second, metric=metric, datasets=dataset or ())
    print_comparison(console, table)
    if disagreements is not None:
        write_disagreements(
            disagreements, differing_examples(results, first, second, metric=metric, datasets=dataset or ())
        )
    if fail_if_worse is not None:
        judged = judge(table, fail_if_worse)
        print_judgement(Console(stderr=True, emoji=False), judged, fail_if_worse)
        found = set(judged["judgement"])
        raise typer.Exit(WORSE if "worse" in found else UNDECIDED if strict and "undecided" in found else 0)
