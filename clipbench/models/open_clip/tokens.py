"""open_clip's tokenizers: built from local files, with the length of each text, whether it was cut, and a digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.errors import UserError
from clipbench.fingerprint import digest, digest_strings
from clipbench.models.base import Tokens
from clipbench.models.tokens import describe_library_tokenizer, tokenize_rows

if TYPE_CHECKING:
    from torch import Tensor

    from clipbench.models.open_clip.locations import Recipe


def make_tokenizer(recipe: Recipe, where: str) -> Any:
    """Make a model's tokenizer; uses no network and runs no code of the checkpoint, for which a UserError stands."""
    import open_clip

    if recipe.tokenizer_folder is None:
        # Reduction is an augmentation that drops words at random; evaluation cuts at the end.
        return open_clip.get_tokenizer(recipe.architecture, reduction_mask="")
    try:
        return _library_tokenizer(recipe.tokenizer_folder, recipe.config["text_cfg"])
    except ImportError as error:
        raise UserError(f"its tokenizer needs {error.name}", where=where, fix="pip install 'clipbench[hf]'") from error
    except Exception as error:
        # Tokenizer classes differ in what they raise on a bad file.
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        problem = f"no tokenizer can be made from {recipe.tokenizer_folder} ({type(error).__name__}: {reason})"
        fix = "tokenizer.json and tokenizer_config.json belong there; code beside them is not run"
        raise UserError(problem, where=where, fix=fix) from error


def _library_tokenizer(folder: Path, config: Mapping[str, Any]) -> Any:
    """Make a Hugging Face tokenizer as open_clip's factory does, but from files and without their code."""
    from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH, HFTokenizer

    options = {**config.get("tokenizer_kwargs", {}), "trust_remote_code": False, "local_files_only": True}
    return HFTokenizer(
        str(folder),
        context_length=config.get("context_length", DEFAULT_CONTEXT_LENGTH),
        tokenizer_mode=config.get("tokenizer_mode"),
        **options,
    )


def tokenize(tokenizer: Any, texts: Sequence[str]) -> Tokens:
    """Tokenise B texts to (B, context length) ids, with lengths that include the end token."""

    def encode(texts: list[str], length: int) -> tuple[Tensor, Tensor]:
        ids = tokenizer(texts, context_length=length)
        return ids, text_lengths(tokenizer, ids)

    return tokenize_rows(encode, texts, int(tokenizer.context_length), whole=_class_token_last(tokenizer))


def text_lengths(tokenizer: Any, ids: Tensor) -> Tensor:
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
    parts |= {
        "mode": getattr(tokenizer, "tokenizer_mode", ""),
        "strip_separator": getattr(tokenizer, "strip_sep_token", False),
        **describe_library_tokenizer(tokenizer.tokenizer),
    }
    return digest(parts)
