"""Low-rank adapters (LoRA), one for each task, on one network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..errors import ModelNotFoundError
from .files import ModelFolder
from .flash_xlmr import Tensors, stacked_adapters


class TaskAdapters:
    """Switches a network's weights to a task's.

    Args:
        network: with the adapters in it.
        names: of the adapter for each task.

    Attributes:
        tasks: those with an adapter.
    """

    def __init__(self, network: Any, names: Mapping[str, str]) -> None:
        self._network = network
        self._names = names
        self._in_use: str | None = None
        self.tasks = tuple(names)
        if names:
            network.disable_adapters()

    def use(self, task: str | None) -> None:
        """Compute with a task's adapter from now on; without any for ``None``, or where the weights have none."""
        wanted = self._names.get(task or "")
        if wanted == self._in_use:
            return
        if wanted is None:
            self._network.disable_adapters()
        else:
            self._network.enable_adapters()
            self._network.set_adapter(wanted)
        self._in_use = wanted


def adapters_in_folder(network: Any, folder: ModelFolder, tasks: Sequence[str]) -> TaskAdapters:
    """The adapters that lie in folders named after tasks: ``retrieval_query``, ``adapters/retrieval``, ….

    One named ``retrieval`` serves both sides of the task.
    """
    names: dict[str, str] = {}
    loaded: set[str] = set()
    for task in tasks:
        for spelling in (task, task.partition(".")[0]):
            name = spelling.replace(".", "_").replace("-", "_")
            places = (
                folder.path / base / each for base in ("", "adapters") for each in dict.fromkeys((name, spelling))
            )
            place = next((each for each in places if (each / "adapter_config.json").is_file()), None)
            if place is None:
                continue
            if name not in loaded:
                network.load_adapter(str(place), adapter_name=name)
                loaded.add(name)
            names[task] = name
            break
    return TaskAdapters(network, names)


def adapters_in_stacks(network: Any, tensors: Tensors, config: Mapping[str, Any], tasks: Sequence[str]) -> TaskAdapters:
    """The adapters that are stored as stacks; see :mod:`jina_local.open_models.flash_xlmr`.

    Raises:
        ModelNotFoundError: one is for a module that the network does not have.
    """
    from peft import LoraConfig

    order = config.get("lora_adaptations") or ()
    stacks = stacked_adapters(tensors)
    if not stacks:
        return TaskAdapters(network, {})
    modules = dict(network.named_modules())
    # The pooler is no part of mean pooling.
    unknown = [name for name in stacks if name not in modules and not name.startswith("pooler")]
    if unknown:
        raise ModelNotFoundError(f"an adapter is for {unknown[0]}, which the network does not have")
    targets = [name for name in stacks if name in modules and not name.startswith("pooler")]
    rank, alpha = config["lora_rank"], config["lora_alpha"]
    names = {}
    for index, task in enumerate(order):
        if task not in tasks:
            continue
        name = task.replace(".", "_").replace("-", "_")
        network.add_adapter(LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets), adapter_name=name)
        for target in targets:
            _set(network.get_submodule(target), name, *(stack[index] for stack in stacks[target]))
        names[task] = name
    return TaskAdapters(network, names)


def _set(module: Any, name: str, a: torch.Tensor, b: torch.Tensor) -> None:
    with torch.no_grad():
        if name in module.lora_A:
            module.lora_A[name].weight.copy_(a)
            module.lora_B[name].weight.copy_(b)
        else:
            # An embedding's are stored the other way round, in both senses.
            module.lora_embedding_A[name].copy_(a.T)
            module.lora_embedding_B[name].copy_(b.T)
