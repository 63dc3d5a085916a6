"""What the tokenizers of several libraries need: whether a text was cut, and what identifies a tokenizer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from clipbench.fingerprint import digest
from clipbench.models.base import Tokens

if TYPE_CHECKING:
    from torch import Tensor


def tokenize_rows(
    encode: Callable[[list[str], int], tuple[Tensor, Tensor]], texts: Sequence[str], length: int, *, whole: bool
) -> Tokens:
    """Tokenise B texts to rows of a length; libraries don't say which they cut: those that would fill one more place.

    Args:
        encode: (texts, L) -> ids (B, L), and how many of each row are not padding, (B,).
        texts: B texts.
        length: of the rows.
        whole: whether all of a row matters, because something stands behind the padding.
    """
    ids, lengths = encode(list(texts), length)
    full = (lengths == length).nonzero().flatten().tolist()
    truncated = [False] * len(texts)
    if full:
        _, roomier = encode([texts[row] for row in full], length + 1)
        for row, needed in zip(full, roomier.tolist(), strict=True):
            truncated[row] = needed > length
    return Tokens(ids, lengths.new_full(lengths.shape, length) if whole else lengths, tuple(truncated))


def describe_library_tokenizer(tokenizer: Any) -> dict[str, Any]:
    """Return what identifies a Hugging Face tokenizer, apart from the cutting and padding that a call sets."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    content: Any = [tokenizer.get_vocab(), {key: str(value) for key, value in tokenizer.special_tokens_map.items()}]
    if backend is not None:
        content = json.loads(backend.to_str())
        content = {key: value for key, value in content.items() if key not in ("truncation", "padding")}
    padding = [tokenizer.padding_side, tokenizer.pad_token_id]
    return {"class": type(tokenizer).__name__, "padding": padding, "content": digest(content)}
