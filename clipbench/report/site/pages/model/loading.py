"""How a model is loaded and run again, and the fingerprints by which one knows that it is the same."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from clipbench.models.catalog import ADAPTERS, model_names
from clipbench.plugins import is_dotted_path
from clipbench.report.leaderboard import OF_THE_MODEL
from clipbench.report.run_metadata import Fact, facts
from clipbench.report.site.data.measured import open_clip_name
from clipbench.results.folder import Results
from clipbench.results.records import JobResult

_OPEN_CLIP = """import open_clip

architecture, tag = {architecture!r}, {tag!r}
model, _, preprocess = open_clip.create_model_and_transforms(
    architecture,
    pretrained=tag,
    # The activation that the weights were trained with, whatever the architecture's name says.
    force_quick_gelu=open_clip.get_pretrained_cfg(architecture, tag).get("quick_gelu", False),
)
tokenizer = open_clip.get_tokenizer(architecture)
"""

_TRANSFORMERS = """from transformers import AutoModel, AutoProcessor

model = AutoModel.from_pretrained({name!r})
processor = AutoProcessor.from_pretrained({name!r})
"""

_PUBLIC = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
"""NAME or ORG/NAME behind an adapter's colon; what else may stand there is a file of some machine."""

_NAMES = {"scale": "logit scale and bias"}


@dataclass(frozen=True)
class Snippet:
    """A text to be copied."""

    title: str
    text: str


@dataclass(frozen=True)
class Run:
    """A run in which the model was measured."""

    suite: str
    command: str
    model: str
    """What MODEL in the command stands for; '' where it is named outright."""
    text: str
    """Of the suite."""


def snippets(name: str, origin: str) -> tuple[Snippet, ...]:
    """Return how a model is loaded, as far as its name tells; a published one also how it is measured.

    Args:
        name: as its jobs, or the published table, have it.
        origin: 'measured' or 'published'.
    """
    pair = name if origin == "published" else open_clip_name(name)
    adapter, _, located = name.partition(":")
    found = []
    if pair:
        architecture, _, tag = pair.rpartition("/")
        found.append(Snippet("With open_clip", _OPEN_CLIP.format(architecture=architecture, tag=tag)))
    elif adapter == "hf" and located.count("/") == 1 and _PUBLIC.fullmatch(located):
        found.append(Snippet("With transformers", _TRANSFORMERS.format(name=located)))
    if origin == "published":
        command = f"clipbench run zeroshot --model {shlex.quote(_aliases().get(pair, f'open_clip:{pair}'))}"
        found.append(Snippet("Measure it here", command))
    return tuple(found)


@cache
def _aliases() -> Mapping[str, str]:
    """Return the catalog's names by ARCHITECTURE/TAG; looked up once, since that reads what is installed."""
    return {f"{known.architecture}/{known.tag}": alias for alias, known in [*model_names().items()][::-1]}


def runs_of(results: Results, name: str, jobs: Collection[str]) -> tuple[Run, ...]:
    """Return the runs that made some of a model's jobs, the last one first."""
    known = (run for part in results.parts for run in part.runs[::-1])
    return tuple(_run(run, name) for run in known if not set(run.get("jobs", ())).isdisjoint(jobs))


def _run(run: Mapping[str, Any], name: str) -> Run:
    outright, suite = _named_outright(name), str(run.get("suite") or "")
    spec = name if outright else "MODEL" if re.search(r"[:/@\\]", name) else f"{name}=MODEL"
    options = run.get("options") or {}
    flags = [
        part
        for flag in ("device", "precision", "batch_size")
        if (value := options.get(flag))
        for part in (f"--{flag.replace('_', '-')}", str(value))
    ]
    return Run(
        suite=suite,
        command=shlex.join(["clipbench", "run", suite, "--model", spec, *flags]),
        model="" if outright else str((run.get("models") or {}).get(name) or ""),
        text=str(run.get("suite_text") or "").strip("\n"),
    )


def _named_outright(name: str) -> bool:
    """Return whether a name says where the model comes from on any machine."""
    adapter, colon, located = name.partition(":")
    public = bool(colon) and adapter in ADAPTERS and adapter != "local" and bool(_PUBLIC.fullmatch(located))
    return name in model_names() or public or is_dotted_path(name)


def provenance(jobs: Sequence[JobResult]) -> tuple[Fact, ...]:
    """Return where a model was loaded from and by what, as its jobs recorded it."""
    found = {label: _recorded(jobs, key) for label, key in (("loaded from", "model"), ("library", "library"))}
    return facts(found)


def fingerprints(jobs: Sequence[JobResult]) -> tuple[Fact, ...]:
    """Return what makes a model the same one, and what it was run on; of several values each."""
    known = {part: dict.fromkeys(getattr(job.pedigree, part) for job in jobs) for part in OF_THE_MODEL}
    named = ({_NAMES.get(part, part): value} for part, values in known.items() for value in values)
    beside = {key: _recorded(jobs, key) for key in ("device", "batch_size", "threads")}
    return tuple(fact for part in (*named, beside) for fact in facts(part))


def _recorded(jobs: Sequence[JobResult], key: str) -> list[str]:
    return list(dict.fromkeys(str(job.run_metadata[key]) for job in jobs if job.run_metadata.get(key) is not None))
