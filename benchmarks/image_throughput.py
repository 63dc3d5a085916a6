"""Image throughput: reading, decoding, encoding and storing real images, against a bare loop of forward passes.

    python benchmarks/image_throughput.py [--images photographs|cifar] [--count 640] [--workers 0,1,2]

`ImageEncoder.embed` reads the webdataset layout from disk, as `clipbench run` does, into an empty store each time.
The bare loop gives the same model random batches of the same shapes that lie in memory. Decoding alone, in one
process, shows what the encoder has to share the cores with.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import torch
from measure import Ratio, alternate, show
from mirror import development_data, mirror_cifar10, read, write_split
from open_clip_pair import Pair, build_pair, parser_with_common_options

from clipbench.datasets.adapters.webdataset import WebDataset
from clipbench.datasets.base import Split
from clipbench.embed.encode import CPU_BATCH, EncodeSettings, ImageEncoder
from clipbench.embed.loader import Decoder
from clipbench.embed.store import Store

BARE, DECODING = "bare loop of forward passes", "decoding alone, one process"
POOL = 4
"""Random batches that the bare loop goes round in."""


def write_images(kind: str, count: int, folder: Path) -> Split:
    """Write so many real images as one tar: CIFAR-10's at 32 px, or ImageNet's, which repeat under new names."""
    data = development_data()
    if kind == "cifar":
        mirror_cifar10(data, folder, limit=count, shards=1)
    else:
        sample = WebDataset(path=data / "imagenet_sample")
        write_split(folder / "test", list(islice(cycle(read(sample.split("test"), None)), count)), shards=1)
        (folder / "classnames.txt").write_text("\n".join(sample.classes))
    return WebDataset(path=folder).split("test")


def bare_loop(pair: Pair, count: int, side: tuple[int, int]) -> Callable[[int], None]:
    """Return a run that encodes `count` random images in batches."""
    batches = [torch.randn(CPU_BATCH, 3, *side) for _ in range(POOL)]

    def run(_: int) -> None:
        with torch.inference_mode():
            for number, start in enumerate(range(0, count, CPU_BATCH)):
                pair.bare.encode_image(batches[number % POOL][: count - start])

    return run


def decoding(pair: Pair, split: Split) -> Callable[[int], None]:
    """Return a run that decodes and transforms every image."""
    decoder = Decoder(pair.clipbench.transform)

    def run(_: int) -> None:
        for example in read(split, None):
            decoder[example]

    return run


def embedding(pair: Pair, split: Split, count: int, workers: int, folder: Path) -> Callable[[int], None]:
    """Return a run that embeds the split into an empty store."""

    def run(_: int) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        settings = EncodeSettings("cpu", batch_size=CPU_BATCH, workers=workers)
        encoder = ImageEncoder(lambda: pair.clipbench, "benchmark", Store(folder), settings)
        encoder.embed(split, "benchmark/test")
        assert encoder.encoded == count

    return run


def check_equal(pair: Pair, split: Split) -> str:
    """Return the largest difference between clipbench's embeddings of a batch and open_clip's."""
    theirs, ours = Decoder(pair.transform), Decoder(pair.clipbench.transform)
    examples = read(split, CPU_BATCH)
    with torch.inference_mode():
        expected = pair.bare.encode_image(torch.stack([theirs[example] for example in examples]))  # type: ignore[misc]
    found = pair.clipbench.encode_images(torch.stack([ours[example] for example in examples])).projected  # type: ignore[misc]
    return f"{(found - expected).abs().max() / expected.abs().max():.1e} of the largest value"


def main() -> None:
    parser = parser_with_common_options("Compare image throughput with a bare forward loop.", rounds=3)
    parser.add_argument("--images", choices=("photographs", "cifar"), default="photographs", help="[%(default)s]")
    parser.add_argument("--count", type=int, default=640, help="images [%(default)s]")
    parser.add_argument("--workers", default="0,1,2", help="numbers of decoding processes to try [%(default)s]")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    workers = [int(number) for number in arguments.workers.split(",")]
    pair = build_pair(arguments.model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        split = write_images(arguments.images, arguments.count, folder / "data")
        count = len(read(split, None))
        facts = {"clipbench and open_clip differ by": check_equal(pair, split)}
        runs = {BARE: bare_loop(pair, count, _side(pair, split)), DECODING: decoding(pair, split)}
        labels = {number: f"clipbench, workers: {number}" for number in workers}
        runs |= {labels[number]: embedding(pair, split, count, number, folder / "store") for number in workers}
        timings = alternate(runs, arguments.rounds)
    ratios = [Ratio(f"workers {number}, rate over bare loop's", labels[number], BARE, aim=0.9) for number in workers]
    title = f"{count:,} images ({arguments.images}), {arguments.model}, batches of {CPU_BATCH}"
    show(title, timings, ratios, items=count, unit="images", facts=facts, json_file=arguments.json)


def _side(pair: Pair, split: Split) -> tuple[int, int]:
    pixels = Decoder(pair.clipbench.transform)[read(split, 1)[0]]
    assert isinstance(pixels, torch.Tensor)
    return pixels.shape[1], pixels.shape[2]


if __name__ == "__main__":
    main()
