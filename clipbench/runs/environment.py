"""What a run ran on: for the record, never part of a result."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

RECORDED = ("clipbench", "torch", "torchvision", "open_clip_torch", "timm", "numpy", "pandas", "pillow", "scikit-learn")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results could depend on."""
    found = {"python": platform.python_version()}
    for package in RECORDED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def describe_machine() -> dict[str, str | int]:
    """Return the machine's kind; nothing that names it, its user or its folders."""
    return {"system": f"{platform.system()} {platform.machine()}", "cores": os.cpu_count() or 0}
