"""Views: a data set seen through a change of its images, before the model's own transform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import PIL.Image


class View(Protocol):
    """A change of an image that depends on nothing but the image and its id.

    Picklable: it runs in worker processes. Any randomness is seeded from the id, so that a rerun, another
    batch size and another number of workers give the same pixels.
    """

    @property
    def name(self) -> str:
        """As shown in results, e.g. 'gaussian_noise/3'."""
        ...

    @property
    def about(self) -> Mapping[str, Any]:
        """What a reader wants to know of it, as JSON, e.g. {"protocol": "imagenet-c"}."""
        ...

    def fingerprint(self) -> str:
        """Return a digest of everything that can change the pixels."""
        ...

    def __call__(self, image: PIL.Image.Image, example_id: str) -> PIL.Image.Image:
        """Return the changed RGB image."""
        ...
