"""How many tokens a model makes of texts, and which it would cut; weights are loaded only where they must be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clipbench.errors import UserError
from clipbench.models.catalog import find_model
from clipbench.models.located import LocatedSource

if TYPE_CHECKING:
    from clipbench.models.base import ModelSource, Tokens
    from clipbench.models.open_clip.locations import OpenClipLocation, Recipe

    Tokenize = Callable[[Sequence[str]], Tokens]

USUAL: Final = "open_clip:ViT-B-32/openai"
"""Its tokenizer, that of the CLIP paper, counts where no model is named; of the weights nothing is needed."""


@dataclass(frozen=True)
class TokenCount:
    """What a tokenizer makes of one text."""

    tokens: int
    """Start and end tokens included; of a text that was cut, those that are left."""
    cut: bool


@dataclass(frozen=True)
class TokenCounts:
    """What a tokenizer makes of several texts."""

    room: int
    """The most tokens that a text may have, start and end included."""
    by_text: dict[str, TokenCount]


def count_tokens(texts: Sequence[str], model: str = USUAL) -> TokenCounts:
    """Count the tokens of at least one text; models of open_clip are not loaded for it.

    Raises:
        UserError: no such model, it embeds no text, or what is needed of it is not here and cannot be fetched.
    """
    from clipbench.models.open_clip.locations import OpenClipLocation

    source = find_model(model)
    location = source.location if isinstance(source, LocatedSource) else None
    if isinstance(location, OpenClipLocation):
        tokenize = _open_clip_tokenizer(source, location)
    else:
        tokenize = _loaded_tokenizer(source)
    distinct = list(dict.fromkeys(texts))
    tokens = tokenize(distinct)
    counts = map(TokenCount, tokens.lengths.tolist(), tokens.truncated)
    return TokenCounts(tokens.ids.shape[1], dict(zip(distinct, counts, strict=True)))


def _open_clip_tokenizer(source: ModelSource, location: OpenClipLocation) -> Tokenize:
    from clipbench.models.open_clip.locations import NamedLocation
    from clipbench.models.open_clip.tokens import make_tokenizer, tokenize

    if isinstance(location, NamedLocation):
        recipe = _without_weights(location.architecture, source.name)
    else:
        source.fetch()
        recipe = location.recipe()
    return partial(tokenize, make_tokenizer(recipe, f"model {source.name}"))


def _without_weights(architecture: str, model: str) -> Recipe:
    """Return what makes the tokenizer of an architecture that open_clip knows; the weights are named by no file."""
    from clipbench.models.open_clip.locations import Recipe, builtin_config
    from clipbench.models.weights.hub_file import HubTokenizer

    config = builtin_config(architecture)
    name = config["text_cfg"].get("hf_tokenizer_name")
    if not name:
        return Recipe(architecture, Path(), config)
    files = HubTokenizer(name)
    if files.cached() is None:
        files.fetch(model)
    return Recipe(architecture, Path(), config, tokenizer_folder=files.path(model).parent)


def _loaded_tokenizer(source: ModelSource) -> Tokenize:
    from clipbench.models.base import ImageTextModel

    loaded = None
    if not source.image_only:
        source.fetch()
        loaded = source.load("cpu", "float32")
    if not isinstance(loaded, ImageTextModel):
        fix = "name a model with a text tower; clipbench list models shows some"
        raise UserError("it embeds no text, so it has no tokenizer", where=f"model {source.name}", fix=fix)
    return loaded.tokenize
