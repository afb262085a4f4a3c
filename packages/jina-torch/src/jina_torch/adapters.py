"""Low-rank adapters (LoRA) on one network, one per task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jina_local.backend import ModelNotFoundError

from .flash_xlmr import Tensors, adapter_stacks
from .model_folder import ModelFolder


class TaskAdapters:
    """Switches a network to the adapter of a task.

    Args:
        network: The network, with the adapters loaded.
        names: Name of the adapter of each task.

    Attributes:
        tasks: Tasks with an adapter.
    """

    def __init__(self, network: Any, names: Mapping[str, str]) -> None:
        self._network = network
        self._names = names
        self._active: str | None = None
        self.tasks = tuple(names)
        if names:
            network.disable_adapters()

    def activate(self, task: str | None) -> None:
        """Activate a task's adapter, or none if ``task`` is ``None`` or has no adapter."""
        name = self._names.get(task or "")
        if name == self._active:
            return
        if name is None:
            self._network.disable_adapters()
        else:
            self._network.enable_adapters()
            self._network.set_adapter(name)
        self._active = name


def adapters_from_folder(network: Any, folder: ModelFolder, tasks: Sequence[str]) -> TaskAdapters:
    """Load adapters from folders named after tasks: ``retrieval_query``, ``adapters/retrieval``, ….

    An adapter named ``retrieval`` serves queries and passages.

    Args:
        network: The network without adapters.
        folder: Folder of the model.
        tasks: Tasks of the model.
    """
    names: dict[str, str] = {}
    loaded: set[str] = set()
    for task in tasks:
        for spelling in (task, task.partition(".")[0]):
            name = spelling.replace(".", "_").replace("-", "_")
            candidates = (
                folder.path / base / each for base in ("", "adapters") for each in dict.fromkeys((name, spelling))
            )
            path = next((each for each in candidates if (each / "adapter_config.json").is_file()), None)
            if path is None:
                continue
            if name not in loaded:
                network.load_adapter(str(path), adapter_name=name)
                loaded.add(name)
            names[task] = name
            break
    return TaskAdapters(network, names)


def adapters_from_stacks(
    network: Any, tensors: Tensors, config: Mapping[str, Any], tasks: Sequence[str]
) -> TaskAdapters:
    """Load adapters that are stored as stacks; see :mod:`jina_torch.flash_xlmr`.

    Args:
        network: The network without adapters.
        tensors: Tensors as they are stored.
        config: Content of ``config.json``.
        tasks: Tasks of the model.

    Raises:
        ModelNotFoundError: An adapter belongs to a module that the network does not have.
    """
    from peft import LoraConfig

    order = config.get("lora_adaptations") or ()
    stacks = adapter_stacks(tensors)
    if not stacks:
        return TaskAdapters(network, {})
    modules = dict(network.named_modules())
    # Mean pooling does not use the pooler.
    unknown = [name for name in stacks if name not in modules and not name.startswith("pooler")]
    if unknown:
        raise ModelNotFoundError(f"an adapter belongs to the module {unknown[0]}, which the network does not have")
    targets = [name for name in stacks if name in modules and not name.startswith("pooler")]
    rank, alpha = config["lora_rank"], config["lora_alpha"]
    names = {}
    for index, task in enumerate(order):
        if task not in tasks:
            continue
        name = task.replace(".", "_").replace("-", "_")
        network.add_adapter(LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets), adapter_name=name)
        for target in targets:
            _set_weights(network.get_submodule(target), name, *(stack[index] for stack in stacks[target]))
        names[task] = name
    return TaskAdapters(network, names)


def _set_weights(module: Any, name: str, a: torch.Tensor, b: torch.Tensor) -> None:
    with torch.no_grad():
        if name in module.lora_A:
            module.lora_A[name].weight.copy_(a)
            module.lora_B[name].weight.copy_(b)
        else:
            # The adapters of an embedding are stored transposed.
            module.lora_embedding_A[name].copy_(a.T)
            module.lora_embedding_B[name].copy_(b.T)
