"""Read the layout in which Jina publishes its XLM-RoBERTa models into transformers' own classes.

The files of jina-embeddings-v3, jina-colbert-v2 and jina-reranker-v2 name their tensors after Jina's implementation,
and their configuration points to code in another repository. The networks are the same as transformers'
``JinaEmbeddingsV3Model`` (rotary positions) and ``XLMRobertaModel`` (absolute positions): only the names differ.

Task adapters are stored as stacks with one layer per task, in the order of ``lora_adaptations`` in the configuration.
The weight for task i is ``W + B[i] @ A[i] * alpha / rank``; for an embedding, A and B are swapped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jina_local.backend import ModelNotFoundError

Tensors = dict[str, torch.Tensor]

_ORIGINAL = ".parametrizations.weight.original"
_LORA = re.compile(r"(.+)\.parametrizations\.weight\.0\.lora_([AB])$")

# For absolute positions. The class for rotary positions reads the published names itself.
_NAMES = (
    (r"^emb_ln\.", "embeddings.LayerNorm."),
    (r"^encoder\.layers\.", "encoder.layer."),
    (r"\.mixer\.out_proj\.", ".attention.output.dense."),
    (r"\.norm1\.", ".attention.output.LayerNorm."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
    (r"\.norm2\.", ".output.LayerNorm."),
)
_SHARED = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "max_position_embeddings",
    "type_vocab_size",
    "layer_norm_eps",
    "pad_token_id",
    "bos_token_id",
    "eos_token_id",
    "num_labels",
    "id2label",
    "label2id",
)


def is_flash_xlmr(config: Mapping[str, Any]) -> bool:
    """Return whether a configuration describes this layout."""
    return "position_embedding_type" in config and any(
        "XLMRobertaFlash" in str(code) for code in config.get("auto_map", {}).values()
    )


def native_config(config: Mapping[str, Any]) -> Any:
    """Return the configuration of transformers' own class."""
    from transformers import JinaEmbeddingsV3Config, XLMRobertaConfig

    shared = {name: config[name] for name in _SHARED if config.get(name) is not None}
    if config["position_embedding_type"] == "rotary":
        theta = float(config.get("rotary_emb_base") or 10_000.0)
        return JinaEmbeddingsV3Config(**shared, rope_parameters={"rope_type": "default", "rope_theta": theta})
    return XLMRobertaConfig(**shared)


def read_tensors(folder: Path) -> Tensors:
    """Read every tensor of a folder's weights.

    Args:
        folder: Folder of the model.

    Returns:
        The tensors by name.

    Raises:
        ModelNotFoundError: The folder holds no weights.
    """
    from safetensors.torch import load_file

    tensors: Tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors.update(load_file(path))
    if not tensors:
        for path in sorted(folder.glob("pytorch_model*.bin")):
            tensors.update(torch.load(path, map_location="cpu", weights_only=True))
    if not tensors:
        raise ModelNotFoundError(f"{folder} holds no weights (*.safetensors)")
    return tensors


def native_names(tensors: Tensors, config: Mapping[str, Any]) -> Tensors:
    """Rename the tensors of the network and its head to the names of transformers' class; leave out adapters."""
    rotary = config["position_embedding_type"] == "rotary"
    native_tensors: Tensors = {}
    for name, tensor in tensors.items():
        if _LORA.match(name):
            continue
        plain = name.replace(_ORIGINAL, ".weight").removeprefix("roberta.")
        is_head = plain.startswith(("classifier.", "linear."))
        if rotary or is_head:
            native_tensors[plain] = tensor
            continue
        for pattern, replacement in _NAMES:
            plain = re.sub(pattern, replacement, plain)
        if ".mixer.Wqkv." in plain:
            for part, rows in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                native_tensors[plain.replace(".mixer.Wqkv.", f".attention.self.{part}.")] = rows
        else:
            native_tensors[plain] = tensor
    return native_tensors


def adapter_stacks(tensors: Tensors) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return the stacks A and B of each module that has adapters.

    The query, key and value projections of attention are stored as one: they share A, and each has a third of B.

    Args:
        tensors: Tensors as they are stored.

    Returns:
        The stacks by the module's name in the network with rotary positions.
    """
    stacks: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if match := _LORA.match(name):
            stacks.setdefault(match[1].removeprefix("roberta."), {})[match[2]] = tensor
    adapters = {}
    for name, stack in stacks.items():
        module = name.replace("encoder.layers.", "layers.").replace(".mixer.out_proj", ".self_attn.o_proj")
        if module.endswith(".mixer.Wqkv"):
            for part, rows in zip("qkv", stack["B"].chunk(3, dim=1), strict=True):
                adapters[module.replace(".mixer.Wqkv", f".self_attn.{part}_proj")] = stack["A"], rows
        else:
            adapters[module] = stack["A"], stack["B"]
    return adapters
