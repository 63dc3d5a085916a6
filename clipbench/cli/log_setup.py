"""Keeping other libraries' chatter out of a run's output."""

from __future__ import annotations

import logging
import os
import warnings


def quieten_libraries(terminal: bool) -> None:
    """Leave warnings of our own; hub progress bars only where there is a terminal. Call before heavy imports."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if not terminal:
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore", module=r"(torch|torchvision|open_clip|timm|huggingface_hub|PIL)(\.|$)")
    for name in ("huggingface_hub", "open_clip", "timm", "datasets", "root"):
        logging.getLogger(None if name == "root" else name).setLevel(logging.ERROR)
