"""What closed boxes of a report hold: compact data that its script sets out when one is opened, each value once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from clipbench.report.figures.curve import Curve
from clipbench.report.figures.matrix import Matrix
from clipbench.report.grids import Entry, Grid
from clipbench.report.pictures import Shown
from clipbench.report.run_metadata import Fact

Block = list[Any]
"""A kind with what it shows; 'templates/held.js' has a function for each. Texts are places in the values."""

TALL = 20
"""With more rows than that a table scrolls within its box."""


class Held:
    """The boxes of one page. Models, classes and data sets name the same things, so that most values recur."""

    def __init__(self) -> None:
        self._places: dict[Hashable, int] = {}
        self._boxes: list[list[Block]] = []

    def box(self, *blocks: Block) -> int:
        """Hold some blocks; returns what a template names as `data-held`."""
        self._boxes.append(list(blocks))
        return len(self._boxes) - 1

    @property
    def data(self) -> dict[str, Any]:
        """What the script reads; without boxes it is empty."""
        return {"values": list(self._places), "boxes": self._boxes} if self._boxes else {}

    def tables(self, tables: Sequence[Grid]) -> int:
        """Hold small tables beside each other."""
        return self.box(self.beside(*map(self.grid, tables)))

    def heat(self, grid: Grid) -> int:
        """Hold a table whose cells are shaded, intervals where one points."""
        return self.box([*self.grid(grid)[:3], 2, self._place(""), []])

    def grid(self, grid: Grid, *, tall: bool | None = None, search: str = "", links: Sequence[str] = ()) -> Block:
        """A small table; `search` labels a field that finds rows, `links` are anchors of the rows' heads."""
        frame = (grid.caption, grid.note, tuple((head.text, head.numeric) for head in grid.heads))
        rows = [[self._entry(entry) for entry in row] for row in grid.rows]
        scrolls = len(rows) > TALL if tall is None else tall
        return ["grid", self._place(frame), rows, int(scrolls), self._place(search), [*map(self._place, links)]]

    def matrix(self, matrix: Matrix) -> Block:
        """Models by models; what is said about it stands in the template."""
        names = [self._place(model) for model in matrix.models]
        rows = [
            [self._place((cell.text, cell.hover, round(cell.shade, 3), cell.firm)) for cell in row]
            for row in matrix.rows
        ]
        return ["matrix", names, rows, int(matrix.numbered)]

    def curve(self, curve: Curve) -> Block:
        """A figure with its title."""
        told = map(self._place, (curve.title, curve.flag, curve.legend, curve.figure.summary))
        return ["curve", *told, curve.figure.height, curve.figure.spec]

    def facts(self, title: str, facts: Sequence[Fact], foot: str = "") -> Block:
        """Names with values."""
        listed = [self._place((fact.name, fact.text, fact.full)) for fact in facts]
        return ["facts", self._place(title), listed, self._place(foot)]

    def album(self, title: str, pictures: Sequence[Shown], words: tuple[str, str], foot: str = "") -> Block:
        """Pictures, what is shown and what was answered named by two words."""
        shown = []
        for picture in pictures:
            told = (picture.caption, picture.true_label, picture.prediction, picture.id, picture.why_not)
            shown.append([*map(self._place, told), self._place(picture.uri)])
        return ["album", self._place(title), shown, [*map(self._place, words)], self._place(foot)]

    def notes(self, notes: Sequence[str], title: str = "", kind: str = "notes") -> Block:
        """Sentences, or with the kind 'notice' what went wrong."""
        return [kind, [*map(self._place, notes)], self._place(title)]

    def beside(self, *blocks: Block, kind: str = "grids") -> Block:
        """Blocks that stand beside each other; 'pair': a figure and its table."""
        return [kind, list(blocks)]

    def _entry(self, entry: Entry) -> int:
        if entry.bar is not None:
            return self._place((entry.text, entry.small, round(entry.bar, 3)))
        return self._place((entry.text, entry.small) if entry.small else entry.text)

    def _place(self, value: Hashable) -> int:
        return self._places.setdefault(value, len(self._places))
