"""The webdataset layout, in a local folder or on the hub: one tar a shard, class names and templates beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from clipbench.datasets.base import Dataset, Example, Split
from clipbench.datasets.decoding import decode
from clipbench.datasets.io.repository import (
    FolderRepository,
    HubDataset,
    HubRepository,
    Repository,
    open_hub_repository,
)
from clipbench.datasets.io.tars import Sample, samples
from clipbench.datasets.labels import ClassIndex, class_list, class_number, classes_present
from clipbench.errors import UserError
from clipbench.fingerprint import digest_strings

if TYPE_CHECKING:
    import PIL.Image

Kind = Literal["classification", "multilabel", "retrieval"]

_TAR = re.compile(r"(?P<split>[^./][^/]*)/(?P<number>\d+)\.tar")
_NAMES = "classnames.txt"
_TEMPLATES = "zeroshot_classification_templates.txt"
_TYPE = "dataset_type.txt"
_EXTENSION = {"classification": "cls", "multilabel": "npy", "retrieval": "txt"}
_COUNTED_BYTES = 4 << 30
"""Above this, counting the examples of a local split takes too long for a plan."""


class WebDataset(Dataset):
    """A data set as tars of samples: `SPLIT/0.tar`, ... with `KEY.jpg` and `KEY.cls`, `KEY.npy` or `KEY.txt`."""

    def __init__(
        self,
        *,
        path: Path | None = None,
        hub: str | None = None,
        revision: str = "main",
        splits: Mapping[str, str] | None = None,
        dataset_type: Kind | None = None,
        classes: Sequence[str] | str | None = None,
        data_root: Path | None = None,
        catalog_name: str = "",
    ) -> None:
        """Open a folder, or a hub data set whose shards are downloaded one at a time as they are read.

        Args:
            hub: a data set's name on the hub, `ORG/REPO`; a copy under `data_root` comes first.
            revision: branch, tag or commit on the hub.
            splits: the pattern of each split's tars, `{train: "cc12m-train-*.tar"}`, instead of SPLIT/NUMBER.tar.
            dataset_type: instead of what dataset_type.txt says.
            classes: class names in label order instead of those in classnames.txt.

        Raises:
            Unavailable: it is not here and the hub cannot be reached or refuses it.
            UserError: the layout is another one.
        """
        self._files = _open(path, hub, revision, data_root, catalog_name, splits)
        self._kind = dataset_type or self._read_kind()
        self.multilabel, self.captioned = self._kind == "multilabel", self._kind == "retrieval"
        self.classes = class_list(classes, where=self._files.name) or tuple(self._lines(_NAMES))
        self.templates = tuple(self._read_templates())
        if self._kind != "retrieval" and not self.classes:
            fix = "put the class names there, one a line in label order, or say `dataset_type: retrieval` for captions"
            raise UserError(f"{_NAMES} is missing or empty", where=self._files.name, fix=fix)
        self._splits = self._find_splits(splits)

    @property
    def splits(self) -> Mapping[str, Split]:
        """Those that were asked for, or one for each folder that holds numbered tars."""
        return self._splits

    def _find_splits(self, patterns: Mapping[str, str] | None) -> Mapping[str, Split]:
        tars: dict[str, list[str]] = {}
        for name in self._files.sizes:
            if split := _split_of(name, patterns):
                tars.setdefault(split, []).append(name)
        if patterns is None and not tars:
            fix = "expected SPLIT/0.tar, SPLIT/1.tar, ... and classnames.txt beside them; name other tars in `splits`"
            raise UserError("holds no split in the webdataset layout", where=self._files.name, fix=fix)
        for split, pattern in (patterns or {}).items():
            names = [Path(name).stem for name in tars.get(split, ())]
            if not names or len(set(names)) < len(names):
                problem = f"several tars of {pattern!r} have one name" if names else f"no tar is called {pattern!r}"
                fix = "a pattern has the names of one folder's tars, as in train: train-*.tar, or train: shards/*.tar"
                raise UserError(f"splits: {split}: {problem}", where=self._files.name, fix=fix)
        return {
            split: TarSplit(self._files, split, tuple(sorted(found, key=_natural)), self._kind, self.classes)
            for split, found in sorted(tars.items())
        }

    def _lines(self, name: str) -> list[str]:
        if name not in self._files.sizes:
            return []
        path = self._files.fetch(name)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise UserError("is not UTF-8 text", where=str(path)) from error
        return [line.strip() for line in text.splitlines() if line.strip()]

    def _read_kind(self) -> Kind:
        kind = " ".join(self._lines(_TYPE)) or "classification"
        if kind not in _EXTENSION:
            fix = f"one of: {', '.join(_EXTENSION)}"
            raise UserError(f"{_TYPE} says {kind!r}", where=self._files.name, fix=fix)
        return kind  # type: ignore[return-value]

    def _read_templates(self) -> Iterator[str]:
        for template in self._lines(_TEMPLATES):
            if "{c}" not in template:
                problem = f"template {template!r} does not contain {{c}}"
                raise UserError(problem, where=f"{self._files.name}/{_TEMPLATES}", fix="{c} stands for the class name")
            yield template.replace("{c}", "{}")


def _open(
    path: Path | None,
    hub: str | None,
    revision: str,
    data_root: Path | None,
    catalog_name: str,
    splits: Mapping[str, str] | None,
) -> Repository:
    if (path is None) == (hub is None):
        raise UserError("a webdataset needs either `path` (a folder) or `hub` (ORG/REPO)", where=catalog_name or None)
    if path is not None:
        if not path.is_dir():
            raise UserError("is not a folder", where=str(path), fix="check `path`")
        return FolderRepository(path)
    assert hub is not None
    dataset = HubDataset(hub, data_root, catalog_name)
    mirror = dataset.find_mirror(partial(_has_tars, splits=splits))
    return open_hub_repository(dataset, revision) if mirror is None else FolderRepository(mirror)


def _has_tars(folder: Path, splits: Mapping[str, str] | None) -> bool:
    return folder.is_dir() and any(_split_of(name, splits) for name in FolderRepository(folder).sizes)


def _split_of(name: str, splits: Mapping[str, str] | None) -> str | None:
    """Return the split that a file belongs to, by the patterns of splits or as SPLIT/NUMBER.tar."""
    if splits is None:
        match = _TAR.fullmatch(name)
        return match and match["split"]
    depth = name.count("/")
    return next((split for split, like in splits.items() if depth == like.count("/") and fnmatchcase(name, like)), None)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort 2.tar before 10.tar."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


@dataclass(frozen=True, eq=False)
class TarSplit(Split):
    """One split of the webdataset layout."""

    files: Repository
    name: str
    tars: tuple[str, ...]
    kind: Kind
    classes: tuple[str, ...]

    @cached_property
    def count(self) -> int | None:  # type: ignore[override]
        """Counted from the tar headers where the shards are local and not too large."""
        if isinstance(self.files, HubRepository) or sum(self.files.sizes[tar] for tar in self.tars) > _COUNTED_BYTES:
            return None
        return sum(1 for shard in self._shards() for _ in shard.samples(images=False, extensions=frozenset()))

    @property
    def download_bytes(self) -> int:  # type: ignore[override]
        """The size of the shards that are not here yet."""
        return self.files.pending_bytes(self.tars)

    def shards(self) -> Sequence[TarShard]:
        """Return one shard a tar, in order of number or name; each is downloaded when it is iterated.

        Raises:
            UserError: nshards.txt speaks of more tars than there are.
        """
        declared = self._declared_shards() if all(map(_TAR.fullmatch, self.tars)) else 0
        for tar in (f"{self.name}/{number}.tar" for number in range(declared)):
            if tar not in self.tars:
                raise self.files.lacks(f"{tar} (one of {declared} shards)")
        return self._shards()

    def _declared_shards(self) -> int:
        name = f"{self.name}/nshards.txt"
        if name not in self.files.sizes:
            return 0
        path = self.files.fetch(name)
        content = path.read_bytes().strip()
        if not content.isdigit():
            raise UserError(f"holds {content[:40]!r}, not a number", where=str(path), fix="write the number of tars")
        return int(content)

    def _shards(self) -> list[TarShard]:
        return [TarShard(self.files, tar, self.kind, ClassIndex(self.classes)) for tar in self.tars]

    def locator(self) -> str:
        """Return the hub's commit, or a digest of the files' sizes and times, with the split and the class names."""
        beside = (name for name in self.files.sizes if "/" not in name)
        return f"{self.files.locator((*self.tars, *beside))}|{self.name}|{digest_strings(self.classes)}"

    def keys(self) -> Iterator[tuple[str, int | None]]:
        """Iterate over (id, label), skipping over the image bytes."""
        for shard in self.shards():
            yield from shard.keys()

    def image(self, example_id: str) -> PIL.Image.Image:
        """Return one decoded image, from its own shard."""
        number, _, key = example_id.partition("/")
        for shard in self._shards():
            if shard.name == number:
                for sample in shard.samples(only=key, extensions=frozenset()):
                    return decode(sample.image or b"", self.decoding)
        raise KeyError(example_id)


@dataclass(frozen=True)
class TarShard:
    """One tar; it is fetched when it is iterated."""

    files: Repository
    tar: str
    kind: Kind
    index: ClassIndex

    @property
    def name(self) -> str:
        """The tar's number, or its name without the ending."""
        return Path(self.tar).stem

    def samples(
        self, *, images: bool = True, only: str | None = None, extensions: frozenset[str] | None = None
    ) -> Iterator[Sample]:
        """Iterate over the tar's samples with what belongs to this kind of data set."""
        wanted = frozenset({_EXTENSION[self.kind]}) if extensions is None else extensions
        return samples(self.files.fetch(self.tar), images=images, only=only, extensions=wanted)

    def __iter__(self) -> Iterator[Example]:
        """Iterate over the examples.

        Raises:
            UserError: a sample without label, a label outside the classes, a damaged tar.
        """
        for sample in self.samples():
            label, labels, captions = self._annotation(sample)
            yield Example(self._id(sample), sample.image or b"", label, labels, captions)

    def keys(self) -> Iterator[tuple[str, int | None]]:
        """Iterate over (id, label)."""
        for sample in self.samples(images=False):
            yield self._id(sample), self._annotation(sample)[0]

    def _id(self, sample: Sample) -> str:
        return f"{self.name}/{sample.key}"

    def _annotation(self, sample: Sample) -> tuple[int | None, tuple[int, ...] | None, tuple[str, ...]]:
        extension = _EXTENSION[self.kind]
        where = f"{self.files.name}/{self.tar}: {sample.key}.{extension}"
        if extension not in sample.texts:
            raise UserError("is missing", where=where, fix=f"a {self.kind} data set has one for each image")
        content = sample.texts[extension]
        try:
            if self.kind == "retrieval":
                lines = content.decode("utf-8-sig").splitlines()
                return None, None, tuple(line.strip() for line in lines if line.strip())
            if self.kind == "multilabel":
                return None, classes_present(content, len(self.index.classes)), ()
            return self.index.checked(class_number(content)), None, ()
        except ValueError as error:
            raise UserError(str(error), where=where, fix="check the label against classnames.txt") from error
