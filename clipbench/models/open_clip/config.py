"""Configurations of open_clip architectures: the library's own, and those beside a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipbench.errors import UserError, did_you_mean

CONFIG_NAME = "open_clip_config.json"


def builtin_config(architecture: str) -> Mapping[str, Any]:
    """Return open_clip's configuration of an architecture.

    Raises:
        UserError: open_clip has no such architecture.
    """
    import open_clip

    config: Mapping[str, Any] | None = open_clip.get_model_config(architecture)
    if config is None:
        fix = did_you_mean(architecture, open_clip.list_models())
        raise UserError("open_clip has no such architecture", where=f"architecture {architecture!r}", fix=fix)
    return config


def read_config(path: Path) -> Mapping[str, Any]:
    """Read the model part of an `open_clip_config.json`.

    Raises:
        UserError: no such file, not such a configuration, or it asks for code to be run.
    """
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        fix = "is it a folder in open_clip's layout? A bare checkpoint is named as open_clip:ARCH@FILE"
        raise UserError("no such file", where=str(path), fix=fix) from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be read as JSON ({error})", where=str(path), fix="check or replace it") from error
    config = document.get("model_cfg") if isinstance(document, dict) else None
    wanted = ("embed_dim", "vision_cfg", "text_cfg")
    lacking = [key for key in wanted if key not in config] if isinstance(config, dict) else ["model_cfg"]
    if lacking or not isinstance(config, dict):
        fix = f"expected 'model_cfg' with {', '.join(wanted)}, as open_clip writes it"
        raise UserError(f"lacks {', '.join(lacking)}", where=str(path), fix=fix)
    if _asks_for_code(config):
        fix = "remove the key if the model works without; else write an adapter class and name it by dotted path"
        raise UserError("asks for code to be run (trust_remote_code), which is refused", where=str(path), fix=fix)
    return config


def _asks_for_code(config: Any) -> bool:
    if isinstance(config, dict):
        return bool(config.get("trust_remote_code")) or any(map(_asks_for_code, config.values()))
    return isinstance(config, list) and any(map(_asks_for_code, config))
