"""Which classes share a score: the columns of a score matrix, and who ranks first among equals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clipbench.arrays import BoolArray, IntArray


@dataclass(frozen=True)
class ClassColumns:
    """C classes over U columns of scores; classes that no score can tell apart share a column."""

    column: IntArray
    """(C,) each class's column, 0 to U - 1."""
    twin: IntArray
    """(C,) the lowest class with the same prompt strings, which is the class itself where there is no other."""

    @classmethod
    def apart(cls, classes: int) -> ClassColumns:
        """Return the columns of classes that have a score each."""
        each = np.arange(classes, dtype=np.int64)
        return cls(each, each)

    @cached_property
    def sizes(self) -> IntArray:
        """(U,) how many classes share each column."""
        return np.bincount(self.column).astype(np.int64)

    @cached_property
    def ahead(self) -> IntArray:
        """(C,) how many classes of its own column rank before each class.

        Of classes with the same strings the lower index wins, as in published figures. Classes whose
        strings differ but whose vectors are equal are ties of the model, so they rank before each other.
        """
        return np.array([self._count_ahead(index) for index in range(len(self.column))], np.int64)

    def _count_ahead(self, index: int) -> int:
        if self.sizes[self.column[index]] == 1:
            return 0
        others = np.flatnonzero(self.column == self.column[index])
        same = self.twin[others] == self.twin[index]
        return int(np.count_nonzero(~same | (others < index)))

    @cached_property
    def first(self) -> IntArray:
        """(U,) the lowest class of each column."""
        return np.unique(self.column, return_index=True)[1].astype(np.int64)

    @cached_property
    def tied(self) -> tuple[tuple[int, ...], ...]:
        """Groups of classes whose strings differ but whose vectors are equal."""
        groups = (np.flatnonzero(self.column == column) for column in np.flatnonzero(self.sizes > 1))
        return tuple(tuple(map(int, group)) for group in groups if len(set(self.twin[group])) > 1)

    @cached_property
    def tied_columns(self) -> BoolArray:
        """(U,) whether classes with different strings share the column."""
        mask = np.zeros(len(self.sizes), np.bool_)
        mask[[self.column[group[0]] for group in self.tied]] = True
        return mask

    @cached_property
    def twins(self) -> tuple[tuple[int, int], ...]:
        """(lower class, class) for each class whose prompt strings are those of a lower class."""
        return tuple((int(low), index) for index, low in enumerate(self.twin) if low != index)
