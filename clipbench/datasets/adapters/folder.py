"""A folder of images with one sub-folder a class."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from clipbench.datasets.base import Dataset, Example, Split
from clipbench.datasets.decoding import Decoding
from clipbench.datasets.io.image_files import IMAGE_SUFFIXES, FileSplit, path_text
from clipbench.datasets.labels import IMAGENET, class_list
from clipbench.errors import UserError, did_you_mean, listed

SPLIT_FOLDERS = {
    **{name: name for name in ("train", "val", "valid", "validation", "dev", "test")},
    "training": "train",
    "testing": "test",
    "eval": "val",
}
"""Names of folders that hold a split, in lower case, each with what the split is called."""


class ImageFolder(Dataset):
    """Images sorted into one folder a class; folders called `train`, `val`, `test`, ... around those are splits.

    Labels follow the sorted names of the class folders, and an underscore in such a name is read as a space.
    A class folder without images stays a class. Sub-folders of a class belong to it. Hidden files and files
    without an image's extension are passed over. An id is the path below `path`; bytes of it that are no UTF-8 are
    written as `\\xff`.
    """

    captioned = False
    decoding = Decoding(exif="apply")

    def __init__(
        self,
        *,
        path: Path,
        split: str | None = None,
        classes: Sequence[str] | Mapping[str, str] | str | None = None,
        links: Literal["inside", "follow"] = "inside",
    ) -> None:
        """List the images; none is read.

        Args:
            split: what to call the one split of a folder that is not divided into splits, `test` if left out; given,
                it says that folders of which some look like splits are classes.
            classes: the class names: a list in the order of the sorted folder names, a mapping from folder to
                class name, or `open_clip:imagenet` for 1,000 folders named by WordNet id.
            links: 'inside': links may lead to what lies below `path`; 'follow': anywhere.

        Raises:
            UserError: no class folders, `classes` does not fit them, a link leads out of the folder or around in a
                circle, or which folders are splits is ambiguous.
        """
        if not path.is_dir():
            raise UserError("is not a folder", where=str(path), fix="check `path`")
        self._root, self._real = path, path.resolve()
        self._links = links
        try:
            self._list(split, classes)
        except OSError as error:
            fix = "check its permissions, and those of the folders around it"
            raise UserError(f"cannot be listed ({error.strerror})", where=path_text(error.filename), fix=fix) from error

    def _list(self, split: str | None, classes: Sequence[str] | Mapping[str, str] | str | None) -> None:
        path = self._root
        self.split_folders = roots = self._split_roots(split, classes)
        folders = sorted({folder.name for root in roots.values() for folder in _subfolders(root)})
        if not folders:
            fix = "put the images of each class into a folder of its own, named after the class"
            raise UserError("holds no class folders", where=str(path), fix=fix)
        self.classes = _name_classes(folders, classes, str(path))
        self._splits = {name: self._open(root, folders) for name, root in roots.items()}
        if not any(split.count for split in self._splits.values()):
            fix = f"images end in one of: {', '.join(sorted(IMAGE_SUFFIXES))}"
            raise UserError(f"no image in the class folders ({', '.join(folders[:5])}, ...)", where=str(path), fix=fix)

    @property
    def splits(self) -> Mapping[str, Split]:
        """The split folders, or one split."""
        return self._splits

    def _split_roots(
        self, split: str | None, classes: Sequence[str] | Mapping[str, str] | str | None
    ) -> Mapping[str, Path]:
        """Return the folder around the class folders of each split; split folders hold folders and no images.

        Raises:
            UserError: only some folders look like splits, or all do and yet `split` is given.
        """
        undivided = {split or "test": self._root}
        inside = _subfolders(self._root)
        alike = [
            folder
            for folder in inside
            if folder.name.casefold() in SPLIT_FOLDERS and _subfolders(folder) and not _has_image(folder)
        ]
        named = classes if isinstance(classes, Mapping) else {}
        if not alike or any(folder.name in named for folder in alike):
            return undivided
        splits = {SPLIT_FOLDERS[folder.name.casefold()]: folder for folder in alike}
        divided = len(splits) == len(inside)
        if divided != (split is None):
            raise self._ambiguous(alike, [folder for folder in inside if folder not in alike], divided)
        return splits if divided else undivided

    def _ambiguous(self, alike: Sequence[Path], others: Sequence[Path], divided: bool) -> UserError:
        if divided:
            problem = f"{_shown(alike)} look like splits, and `split` names the one split of an undivided folder"
            fix = "leave out `split`; or, if they are classes, name each of them under `classes`"
        else:
            seen = f"{_shown(others)} do not" if others else "two of them are one split"
            problem = f"{_shown(alike)} look like splits, and {seen}"
            fix = (
                "move what is no split elsewhere, with the class folders of each split in one folder; "
                "or, if all of them are classes, add `split: test` to the definition"
            )
        return UserError(problem, where=path_text(self._root), fix=fix)

    def _open(self, root: Path, folders: Sequence[str]) -> FileSplit:
        files = [
            (Example(path_text(file.relative_to(self._root).as_posix()), b"", label), file)
            for label, folder in enumerate(folders)
            if (root / folder).is_dir()
            for file in sorted(self._walk(root / folder, frozenset()), key=Path.as_posix)
        ]
        return FileSplit(files)

    def _walk(self, folder: Path, around: frozenset[Path]) -> Iterator[Path]:
        """Iterate over the images below a folder; `around` are the folders that it was reached through."""
        real = folder.resolve()
        self._check_inside(folder, real)
        if real in around:
            raise UserError("is a link to a folder around it", where=path_text(folder), fix="remove the link")
        with os.scandir(folder) as entries:
            for entry in entries:
                path = folder / entry.name
                if entry.name.startswith("."):
                    continue
                # `entry.is_dir` raises where a link leads to itself.
                if path.is_dir() if entry.is_symlink() else entry.is_dir():
                    yield from self._walk(path, around | {real})
                elif path.suffix.lower() in IMAGE_SUFFIXES:
                    if entry.is_symlink():
                        self._check_inside(path, _target(path))
                    yield path

    def _check_inside(self, path: Path, target: Path) -> None:
        if self._links == "inside" and not target.is_relative_to(self._real):
            fix = "if that is meant, add `links: follow` to the definition"
            raise UserError(
                f"is a link that leaves {self._root}, to {path_text(target)}", where=path_text(path), fix=fix
            )


def _target(link: Path) -> Path:
    """Return where a link leads; where that is to itself the link, whose image is a broken one."""
    try:
        return link.resolve()
    except (OSError, RuntimeError):
        return link.parent.resolve() / link.name


def _shown(folders: Sequence[Path]) -> str:
    return listed([f"{path_text(folder.name)}/" for folder in folders], limit=5)


def _subfolders(folder: Path) -> list[Path]:
    visible = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    for entry in visible:
        if entry.is_symlink() and not entry.suffix and not entry.exists():
            fix = "it would be a class or a split without images: mend or remove the link"
            raise UserError("is a link to nothing", where=path_text(entry), fix=fix)
    return sorted(entry for entry in visible if entry.is_dir())


def _has_image(folder: Path) -> bool:
    return any(entry.suffix.lower() in IMAGE_SUFFIXES for entry in folder.iterdir() if entry.is_file())


def _name_classes(
    folders: Sequence[str], classes: Sequence[str] | Mapping[str, str] | str | None, where: str
) -> tuple[str, ...]:
    if isinstance(classes, Mapping):
        return _map_classes(folders, classes, where)
    names = class_list(classes, where=where)
    if names is None:
        for folder in folders:
            if path_text(folder) != folder:
                fix = "rename the folder, or name its class with `classes`"
                raise UserError(f"the folder's name {path_text(folder)} is not UTF-8 text", where=where, fix=fix)
        return tuple(folder.replace("_", " ") for folder in folders)
    if len(names) != len(folders):
        shown = IMAGENET if classes == IMAGENET else "`classes`"
        fix = "give one name for each folder, in the order of the sorted folder names"
        raise UserError(f"{shown} has {len(names)} names for {len(folders)} class folders", where=where, fix=fix)
    return names


def _map_classes(folders: Sequence[str], classes: Mapping[str, str], where: str) -> tuple[str, ...]:
    if unknown := sorted(set(classes) - set(folders)):
        problem = f"`classes` names {unknown[0]!r}, and there is no such folder"
        raise UserError(problem, where=where, fix=did_you_mean(unknown[0], folders))
    if unnamed := [folder for folder in folders if folder not in classes]:
        fix = f"add `{unnamed[0]}: ...` to `classes`"
        raise UserError(f"`classes` has no name for folder {unnamed[0]!r}", where=where, fix=fix)
    return tuple(classes[folder] for folder in folders)
