"""open_clip's tokenizers: built from local files, with the length of each text, whether it was cut, and a digest."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.errors import UserError
from clipbench.fingerprint import digest, digest_strings
from clipbench.models.base import Tokens

if TYPE_CHECKING:
    from torch import Tensor

    from clipbench.models.open_clip.locations import Recipe

Tokenizer = Callable[..., "Tensor"]
"""One of open_clip's tokenizer objects: (texts, context_length=None) -> (B, L) int64 ids."""


def make_tokenizer(recipe: Recipe, where: str) -> Tokenizer:
    """Make a model's tokenizer; uses no network and runs no code of the checkpoint.

    Raises:
        UserError: its files are missing or damaged, or it needs code of its own.
    """
    import open_clip

    if recipe.tokenizer_folder is None:
        # Reduction is an augmentation that drops words at random; evaluation cuts at the end.
        tokenizer: Tokenizer = open_clip.get_tokenizer(recipe.architecture, reduction_mask="")
        return tokenizer
    try:
        return _library_tokenizer(recipe.tokenizer_folder, recipe.text_config)
    except ImportError as error:
        raise UserError(f"its tokenizer needs {error.name}", where=where, fix="pip install 'clipbench[hf]'") from error
    except Exception as error:
        # Tokenizer classes differ in what they raise on a bad file.
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        problem = f"no tokenizer can be made from {recipe.tokenizer_folder} ({type(error).__name__}: {reason})"
        fix = "tokenizer.json and tokenizer_config.json belong there; code beside them is not run"
        raise UserError(problem, where=where, fix=fix) from error


def _library_tokenizer(folder: Path, config: Mapping[str, Any]) -> Tokenizer:
    """Make a Hugging Face tokenizer as open_clip's factory does, but from files and without their code."""
    from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH, HFTokenizer

    options = {**config.get("tokenizer_kwargs", {}), "trust_remote_code": False, "local_files_only": True}
    tokenizer: Tokenizer = HFTokenizer(
        str(folder),
        context_length=config.get("context_length", DEFAULT_CONTEXT_LENGTH),
        tokenizer_mode=config.get("tokenizer_mode"),
        **options,
    )
    return tokenizer


def tokenize(tokenizer: Any, texts: Sequence[str]) -> Tokens:
    """Tokenise B texts to (B, context length) ids, with lengths that include the end token.

    open_clip cuts long texts silently; a text counts as truncated if one more place would be filled.
    """
    ids: Tensor = tokenizer(list(texts))
    lengths = _lengths(tokenizer, ids)
    full = (lengths == ids.shape[1]).nonzero().flatten().tolist()
    truncated = [False] * len(texts)
    if full:
        roomier = tokenizer([texts[row] for row in full], context_length=ids.shape[1] + 1)
        for row, length in zip(full, _lengths(tokenizer, roomier).tolist(), strict=True):
            truncated[row] = length > ids.shape[1]
    if _class_token_last(tokenizer):
        lengths = lengths.new_full(lengths.shape, ids.shape[1])
    return Tokens(ids=ids, lengths=lengths, truncated=tuple(truncated))


def _lengths(tokenizer: Any, ids: Tensor) -> Tensor:
    """Return for each row the position after its last token that is not padding; a trailing class token apart."""
    import torch

    text = ids[:, :-1] if _class_token_last(tokenizer) else ids
    positions = torch.arange(1, text.shape[1] + 1)
    lengths = ((text != _padding(tokenizer)) * positions).amax(dim=1)
    return lengths + 1 if _class_token_last(tokenizer) else lengths


def _class_token_last(tokenizer: Any) -> bool:
    return getattr(tokenizer, "tokenizer_mode", "") == "clips"


def _padding(tokenizer: Any) -> int:
    """Return the id of padding; open_clip's own BPE pads with 0."""
    library_tokenizer = getattr(tokenizer, "tokenizer", None)
    padding = getattr(library_tokenizer, "pad_token_id", None)
    return 0 if padding is None else int(padding)


def digest_tokenizer(tokenizer: Any) -> str:
    """Return a digest of vocabulary, merges, cleaning and context length: of what it does, not where it lies."""
    parts: dict[str, Any] = {
        "type": type(tokenizer).__name__,
        "context_length": int(tokenizer.context_length),
        "clean": getattr(getattr(tokenizer, "clean_fn", None), "__name__", ""),
    }
    if hasattr(tokenizer, "encoder"):
        parts["vocabulary"] = digest_strings(sorted(tokenizer.encoder, key=tokenizer.encoder.__getitem__))
        parts["merges"] = digest_strings(" ".join(pair) for pair in tokenizer.bpe_ranks)
        return digest(parts)
    inner = tokenizer.tokenizer
    parts |= {
        "mode": getattr(tokenizer, "tokenizer_mode", ""),
        "strip_separator": getattr(tokenizer, "strip_sep_token", False),
        "class": type(inner).__name__,
        "padding": [inner.padding_side, inner.pad_token_id],
        "content": _library_content(inner),
    }
    return digest(parts)


def _library_content(tokenizer: Any) -> str:
    """Return a digest of a Hugging Face tokenizer, apart from the cutting and padding that a call sets."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return digest([tokenizer.get_vocab(), {key: str(value) for key, value in tokenizer.special_tokens_map.items()}])
    content = json.loads(backend.to_str())
    return digest({key: value for key, value in content.items() if key not in ("truncation", "padding")})
