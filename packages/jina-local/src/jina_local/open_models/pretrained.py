"""Networks of transformers' own classes, with every weight read."""

from __future__ import annotations

from typing import Any

import torch

from ..errors import ModelNotFoundError
from .files import ModelFolder
from .flash_xlmr import Tensors


def from_folder(kind: Any, folder: ModelFolder) -> Any:
    """A network of one of transformers' classes, read from a folder."""
    found, report = kind.from_pretrained(folder.path, dtype=torch.float32, output_loading_info=True)
    return _checked(found, report, folder.name)


def complete(kind: Any, config: Any, tensors: Tensors) -> Any:
    """A network of one of transformers' classes, with weights that were read already."""
    found, report = kind.from_pretrained(None, config=config, state_dict=tensors, output_loading_info=True)
    return _checked(found.float(), report, kind.__name__)


def _checked(network: Any, report: dict[str, Any], name: str) -> Any:
    """A network whose every weight was read: transformers makes up what it does not find."""
    # The pooler is no part of what is computed here.
    missing = sorted(each for each in report["missing_keys"] if "pooler" not in each)
    if missing or report.get("mismatched_keys"):
        wrong = ", ".join(map(str, [*missing, *report.get("mismatched_keys", ())][:5]))
        raise ModelNotFoundError(f"{name} lacks weights that its network needs, or they have another shape: {wrong}")
    return network.eval()
