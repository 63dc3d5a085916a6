"""What clipbench asks of a data set and of a view of one, and the classes that a user subclasses to add one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from clipbench.datasets.decoding import USUAL, Decoding, decode
from clipbench.errors import UserError, splits_there_are

if TYPE_CHECKING:
    import PIL.Image

INDEXED_SHARD = 4096


@dataclass(frozen=True)
class Example:
    """One image as it lies in the data set, not decoded, with what is known of it."""

    id: str
    """Unique within its split and stable between copies of the data set."""
    image: bytes
    """The encoded file (JPEG, PNG, WebP, PPM, ...); b"" if there is none, or with `problem` set."""
    label: int | None = None
    """Index into the data set's classes."""
    labels: tuple[int, ...] | None = None
    """Multi-label: the classes that are present."""
    captions: tuple[str, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)
    """Named attributes to break results down by, e.g. {"style": "sketch"}."""
    problem: str | None = None
    """Why the image could not be read now: it counts as broken and never stops a run, and the next run looks again.
    What the image's bytes themselves cause is found when they are decoded, and is none of this."""


Shard = Iterable[Example]
"""A part of a split that can be read on its own, each time anew and always in the same order."""


class Split(ABC):
    """One split of a data set: 'train', 'test', ..."""

    count: int | None = None
    """Number of examples, or None where the layout does not say (then known at the end)."""
    download_bytes: int = 0
    """What reading this split would download first; 0 if it is local."""
    decoding: Decoding = USUAL
    """How its images are decoded; `Dataset.split` sets what is declared of the data set."""

    @abstractmethod
    def shards(self) -> Sequence[Shard]:
        """Return the shards, in a fixed order. May download; may raise Unavailable."""

    def locator(self) -> str | None:
        """Return a cheap key (revision, or file sizes and times) that changes whenever the data might.

        None (the default) means: read the data again each time to see. Images are never encoded twice
        either way.
        """
        return None

    def keys(self) -> Iterator[tuple[str, int | None]]:
        """Iterate over (id, label) of all examples; overridden where that is cheaper than reading images."""
        for shard in self.shards():
            for example in shard:
                yield example.id, example.label

    def image(self, example_id: str) -> PIL.Image.Image:
        """Return one image, decoded as for a model; overridden where a lookup is cheaper than a scan.

        Raises:
            KeyError: no such example.
        """
        for shard in self.shards():
            for example in shard:
                if example.id == example_id:
                    return decode(example.image, self.decoding)
        raise KeyError(example_id)


@dataclass(frozen=True)
class DatasetInfo:
    """What the catalog or the suite declares of a data set, beside the data."""

    name: str
    regime: str = ""
    """'benchmark', 'shift' or 'field': which side of the gap between benchmark and reality it stands on."""
    main_metric: str = ""
    """Which metric its source reports; empty: the task's own."""
    prompts: str = ""
    """The prompt set used where a suite names none; empty: the data set's own templates."""
    description: str = ""
    source: str = ""
    licence: str = ""
    show_images: bool = True
    """False where the licence forbids thumbnails in a page."""
    cluster: str = ""
    """The group by which images come in clusters, e.g. 'track'; empty: they are independent."""
    training_names: tuple[str, ...] = ()
    """What models that were trained on its training images call these in their `trained_on`, beside its name."""


@dataclass(frozen=True)
class DatasetDefinition:
    """A data set as the catalog or a suite names it: which adapter with which arguments; nothing is opened."""

    name: str
    adapter: str
    """An adapter's name ('webdataset', 'hf', 'folder', 'table', 'digits', 'scenes') or a dotted path."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the adapter's class."""
    info: DatasetInfo = DatasetInfo(name="")
    base: Path | None = None
    """The folder that relative paths start from: the suite file's."""
    where: str = ""
    """File and line of the definition, for messages."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Examples a split, where the catalog knows them: for the plan, before anything is fetched."""
    decoding: Mapping[str, Any] = field(default_factory=dict)
    """The fields of `Decoding` that are declared; the others are the adapter's."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """What the one split is divided into, as `subset.DividedDataset` takes it; empty: it stays whole."""


class Dataset(ABC):
    """A data set: classes in label order, and splits.

    Adapters are classes whose keyword arguments are the keys that a suite may use; arguments annotated
    `Path` are resolved relative to the suite's file. `clipbench.datasets.catalog.open_dataset` sets `info`.
    """

    info: DatasetInfo = DatasetInfo(name="")
    classes: tuple[str, ...] = ()
    """In label order; empty for captions."""
    templates: tuple[str, ...] = ()
    """The data set's own prompt templates with `{}` for the class name, where it ships some."""
    multilabel: bool = False
    captioned: bool = True
    """False where it is known that no image has a caption."""
    decoding: Decoding = USUAL
    """How its images are decoded where its definition does not say."""

    @property
    @abstractmethod
    def splits(self) -> Mapping[str, Split]:
        """The splits by name. Reading this mapping never reads images."""

    def split(self, name: str) -> Split:
        """Return a split, which decodes images as this data set does.

        Raises:
            UserError: there is none of that name.
        """
        try:
            split = self.splits[name]
        except KeyError:
            fix = splits_there_are(self.splits)
            raise UserError(f"there is no split {name!r}", where=self.info.name, fix=fix) from None
        # A user's split may be a frozen dataclass, and knows nothing of what a suite declares of the data set.
        object.__setattr__(split, "decoding", self.decoding)
        return split


@dataclass(frozen=True)
class Slice:
    """Consecutive examples of a split."""

    split: NumberedSplit
    rows: range

    def __iter__(self) -> Iterator[Example]:
        """Read them."""
        return self.split.read(self.rows)


class NumberedSplit(Split):
    """A split whose examples are numbered from 0: cut into shards of `INDEXED_SHARD` consecutive ones."""

    @abstractmethod
    def read(self, rows: range) -> Iterator[Example]:
        """Iterate over consecutive examples."""

    def length(self) -> int:
        """Return the number of examples; may download."""
        assert self.count is not None
        return self.count

    def shards(self) -> Sequence[Shard]:
        """Return slices of `INDEXED_SHARD` consecutive examples."""
        length = self.length()
        starts = range(0, length, INDEXED_SHARD)
        return [Slice(self, range(start, min(start + INDEXED_SHARD, length))) for start in starts]

    def position(self, example_id: str) -> int:
        """Return an example's number; overridden where a lookup is cheaper than a scan.

        Raises:
            KeyError: no such example.
        """
        for number, (key, _) in enumerate(self.keys()):
            if key == example_id:
                return number
        raise KeyError(example_id)

    def image(self, example_id: str) -> PIL.Image.Image:
        """Return one decoded image."""
        number = self.position(example_id)
        return decode(next(self.read(range(number, number + 1))).image, self.decoding)


class IndexedSplit(NumberedSplit):
    """A split whose examples are read one by one, by their number."""

    def __init__(self, count: int, read: Callable[[int], Example], locate: Callable[[], str | None]) -> None:
        self.count: int = count
        self._read = read
        self._locate = locate

    def read(self, rows: range) -> Iterator[Example]:
        """Iterate over consecutive examples."""
        return map(self._read, rows)

    def locator(self) -> str | None:
        """Return what the data set says of itself."""
        return self._locate()


class IndexedDataset(Dataset):
    """A data set of one split that a user writes in ten lines: `classes`, `__len__` and `__getitem__`."""

    split_name: str = "test"

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Example: ...

    def locator(self) -> str | None:
        """Return a key that changes whenever the data might; None: read the data again each time."""
        return None

    @property
    def splits(self) -> Mapping[str, Split]:
        """The one split."""
        return {self.split_name: IndexedSplit(len(self), self.__getitem__, self.locator)}


class View(Protocol):
    """A change of an image that depends on nothing but the image and its id.

    Picklable: it runs in worker processes. Any randomness is seeded from the id, so that a rerun, another
    batch size and another number of workers give the same pixels.
    """

    @property
    def name(self) -> str:
        """As shown in results, e.g. 'gaussian_noise/3'."""
        ...

    @property
    def about(self) -> Mapping[str, Any]:
        """What a reader wants to know of it, as JSON, e.g. {"protocol": "imagenet-c"}."""
        ...

    def fingerprint(self) -> str:
        """Return a digest of everything that can change the pixels."""
        ...

    def __call__(self, image: PIL.Image.Image, example_id: str) -> PIL.Image.Image:
        """Return the changed RGB image."""
        ...
