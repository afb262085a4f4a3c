"""The layout in which Jina publishes its XLM-RoBERTa models, read into transformers' own classes.

The files of jina-embeddings-v3, jina-colbert-v2 and jina-reranker-v2 name their tensors after Jina's implementation,
and their configuration points to code in another repository, which a machine without the network does not have. The
networks are transformers' ``JinaEmbeddingsV3Model`` (rotary positions) and ``XLMRobertaModel`` (absolute ones): only
the names differ. Task adapters are stored as stacks, one layer for each task, in the order of the configuration's
``lora_adaptations``; the weight for task i is ``W + B[i] @ A[i] * alpha / rank``, for an embedding with A
and B in the other order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import ModelNotFoundError

Tensors = dict[str, torch.Tensor]

_ORIGINAL = ".parametrizations.weight.original"
_LORA = re.compile(r"(.+)\.parametrizations\.weight\.0\.lora_([AB])$")

# For absolute positions; the class for rotary ones knows these names.
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
    """Whether a configuration is of this layout."""
    return "position_embedding_type" in config and any(
        "XLMRobertaFlash" in str(code) for code in config.get("auto_map", {}).values()
    )


def native_config(config: Mapping[str, Any]) -> Any:
    """The configuration of transformers' own class."""
    from transformers import JinaEmbeddingsV3Config, XLMRobertaConfig

    shared = {name: config[name] for name in _SHARED if config.get(name) is not None}
    if config["position_embedding_type"] == "rotary":
        theta = float(config.get("rotary_emb_base") or 10_000.0)
        return JinaEmbeddingsV3Config(**shared, rope_parameters={"rope_type": "default", "rope_theta": theta})
    return XLMRobertaConfig(**shared)


def read_tensors(folder: Path) -> Tensors:
    """Every tensor of a folder's weights, by its name.

    Raises:
        ModelNotFoundError: there are none.
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
    """The tensors of the network, and of its head, under the names that transformers' class reads; no adapters."""
    rotary = config["position_embedding_type"] == "rotary"
    found: Tensors = {}
    for name, tensor in tensors.items():
        if _LORA.match(name):
            continue
        plain = name.replace(_ORIGINAL, ".weight").removeprefix("roberta.")
        is_head = plain.startswith(("classifier.", "linear."))
        if rotary or is_head:
            found[plain] = tensor
            continue
        for pattern, replacement in _NAMES:
            plain = re.sub(pattern, replacement, plain)
        if ".mixer.Wqkv." in plain:
            for part, rows in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                found[plain.replace(".mixer.Wqkv.", f".attention.self.{part}.")] = rows
        else:
            found[plain] = tensor
    return found


def stacked_adapters(tensors: Tensors) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """The stacks A and B of each adapted weight, by the module's name in the network with rotary positions.

    The three projections of attention, stored as one, share A and have a third of B each.
    """
    stacks: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if found := _LORA.match(name):
            stacks.setdefault(found[1].removeprefix("roberta."), {})[found[2]] = tensor
    adapters = {}
    for name, stack in stacks.items():
        module = name.replace("encoder.layers.", "layers.").replace(".mixer.out_proj", ".self_attn.o_proj")
        if module.endswith(".mixer.Wqkv"):
            for part, rows in zip("qkv", stack["B"].chunk(3, dim=1), strict=True):
                adapters[module.replace(".mixer.Wqkv", f".self_attn.{part}_proj")] = stack["A"], rows
        else:
            adapters[module] = stack["A"], stack["B"]
    return adapters
