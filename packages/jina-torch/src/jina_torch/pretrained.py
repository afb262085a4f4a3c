"""Load networks of transformers' own classes, and check that no weight is missing."""

from __future__ import annotations

from typing import Any

import torch
from jina_local.backend import ModelNotFoundError

from .flash_xlmr import Tensors
from .model_folder import ModelFolder


def from_folder(network_class: Any, folder: ModelFolder) -> Any:
    """Load a network of one of transformers' classes from a folder.

    Raises:
        ModelNotFoundError: The folder lacks weights that the network needs.
    """
    network, report = network_class.from_pretrained(
        folder.path, dtype=torch.float32, output_loading_info=True, **_without_own_code(network_class)
    )
    return _checked(network, report, folder.name)


def from_tensors(network_class: Any, config: Any, tensors: Tensors) -> Any:
    """Load a network of one of transformers' classes from tensors in memory.

    Raises:
        ModelNotFoundError: ``tensors`` lacks weights that the network needs.
    """
    network, report = network_class.from_pretrained(None, config=config, state_dict=tensors, output_loading_info=True)
    return _checked(network.float(), report, network_class.__name__)


def _without_own_code(network_class: Any) -> dict[str, bool]:
    # Without this option the Auto classes ask on the terminal whether to run a model's own code.
    return {"trust_remote_code": False} if network_class.__name__.startswith("Auto") else {}


def _checked(network: Any, report: dict[str, Any], name: str) -> Any:
    """Return a network with all its weights; transformers itself fills missing weights with random numbers."""
    # No model here uses the pooler.
    missing = sorted(each for each in report["missing_keys"] if "pooler" not in each)
    if missing or report.get("mismatched_keys"):
        keys = ", ".join(map(str, [*missing, *report.get("mismatched_keys", ())][:5]))
        raise ModelNotFoundError(f"{name} lacks weights that its network needs, or they have another shape: {keys}")
    return network.eval()
