"""A folder of images with one sub-folder a class."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from clipbench.datasets.base import Dataset, Example, Split
from clipbench.datasets.io.image_files import IMAGE_SUFFIXES, FileSplit
from clipbench.datasets.labels import IMAGENET, class_list
from clipbench.errors import UserError, did_you_mean

SPLIT_FOLDERS = frozenset({"train", "val", "valid", "validation", "dev", "test"})


class ImageFolder(Dataset):
    """Images sorted into one folder a class; `train`, `val` and `test` folders around those are splits.

    Labels follow the sorted names of the class folders, and an underscore in such a name is read as a space.
    A class folder without images stays a class. Sub-folders of a class belong to it. Hidden files and files
    without an image's extension are passed over. An id is the path below `path`; bytes of it that are no UTF-8 are
    written as `\\xff`.
    """

    def __init__(
        self, *, path: Path, split: str = "test", classes: Sequence[str] | Mapping[str, str] | str | None = None
    ) -> None:
        """List the images; none is read.

        Args:
            split: what to call the one split of a folder that is not divided into splits.
            classes: the class names: a list in the order of the sorted folder names, a mapping from folder to
                class name, or `open_clip:imagenet` for 1,000 folders named by WordNet id.

        Raises:
            UserError: no class folders, `classes` does not fit them, or a link leads out of the folder.
        """
        if not path.is_dir():
            raise UserError("is not a folder", where=str(path), fix="check `path`")
        self._root = path
        roots = self._split_roots(split)
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

    def _split_roots(self, split: str) -> dict[str, Path]:
        inside = _subfolders(self._root)
        divided = bool(inside) and all(
            folder.name in SPLIT_FOLDERS and _subfolders(folder) and not _has_image(folder) for folder in inside
        )
        return {folder.name: folder for folder in inside} if divided else {split: self._root}

    def _open(self, root: Path, folders: Sequence[str]) -> FileSplit:
        files = [
            (Example(_as_text(file.relative_to(self._root).as_posix()), b"", label), file)
            for label, folder in enumerate(folders)
            if (root / folder).is_dir()
            for file in sorted(self._walk(root / folder), key=Path.as_posix)
        ]
        return FileSplit(files)

    def _walk(self, folder: Path) -> Iterator[Path]:
        self._stay_inside(folder)
        for parent, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in folders:
                self._stay_inside(Path(parent, name))
            for name in names:
                file = Path(parent, name)
                if not name.startswith(".") and file.suffix.lower() in IMAGE_SUFFIXES:
                    self._stay_inside(file)
                    yield file

    def _stay_inside(self, path: Path) -> None:
        if not path.is_symlink():
            return
        if path.is_dir():
            fix = "move or copy the folder, or list the images in a table (`adapter: table`)"
            raise UserError("is a link to a folder, which is not followed", where=str(path), fix=fix)
        if not path.resolve().is_relative_to(self._root.resolve()):
            fix = "copy the image, or list it in a table (`adapter: table`)"
            raise UserError(f"is a link that leaves {self._root}", where=str(path), fix=fix)


def _as_text(name: str) -> str:
    return os.fsencode(name).decode(errors="backslashreplace")


def _subfolders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


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
            if _as_text(folder) != folder:
                fix = "rename the folder, or name its class with `classes`"
                raise UserError(f"the folder's name {_as_text(folder)} is not UTF-8 text", where=where, fix=fix)
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
