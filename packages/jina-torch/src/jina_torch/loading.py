"""Load a model from its folder: choose the architecture, the pooling and the adapters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jina_client.integration import Model
from jina_local.backend import Backend, ModelNotFoundError

from . import flash_xlmr
from .adapters import TaskAdapters, adapters_from_folder, adapters_from_stacks
from .clip import load_clip
from .colbert import ColBert, Markers, project_states, punctuation
from .cross_encoder import CrossEncoder
from .listwise_reranker import is_listwise_reranker, load_listwise_reranker
from .model_folder import ModelFolder, find_folder, needs_own_code
from .model_tokenizer import ModelTokenizer
from .network import Network, Pool, first_token, hidden_states, last_token, mean
from .open_model import narrow_row
from .pretrained import from_folder, from_tensors
from .text_embedder import TextEmbedder

# Suffixes of repositories into which one task's adapter was merged.
_TASK_FAMILIES = ("retrieval", "text-matching", "clustering", "classification", "code")
_POOLS: dict[str, Pool] = {"mean": mean, "lasttoken": last_token, "cls": first_token}
_OLD_POOL_FLAGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "lasttoken",
    "pooling_mode_cls_token": "cls",
}
# Class names in modules.json, from any package.
_SUPPORTED_MODULES = ("Transformer", "Pooling", "Normalize")
_MARKERS = (("[QueryMarker]", "[DocumentMarker]"), ("[unused0]", "[unused1]"))


def load_backend(name: str, row: Model, allow_fetch: bool) -> Backend:
    """Load a model.

    Args:
        name: Folder or hub id.
        row: The catalog's row.
        allow_fetch: Whether images may be fetched from public addresses.

    Raises:
        ModelNotFoundError: The model is missing, needs its own code, or does not have the expected files.
    """
    folder = find_folder(name)
    try:
        return _load(row, folder, allow_fetch)
    except ModelNotFoundError:
        raise
    except ImportError as error:
        raise ModelNotFoundError(
            f"loading {name} needs {error.name or error}, which is missing or too old: pip install --upgrade "
            f"{error.name or 'transformers'}"
        ) from None
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError, TypeError) as error:
        # transformers raises all of these for files that differ from what it expects.
        reason = " ".join(str(error).split())[:500]
        raise ModelNotFoundError(f"{name} cannot be loaded ({type(error).__name__}): {reason}") from error


def _load(row: Model, folder: ModelFolder, allow_fetch: bool) -> Backend:
    if row.listwise and is_listwise_reranker(row, folder, tensors := flash_xlmr.read_tensors(folder.path)):
        return load_listwise_reranker(row, folder, tensors, ModelTokenizer(_qwen_tokenizer(folder)))
    if not flash_xlmr.is_flash_xlmr(folder.config) and not _is_native(folder.config):
        code = ", ".join(sorted({str(each) for each in folder.config["auto_map"].values()}))
        raise needs_own_code(row, f"{folder.name} ({code})")
    if "multi-vector" in row.fields and "embeddings" not in row.fields:
        return _load_colbert(row, folder)
    if "embeddings" not in row.fields:
        return _load_cross_encoder(row, folder)
    if folder.config.get("model_type") == "clip":
        return load_clip(row, folder, allow_fetch)
    return _load_text_embedder(row, folder)


def _is_native(config: dict[str, Any]) -> bool:
    """Return whether transformers' own classes compute a model, even if its files also name code of their own.

    EuroBERT's files, for example, name code from before transformers had the class.
    """
    if "auto_map" not in config:
        return True
    import transformers

    architectures = config.get("architectures") or ()
    return (
        config.get("model_type") in transformers.CONFIG_MAPPING
        and bool(architectures)
        and all(hasattr(transformers, name) for name in architectures)
    )


def _load_text_embedder(row: Model, folder: ModelFolder) -> TextEmbedder:
    tokenizer = _tokenizer(folder)
    network, tensors = _network(folder)
    if tensors is None:
        adapters = adapters_from_folder(network, folder, row.tasks)
    else:
        adapters = adapters_from_stacks(network, tensors, folder.config, row.tasks)
    served_row = narrow_row(
        row,
        dimensions=network.config.hidden_size,
        context=_positions(network) - tokenizer.specials,
        tasks=_supported_tasks(row, folder, adapters),
        without=("return_multivector", "return_tokenized_input"),
        modalities=frozenset({"text"}),
        narrowed={},
    )
    forward: Callable[..., torch.Tensor] = hidden_states(network)
    runner = Network(forward, tokenizer.pad, _positions(network), lambda task: adapters.activate(task or None))
    return TextEmbedder(served_row, folder.name, tokenizer, runner, _pool(row, folder))


def _supported_tasks(row: Model, folder: ModelFolder, adapters: TaskAdapters) -> tuple[str, ...]:
    """Return the tasks that the weights support."""
    if adapters.tasks:
        return adapters.tasks
    if row.id.startswith("jina-code-"):
        # The tasks of these models differ only in their prefixes.
        return row.tasks
    parts = Path(folder.name).parts
    family = next((each for each in _TASK_FAMILIES if any(part.endswith(f"-{each}") for part in parts)), None)
    if family is not None:
        return tuple(task for task in row.tasks if task.partition(".")[0] == family)
    if row.tasks and row.fields["embeddings"].get("task") is not None:
        raise ModelNotFoundError(
            f"{folder.name} has no adapters (adapter_config.json), and its name does not say for which task they were "
            f"merged: use a name such as {row.id}-retrieval"
        )
    return ()


def _load_colbert(row: Model, folder: ModelFolder) -> ColBert:
    tokenizer = _tokenizer(folder)
    network, tensors = _network(folder)
    if tensors is None:
        tensors = flash_xlmr.read_tensors(folder.path)
    projection = next((tensors[name] for name in ("linear.weight", "roberta.linear.weight") if name in tensors), None)
    if projection is None:
        raise ModelNotFoundError(f"{folder.name} is not a ColBERT model: it has no projection (linear.weight)")
    dimensions = projection.shape[0]
    choices = tuple(size for size in row.dimension_choices if size <= dimensions) or (dimensions,)
    served_row = narrow_row(
        row, dimensions=dimensions, context=_positions(network) - tokenizer.specials - 1, dimension_choices=choices
    )
    runner = Network(project_states(network, projection.float()), tokenizer.pad, _positions(network))
    return ColBert(served_row, folder.name, tokenizer, runner, _markers(folder, tokenizer))


def _markers(folder: ModelFolder, tokenizer: ModelTokenizer) -> Markers:
    metadata = folder.json("artifact.metadata") or {}
    mask = tokenizer.tokenizer.mask_token_id
    for query_name, document_name in _marker_names(metadata):
        query, document = _token_id(tokenizer, query_name), _token_id(tokenizer, document_name)
        if query is not None and document is not None and mask is not None:
            return Markers(
                query,
                document,
                mask,
                attend=bool(metadata.get("attend_to_mask_tokens", True)),
                skipped=punctuation(tokenizer) if metadata.get("mask_punctuation", True) else frozenset(),
            )
    raise ModelNotFoundError(f"the tokenizer of {folder.name} has no markers of queries and documents, or no mask")


def _marker_names(metadata: dict[str, Any]) -> list[tuple[str, str]]:
    query, document = metadata.get("query_token_id"), metadata.get("doc_token_id")
    own = [(query, document)] if isinstance(query, str) and isinstance(document, str) else []
    return [*own, *_MARKERS]


def _token_id(tokenizer: ModelTokenizer, token: str) -> int | None:
    number = tokenizer.tokenizer.convert_tokens_to_ids(token)
    return None if number is None or number == tokenizer.tokenizer.unk_token_id else int(number)


def _load_cross_encoder(row: Model, folder: ModelFolder) -> CrossEncoder:
    if row.listwise:
        raise ModelNotFoundError(f"{folder.name} does not hold the architecture of {row.id}")
    from transformers import (
        AutoModelForSequenceClassification,
        JinaEmbeddingsV3ForSequenceClassification,
        XLMRobertaForSequenceClassification,
    )

    tokenizer = _tokenizer(folder)
    if flash_xlmr.is_flash_xlmr(folder.config):
        config = flash_xlmr.native_config(folder.config)
        rotary = folder.config["position_embedding_type"] == "rotary"
        network_class = JinaEmbeddingsV3ForSequenceClassification if rotary else XLMRobertaForSequenceClassification
        native_tensors = flash_xlmr.native_names(flash_xlmr.read_tensors(folder.path), folder.config)
        tensors = {
            name if name.startswith("classifier.") else f"roberta.{name}": each for name, each in native_tensors.items()
        }
        network = from_tensors(network_class, config, tensors)
    else:
        network = from_folder(AutoModelForSequenceClassification, folder)
    if network.config.num_labels != 1:
        raise ModelNotFoundError(
            f"{folder.name} is not a reranker: it returns {network.config.num_labels} numbers for a pair and not one"
        )
    longest = _positions(network)

    def forward(**inputs: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = network(**inputs).logits
        return logits

    served_row = narrow_row(row, dimensions=0, context=longest - tokenizer.specials)
    return CrossEncoder(served_row, folder.name, tokenizer, Network(forward, tokenizer.pad, longest))


def _tokenizer(folder: ModelFolder) -> ModelTokenizer:
    from transformers import AutoTokenizer

    # Jina's configuration points to code in another repository, so the tokenizer gets the native one.
    config = flash_xlmr.native_config(folder.config) if flash_xlmr.is_flash_xlmr(folder.config) else None
    return ModelTokenizer(AutoTokenizer.from_pretrained(folder.path, config=config, trust_remote_code=False))


def _qwen_tokenizer(folder: ModelFolder) -> Any:
    from transformers import AutoTokenizer, Qwen3Config

    return AutoTokenizer.from_pretrained(folder.path, config=Qwen3Config(), trust_remote_code=False)


def _network(folder: ModelFolder) -> tuple[Any, flash_xlmr.Tensors | None]:
    """Load a network that computes token vectors.

    Returns:
        The network, and the stored tensors if there may be adapters among them.
    """
    from transformers import AutoModel, JinaEmbeddingsV3Model, XLMRobertaModel

    if not flash_xlmr.is_flash_xlmr(folder.config):
        return from_folder(AutoModel, folder), None
    config = flash_xlmr.native_config(folder.config)
    rotary = folder.config["position_embedding_type"] == "rotary"
    tensors = flash_xlmr.read_tensors(folder.path)
    native_tensors = flash_xlmr.native_names(tensors, folder.config)
    body = {
        name: each for name, each in native_tensors.items() if not name.startswith(("linear.", "lm_head.", "pooler."))
    }
    return from_tensors(JinaEmbeddingsV3Model if rotary else XLMRobertaModel, config, body), tensors


def _positions(network: Any) -> int:
    """Return the longest sequence of a network in tokens, special tokens included."""
    config = network.config
    positions = int(config.max_position_embeddings)
    # RoBERTa's positions start after that of the padding token.
    return positions - config.pad_token_id - 1 if config.model_type in ("xlm-roberta", "roberta") else positions


def _pool(row: Model, folder: ModelFolder) -> Pool:
    """Return the pooling that sentence-transformers' files describe; without them the model's usual pooling.

    Raises:
        ModelNotFoundError: The files name an unsupported step.
    """
    for module in folder.json("modules.json") or ():
        module_class = str(module.get("type", "")).rpartition(".")[2]
        if module_class not in _SUPPORTED_MODULES:
            raise ModelNotFoundError(f"{folder.name} has an unsupported module: {module.get('type')}")
    pooling = folder.json("1_Pooling/config.json")
    if pooling is None:
        pools_last = row.id.startswith(("jina-embeddings-v5-", "jina-code-"))
        return last_token if pools_last else mean
    mode = pooling.get("pooling_mode") or [name for key, name in _OLD_POOL_FLAGS.items() if pooling.get(key)]
    modes = [mode] if isinstance(mode, str) else list(mode)
    if len(modes) != 1 or modes[0] not in _POOLS or pooling.get("include_prompt") is False:
        raise ModelNotFoundError(f"{folder.name} has an unsupported pooling: {pooling}")
    return _POOLS[modes[0]]
