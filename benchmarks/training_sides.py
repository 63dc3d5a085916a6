"""One training twice: by clipbench's loop and by open_clip's, with the same towers and batches."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, cycle, islice, repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import open_clip
import torch
import yaml
from mirror import development_data, read, write_split

from clipbench.datasets.adapters.webdataset import WebDataset
from clipbench.training.data.base import Batch, TrainingData
from clipbench.training.loop import fit
from clipbench.training.processes import Processes
from clipbench.training.recipe import LoadedRecipe, load_recipe
from clipbench.training.start import build, open_data

LONG = "photo " * 80
"""Fills the context, so that there is nothing to cut."""
SHORT = "a red house by the sea"


@dataclass(frozen=True)
class Setting:
    """What is equal for both sides."""

    config: Mapping[str, Any]
    """embed_dim, vision_cfg and text_cfg, as open_clip has them."""
    batch: int
    device: str = "cpu"
    precision: str = "float32"
    """Or bfloat16."""
    part: int | None = None
    """Pairs a pass: clipbench's cached gradients, open_clip's --accum-freq."""
    caption: str = LONG
    tar: Path | None = None
    """A folder by `write_tar`; without one all batches are the same, in memory."""
    workers: int = 0

    @property
    def side(self) -> int:
        """Of the images."""
        return int(self.config["vision_cfg"]["image_size"])

    def captions(self, count: int) -> list[str]:
        """Return so many different captions."""
        return [f"{number} {self.caption}" for number in range(count)]


class _Enough(Exception):
    pass


def clocked(batches: Iterable[Any], setting: Setting, seconds: list[float]) -> Iterator[Any]:
    """Yield batches and note how long each step takes, loading included; the first one, which warms up, is left out."""
    started = None
    for batch in batches:
        yield batch
        if setting.device != "cpu":
            torch.accelerator.synchronize()
        now = perf_counter()
        if started is not None:
            seconds.append(now - started)
        started = now


def write_tar(folder: Path, caption: str) -> Path:
    """Write the development data's photographs with a caption each as one tar; return the folder."""
    examples = read(WebDataset(path=development_data() / "flickr8k_sample").split("test"), None)
    told = [replace(example, captions=(f"{place} {caption}",)) for place, example in enumerate(examples)]
    write_split(folder / "test", told, shards=1)
    (folder / "dataset_type.txt").write_text("retrieval")
    return folder


@dataclass(frozen=True)
class _Clocked:
    """Data of clipbench's that end after some steps."""

    data: TrainingData
    setting: Setting
    steps: int
    seconds: list[float]
    examples: int | None = None
    sizes: tuple[tuple[str, int | None], ...] = ()

    def batches(self, first: int) -> Iterator[Batch]:
        yield from clocked(islice(self.data.batches(first), self.steps + 1), self.setting, self.seconds)
        raise _Enough

    def about(self) -> Mapping[str, Any]:
        return {}


@dataclass(frozen=True)
class _InMemory:
    batch: Batch
    examples: int | None = None
    sizes: tuple[tuple[str, int | None], ...] = ()

    def batches(self, first: int) -> Iterator[Batch]:
        return repeat(self.batch)

    def about(self) -> Mapping[str, Any]:
        return {}


def ours(setting: Setting, steps: int) -> list[float]:
    """Train with clipbench's loop; return the seconds of each step."""
    loaded = _recipe(setting)
    model, seconds = build(loaded), list[float]()
    if setting.tar is None:
        pixels, classes = torch.randn(setting.batch, 3, setting.side, setting.side), torch.full((setting.batch,), -1)
        data: TrainingData = _InMemory(Batch(pixels, setting.captions(setting.batch), classes))
    else:
        data = open_data(loaded, model, Processes(), setting.workers)
    with suppress(_Enough), TemporaryDirectory() as folder:
        here = Processes(device=setting.device)
        fit(loaded, model, _Clocked(data, setting, steps, seconds), Path(folder), here=here)
    return seconds


def _recipe(setting: Setting) -> LoadedRecipe:
    document = {
        "datasets": {"photographs": {"adapter": "webdataset", "path": str(setting.tar or "none")}},
        "data": [{"dataset": "photographs", "split": "test"}],
        "towers": {"config": dict(setting.config)},
        "schedule": {"batch": setting.batch, "steps": 10**6, "warmup": 100},
        "precision": setting.precision,
        "save_every": 10**6,
        "part": setting.part,
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / "benchmark.yaml"
        path.write_text(yaml.safe_dump(document))
        return load_recipe(path)


def theirs(setting: Setting, steps: int) -> list[float]:
    """Train with open_clip's own loop; return the seconds of each step."""
    from open_clip_train.params import parse_args
    from open_clip_train.scheduler import cosine_lr
    from open_clip_train.train import train_one_epoch

    logging.getLogger().setLevel(logging.ERROR)
    accumulated = 1 if setting.part is None else setting.batch // setting.part
    args = parse_args([])
    told = {"batch_size": setting.batch // accumulated, "accum_freq": accumulated, "workers": setting.workers}
    told |= {"precision": {"float32": "fp32", "bfloat16": "amp_bf16"}[setting.precision], "device": setting.device}
    told |= {"distributed": False, "rank": 0, "local_rank": 0, "world_size": 1, "distill": False, "wandb": False}
    vars(args).update(told)
    model = open_clip.CLIP(**setting.config, output_dict=True).to(setting.device)
    optimiser, seconds = _their_optimiser(model), list[float]()
    batches = clocked(islice(_their_batches(setting, args), (steps + 1) * accumulated), setting, seconds)
    loader = _Loader(batches, num_batches=10**6, num_samples=10**6 * args.batch_size)
    data = {"train": SimpleNamespace(dataloader=loader, set_epoch=lambda _: None)}
    scheduler = cosine_lr(optimiser, 5e-4, 100, 10**6)
    train_one_epoch(model, data, open_clip.create_loss(args), 0, optimiser, None, scheduler, None, args)
    return seconds


@dataclass(frozen=True)
class _Loader:
    batches: Iterator[Any]
    num_batches: int
    num_samples: int

    def __iter__(self) -> Iterator[Any]:
        return self.batches


def _their_optimiser(model: torch.nn.Module) -> torch.optim.AdamW:
    """Return what open_clip's main makes."""
    apart = [weight for name, weight in model.named_parameters() if weight.ndim < 2 or "logit_scale" in name]
    ids = {id(weight) for weight in apart}
    others = [weight for weight in model.parameters() if id(weight) not in ids]
    groups = [{"params": apart, "weight_decay": 0.0}, {"params": others, "weight_decay": 0.2}]
    return torch.optim.AdamW(groups, lr=5e-4, betas=(0.9, 0.98), eps=1e-6)


def _their_batches(setting: Setting, args: Any) -> Iterator[Any]:
    tokenizer = open_clip.SimpleTokenizer(context_length=setting.config["text_cfg"]["context_length"])
    if setting.tar is None:
        pixels = torch.randn(setting.batch, 3, setting.side, setting.side)
        columns = (pixels, tokenizer(setting.captions(setting.batch)))
        return cycle(zip(*(torch.split(column, args.batch_size) for column in columns), strict=True))
    from open_clip_train.data import get_data

    vars(args).update(train_data=str(setting.tar / "test" / "0.tar"), dataset_type="webdataset", train_num_samples=500)
    crop = open_clip.image_transform(setting.side, is_train=True, aug_cfg={"scale": (0.9, 1.0)})
    loader = get_data(args, (crop, crop), tokenizer=tokenizer)["train"].dataloader
    return chain.from_iterable(repeat(loader))
