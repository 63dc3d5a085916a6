"""Models by models, as a table whose shade is a number of each two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from clipbench.report.text.labels import short_names

NUMBERED = 20
"""With more models than that a cell has no room for its number."""

MOST = 40
"""Models that the matrix has; of more the first ones are shown."""

_LABEL = 26


@dataclass(frozen=True)
class MatrixCell:
    """One pair of models."""

    text: str = ""
    shade: float = 0.0
    """In [0, 1]."""
    hover: str = ""
    firm: bool = False


@dataclass(frozen=True)
class Matrix:
    """A number of each two models."""

    models: tuple[tuple[str, str], ...]
    """Each with its name cut to fit."""
    rows: tuple[tuple[MatrixCell, ...], ...]
    """(M, M); nothing on the diagonal."""
    sentence: str
    left_out: int

    @property
    def numbered(self) -> bool:
        """Whether cells have room for their numbers."""
        return len(self.models) <= NUMBERED


def short_model_names(models: Sequence[str]) -> Mapping[str, str]:
    """Return the models' names cut to fit beside a matrix."""
    return short_names(models, _LABEL)


def make_matrix(
    models: Sequence[str], cell: Callable[[str, str], MatrixCell], sentence: str, most: int = MOST
) -> Matrix:
    """Set out what `cell` says of each two of the first `most` models, which stand in this order."""
    shown, short = models[:most], short_model_names(models)
    rows = tuple(tuple(MatrixCell() if model == other else cell(model, other) for other in shown) for model in shown)
    return Matrix(tuple((model, short[model]) for model in shown), rows, sentence, len(models) - len(shown))
