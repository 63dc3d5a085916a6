"""What closed boxes of a report hold: compact data that its script sets out when one is opened, each thing once."""

from __future__ import annotations

from collections import Counter
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

_PLAIN, _SCROLLS, _SHADED = range(3)
"""How a table looks."""


class _Place(int):
    """Of a value; to be told from a number of a block."""


class Held:
    """The boxes of one page. Models, classes and data sets name the same things, so that most values recur."""

    def __init__(self) -> None:
        self._places: dict[Hashable, _Place] = {}
        self._uses: Counter[int] = Counter()
        self._blocks: dict[str, int] = {}
        self._set_out: list[Block] = []
        self._boxes: list[list[int]] = []

    def box(self, *blocks: Block) -> int:
        """Hold some blocks; returns what a template names as `data-held`."""
        self._boxes.append([self._shared(block) for block in blocks])
        return len(self._boxes) - 1

    @property
    def data(self) -> dict[str, Any]:
        """What the script reads; without boxes it is empty. Values that are used most have the shortest places."""
        if not self._boxes:
            return {}
        values = list(self._places)
        order = [place for place, _ in self._uses.most_common()]
        rank = {place: at for at, place in enumerate(order)}
        blocks = [_renumbered(block, rank) for block in self._set_out]
        return {"values": [values[place] for place in order], "blocks": blocks, "boxes": self._boxes}

    def tables(self, tables: Sequence[Grid]) -> int:
        """Hold small tables beside each other."""
        return self.box(self.beside(*map(self.grid, tables)))

    def heat(self, grid: Grid) -> int:
        """Hold a table whose cells are shaded, intervals where one points."""
        return self.box(self._grid(grid, _SHADED))

    def grid(self, grid: Grid, *, tall: bool | None = None, search: str = "", links: Sequence[str] = ()) -> Block:
        """A small table; `search` labels a field that finds rows, `links` are anchors of the rows' heads."""
        scrolls = len(grid.rows) > TALL if tall is None else tall
        return self._grid(grid, _SCROLLS if scrolls else _PLAIN, search, links)

    def _grid(self, grid: Grid, look: int, search: str = "", links: Sequence[str] = ()) -> Block:
        frame = (grid.caption, grid.note, tuple((head.text, head.numeric) for head in grid.heads))
        rows = [[self._entry(entry) for entry in row] for row in grid.rows]
        more = [self._place(search), [*map(self._place, links)]] if search or links else []
        return ["grid", self._place(frame), rows, look, *more]

    def matrix(self, matrix: Matrix) -> Block:
        """Models by models; what is said about it stands in the template."""
        rows = [
            [self._place((cell.text, cell.hover, round(cell.shade, 2), cell.firm)) for cell in row]
            for row in matrix.rows
        ]
        return ["matrix", [*map(self._place, matrix.models)], rows, int(matrix.numbered)]

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
            answer = (picture.true_label, picture.prediction) if picture.prediction else (picture.caption,)
            shown.append([self._place(text) for text in (picture.uri or f"({picture.why_not})", picture.id, *answer)])
        return ["album", self._place(title), shown, self._place(words), self._place(foot)]

    def notes(self, notes: Sequence[str], title: str = "", kind: str = "notes") -> Block:
        """Sentences, or with the kind 'notice' what went wrong."""
        return [kind, [*map(self._place, notes)], self._place(title)]

    def beside(self, *blocks: Block, kind: str = "grids") -> Block:
        """Blocks that stand beside each other; 'pair': a figure and its table."""
        return [kind, [self._shared(block) for block in blocks]]

    def _shared(self, block: Block) -> int:
        place = self._blocks.setdefault(repr(block), len(self._set_out))
        if place == len(self._set_out):
            self._set_out.append(block)
        return place

    def _entry(self, entry: Entry) -> int:
        if entry.bar is not None:
            return self._place((entry.text, entry.small, round(entry.bar, 3)))
        return self._place((entry.text, entry.small) if entry.small else entry.text)

    def _place(self, value: Hashable) -> _Place:
        place = self._places.setdefault(value, _Place(len(self._places)))
        self._uses[place] += 1
        return place


def _renumbered(part: Any, rank: dict[int, int]) -> Any:
    if isinstance(part, list):
        return [_renumbered(inner, rank) for inner in part]
    return rank[part] if isinstance(part, _Place) else part
