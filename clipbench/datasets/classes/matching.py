"""Which classes two data sets share, so that both can be classified among the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipbench.errors import UserError, did_you_mean, quoted


@dataclass(frozen=True)
class ClassMatch:
    """The classes that a shifted set has in common with its reference, named as the shifted set names them."""

    names: tuple[str, ...]
    """In the shifted set's order."""
    of_reference: Mapping[int, int]
    """Index into the reference's classes -> index into `names`; of several reference classes, one each."""
    of_shift: Mapping[int, int]
    """Index into the shifted set's classes -> index into `names`."""
    unmatched_reference: tuple[str, ...]
    unmatched_shift: tuple[str, ...]


def match_classes(
    reference: Sequence[str], shift: Sequence[str], table: Mapping[str, tuple[str, ...]], *, where: str
) -> ClassMatch:
    """Match the classes of a shifted set with those of its reference.

    Equal lists match index by index. Else a class stands for the reference classes that the table gives it, and a
    class that is not in the table for the one of the same name. Classes of one name are one class: ImageNet's list
    has two pairs of them.

    Args:
        reference: the reference's classes, in label order.
        shift: the shifted set's, likewise.
        table: class of the shift -> classes of the reference; an empty tuple leaves the class out.
        where: for messages.

    Raises:
        UserError: the table names a class that is not there, gives one reference class to two, or nothing matches.
    """
    _check_table(reference, shift, table, where)
    if not table and tuple(reference) == tuple(shift):
        same = {index: index for index in range(len(shift))}
        return ClassMatch(tuple(shift), same, same, (), ())
    shared = set(reference) & set(shift)
    meant = {name: table.get(name, (name,) if name in shared else ()) for name in dict.fromkeys(shift)}
    names = tuple(name for name, classes in meant.items() if classes)
    position = {name: index for index, name in enumerate(names)}
    owner = _owners(meant, where)
    if not names:
        raise _nothing(reference, shift, where)
    return ClassMatch(
        names=names,
        of_reference={index: position[owner[name]] for index, name in enumerate(reference) if name in owner},
        of_shift={index: position[name] for index, name in enumerate(shift) if name in position},
        unmatched_reference=tuple(dict.fromkeys(name for name in reference if name not in owner)),
        unmatched_shift=tuple(name for name in meant if name not in position),
    )


def _owners(meant: Mapping[str, tuple[str, ...]], where: str) -> dict[str, str]:
    """Return for each reference class the one class of the shift that stands for it."""
    owner: dict[str, str] = {}
    for name, classes in meant.items():
        for of_reference in classes:
            first = owner.setdefault(of_reference, name)
            if first != name:
                problem = f"the reference's class {of_reference!r} is given to both {first!r} and {name!r}"
                raise UserError(problem, where=where, fix="in `classes`, give each class of the reference to one")
    return owner


def _check_table(
    reference: Sequence[str], shift: Sequence[str], table: Mapping[str, tuple[str, ...]], where: str
) -> None:
    for name, classes in table.items():
        if name not in shift:
            fix = did_you_mean(name, shift)
            raise UserError(f"`classes` names {name!r}, which is no class of the shifted set", where=where, fix=fix)
        for of_reference in classes:
            if of_reference not in reference:
                problem = f"`classes` gives {name!r} the class {of_reference!r}, which the reference lacks"
                raise UserError(problem, where=where, fix=did_you_mean(of_reference, reference))


def _nothing(reference: Sequence[str], shift: Sequence[str], where: str) -> UserError:
    sides = f"the reference has {quoted(reference, 5)}; the shift {quoted(shift, 5)}"
    problem = f"no class has the same name in both: {sides}"
    return UserError(problem, where=where, fix="say under `classes` which class of the shift is which of the reference")
