"""Makes local copies of hub data sets, in the webdataset layout, from the development data.

    python benchmarks/mirror.py DIR [--limit N] [--shards N] [--data FOLDER]

Writes DIR/wds_vtab-cifar10 (CIFAR-10's 10,000 test images) and DIR/wds_flickr8k (500 photographs with five captions
each), so that `clipbench run zeroshot --data-root DIR` finds `cifar10` and `flickr8k`. The ImageNet sample is left
out: it has 80 of 1,000 classes, and under the name of the whole set it would be another, easier task.
"""

from __future__ import annotations

import argparse
import io
import os
import tarfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from clipbench.datasets.adapters.hub import HuggingFace
from clipbench.datasets.adapters.webdataset import WebDataset
from clipbench.datasets.base import Example, Split

SHARDS = 4
CIFAR10, FLICKR8K = "wds_vtab-cifar10", "wds_flickr8k"
"""The names that clipbench's catalog gives their hub repositories."""
_ENDINGS = {b"\xff\xd8": "jpg", b"\x89P": "png", b"RI": "webp"}


def development_data() -> Path:
    """Return the folder of the development data: CLIPBENCH_TEST_DATA, else ../shared/data beside the checkout."""
    folder = Path(os.environ.get("CLIPBENCH_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not folder.is_dir():
        raise SystemExit(f"the development data are absent: {folder}; set CLIPBENCH_TEST_DATA")
    return folder


def make_mirror(data: Path, folder: Path, *, limit: int | None = None, shards: int = SHARDS) -> None:
    """Write both mirrors below a folder; `limit` keeps the first so many images of each."""
    mirror_cifar10(data, folder / CIFAR10, limit=limit, shards=shards)
    flickr = WebDataset(path=data / "flickr8k_sample")
    write_split(folder / FLICKR8K / "test", read(flickr.split("test"), limit), shards)
    (folder / FLICKR8K / "dataset_type.txt").write_text("retrieval")


def mirror_cifar10(data: Path, folder: Path, *, limit: int | None = None, shards: int = SHARDS) -> None:
    """Write CIFAR-10's test images, encoded as they lie in the parquet file, with the 18 CIFAR templates."""
    cifar = HuggingFace(path=str(data / "cifar10"))
    write_split(folder / "test", read(cifar.split("test"), limit), shards)
    (folder / "classnames.txt").write_text("\n".join(cifar.classes))
    templates = (data / "templates" / "cifar.txt").read_text().strip()
    (folder / "zeroshot_classification_templates.txt").write_text(templates)


def read(split: Split, limit: int | None) -> list[Example]:
    """Return the first examples of a split."""
    return list(islice((example for shard in split.shards() for example in shard), limit))


def write_split(folder: Path, examples: Sequence[Example], shards: int) -> None:
    """Write examples with labels or captions as consecutive tars of about equal size."""
    folder.mkdir(parents=True, exist_ok=True)
    bounds = [len(examples) * number // shards for number in range(shards + 1)]
    for number in range(shards):
        with tarfile.open(folder / f"{number}.tar", "w") as archive:
            for at in range(bounds[number], bounds[number + 1]):
                _add(archive, f"s{at:07d}", examples[at])
    (folder / "nshards.txt").write_text(str(shards))


def _add(archive: tarfile.TarFile, key: str, example: Example) -> None:
    annotation = ("txt", "\n".join(example.captions)) if example.label is None else ("cls", str(example.label))
    members = {_ENDINGS[example.image[:2]]: example.image, annotation[0]: annotation[1].encode()}
    for ending, content in members.items():
        info = tarfile.TarInfo(f"{key}.{ending}")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))


def main() -> None:
    parser = argparse.ArgumentParser(description="Make local copies of hub data sets from the development data.")
    parser.add_argument("folder", type=Path, help="where the mirrors go")
    parser.add_argument("--limit", type=int, help="keep the first so many images of each set")
    parser.add_argument("--shards", type=int, default=SHARDS, help="tars a split [%(default)s]")
    parser.add_argument("--data", type=Path, help="the development data")
    arguments = parser.parse_args()
    data = arguments.data or development_data()
    make_mirror(data, arguments.folder, limit=arguments.limit, shards=arguments.shards)
    print(f"wrote {CIFAR10} and {FLICKR8K} below {arguments.folder}")


if __name__ == "__main__":
    main()
