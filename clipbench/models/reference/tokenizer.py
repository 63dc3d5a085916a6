"""The reference CLIP's tokenizer: whole words where it knows them, characters otherwise."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from clipbench.fingerprint import digest

if TYPE_CHECKING:
    from clipbench.models.base import Tokens

PAD, START, END, UNKNOWN = range(4)
_SPECIAL: Final = ("<pad>", "<start>", "<end>", "<unknown>")
_CHARACTERS: Final = tuple(string.ascii_lowercase + string.digits + string.punctuation)
_PIECES: Final = re.compile(r"[a-z]+|[^\sa-z]")


class WordTokenizer:
    """Turns any string into ids.

    Text is lowered and cut into runs of letters and single other characters. A run that is not in the
    vocabulary becomes its letters, a character that is not becomes one id for everything unknown.
    """

    def __init__(self, vocabulary: Sequence[str], context: int) -> None:
        self.vocabulary = tuple(vocabulary)
        self.context = context
        self._ids = {word: number for number, word in enumerate(self.vocabulary)}

    @classmethod
    def of_words(cls, words: Iterable[str], context: int) -> WordTokenizer:
        """Make one that knows some words beside the printable ASCII characters."""
        known = sorted({word.lower() for word in words} - set(_CHARACTERS))
        return cls((*_SPECIAL, *_CHARACTERS, *known), context)

    def digest(self) -> str:
        """Return the digest of all that decides the ids."""
        return digest(["words-else-characters/1", list(self.vocabulary), self.context])

    def pieces(self, text: str) -> list[int]:
        """Return a text's ids without start, end and padding."""
        ids: list[int] = []
        for piece in _PIECES.findall(text.lower()):
            known = self._ids.get(piece)
            ids += [known] if known is not None else [self._ids.get(character, UNKNOWN) for character in piece]
        return ids

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Tokenise B texts: ids (B, context), cut to the context with the end token kept."""
        import torch

        from clipbench.models.base import Tokens

        rows = [self.pieces(text) for text in texts]
        room = self.context - 2
        ids = torch.full((len(rows), self.context), PAD, dtype=torch.int64)
        lengths = torch.tensor([min(len(row), room) + 2 for row in rows], dtype=torch.int64)
        for number, row in enumerate(rows):
            ids[number, : lengths[number]] = torch.tensor([START, *row[:room], END])
        return Tokens(ids, lengths, tuple(len(row) > room for row in rows))
