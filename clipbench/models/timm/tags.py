"""What timm's pretrained tags declare of the data that a model was trained on."""

from __future__ import annotations

_DATA = {
    "in1k": "ImageNet-1k",
    "in12k": "ImageNet-12k",
    "in21k": "ImageNet-21k",
    "inw21k": "ImageNet-21k",
    "in22k": "ImageNet-21k",
    "jft": "JFT-300M",
    "ig1b": "Instagram-1B",
    "yfcc15m": "YFCC-15M",
    "yfcc100m": "YFCC-100M",
    "lvd142m": "LVD-142M",
    "lvd1689m": "LVD-1689M",
    "openai": "WIT-400M (undisclosed)",
    "laion400m": "LAION-400M",
    "laion2b": "LAION-2B-en",
    "datacomp1b": "DataComp-1B",
    "datacompxl": "DataComp-1B",
    "webli": "WebLI",
}
_MORE = {"indomain", "plus", "ssld", "swag"}
"""Words that stand for further data, which the tag does not name."""


def trained_on_of_tag(tag: str) -> tuple[str, ...] | None:
    """Return the data sets that a tag names, in order, e.g. 'augreg_in21k_ft_in1k': ImageNet-21k, ImageNet-1k.

    None where a stage of training (they are joined by '_ft_') names none, so that part of the data is undeclared.
    """
    found: list[str] = []
    for stage in tag.split("_ft_"):
        words = stage.split("_")
        named = [_DATA[word] for word in words if word in _DATA]
        if not named or _MORE & set(words):
            return None
        found += named
    return tuple(dict.fromkeys(found))
