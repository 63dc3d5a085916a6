"""Thumbnails: small copies of the images that a page shows, kept with the results."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from clipbench.files import write_atomically

if TYPE_CHECKING:
    from clipbench.datasets.base import Split, View
    from clipbench.results.folder import Results
    from clipbench.tasks.base import Picture

SIDE = 128
"""Largest width and height in pixels."""


def keep_thumbnail(
    results: Results, data: str, picture: Picture, split: Split, view: View | None = None
) -> Mapping[str, str]:
    """Store a picture's thumbnail and return what a page needs to show it.

    Args:
        results: the results folder; the file lies below its thumbs/.
        data: the data's fingerprint.
        picture: which image, and why.
        split: that holds the image.
        view: what the image is seen through.
    """
    shown = picture.id + (f"|{view.fingerprint()}" if view else "")
    name = f"{data[:16]}/{hashlib.sha256(shown.encode()).hexdigest()[:16]}.webp"
    path = results.folder / "thumbs" / name
    if not path.exists():
        image = split.image(picture.id)
        if view is not None:
            image = view(image, picture.id)
        image.thumbnail((SIDE, SIDE))
        encoded = io.BytesIO()
        image.save(encoded, "webp", quality=80)
        write_atomically(path, encoded.getvalue())
    return {**asdict(picture), "thumb": name}
