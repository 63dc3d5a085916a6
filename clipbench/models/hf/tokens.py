"""The tokenizer of a transformers checkpoint: padding and length as the model was trained with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import transformers

from clipbench.errors import UserError
from clipbench.fingerprint import digest
from clipbench.models.base import Tokens
from clipbench.models.tokens import describe_library_tokenizer, tokenize_rows

if TYPE_CHECKING:
    from torch import Tensor


class HfTokenizer:
    """A checkpoint's own tokenizer; rows are padded to the length of the text tower's positions.

    SigLIP 2 was trained on lower-case texts, which its own tokenizer class makes and Gemma's, under whose name its
    fixed-resolution checkpoints were published, does not: for that one it is done here.
    """

    def __init__(self, tokenizer: Any, positions: int, family: str) -> None:
        """Wrap a tokenizer of transformers, for a text tower with some positions in a model of some type."""
        self._tokenizer = tokenizer
        self._lower = family == "siglip" and type(tokenizer).__name__.startswith("Gemma")
        self.context_length = min(positions, tokenizer.model_max_length)
        self.pads_behind = tokenizer.padding_side == "right"

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Tokenise B texts to (B, context length) ids."""
        texts = [text.lower() for text in texts] if self._lower else texts
        return tokenize_rows(self._encode, texts, self.context_length, whole=not self.pads_behind)

    def _encode(self, texts: list[str], length: int) -> tuple[Tensor, Tensor]:
        options = {"padding": "max_length", "truncation": True, "max_length": length}
        rows = self._tokenizer(texts, return_attention_mask=True, return_tensors="pt", **options)
        return rows["input_ids"], rows["attention_mask"].sum(dim=1)

    def digest(self) -> str:
        """Return a digest of vocabulary, merges, cleaning, padding and length: of what it does, not where it lies."""
        parts = {"library": "transformers", "length": self.context_length, "lower": self._lower}
        return digest(parts | describe_library_tokenizer(self._tokenizer))


def make_tokenizer(folder: Path, config: Any) -> HfTokenizer:
    """Make the tokenizer from the files beside a model's configuration; no code among them is run."""
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            str(folder), trust_remote_code=False, local_files_only=True
        )
    except Exception as error:
        # Tokenizer classes differ in what they raise on a bad file.
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        fix = "tokenizer.json and tokenizer_config.json belong there; code beside them is not run"
        if isinstance(error, ImportError):
            fix = "pip install 'clipbench[hf]', or what it names"
        raise UserError(f"no tokenizer can be made from it ({reason})", where=str(folder), fix=fix) from error
    return HfTokenizer(tokenizer, int(config.text_config.max_position_embeddings), str(config.model_type))
