"""From a folder to a model that answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jina_client.models import Model

from ..backend import Backend
from ..errors import ModelNotFoundError
from . import flash_xlmr
from .adapters import TaskAdapters, adapters_in_folder, adapters_in_stacks
from .answering import narrowed
from .colbert import ColBert, Markers, projected, punctuation
from .cross_encoder import CrossEncoder
from .files import ModelFolder, find_folder, find_row
from .listwise import is_listwise, load_listwise
from .network import Network, Pool, first_token, last_token, mean
from .pretrained import complete, from_folder
from .texts import TextEmbedder, hidden_states
from .tokens import Tokenizer

# What tells the repositories apart into which one task's adapter was merged.
_FAMILIES = ("retrieval", "text-matching", "clustering", "classification", "code")
_POOLS: dict[str, Pool] = {"mean": mean, "lasttoken": last_token, "cls": first_token}
_LEGACY_POOLS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "lasttoken",
    "pooling_mode_cls_token": "cls",
}
# By the classes' names in modules.json, whatever package they came from.
_KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")
_MARKERS = (("[QueryMarker]", "[DocumentMarker]"), ("[unused0]", "[unused1]"))


def load_backend(name: str, model_id: str | None, trust_remote_code: bool, allow_fetch: bool) -> Backend:
    """Load a model; see :func:`jina_local.open_models.load`."""
    # Before anything is downloaded.
    row = find_row(name, model_id)
    if "sparse" in row.fields:
        raise ModelNotFoundError(f"the weights of {row.id} are not Jina's: it cannot be served")
    folder = find_folder(name)
    try:
        return _load(row, folder, trust_remote_code, allow_fetch)
    except ModelNotFoundError:
        raise
    except ImportError as error:
        raise ModelNotFoundError(f"{name} needs {error.name or error}, which is not installed or not as new") from None
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError, TypeError) as error:
        # What transformers, and code that comes with a model, raise for files that are not as they expect.
        reason = " ".join(str(error).split())[:500]
        raise ModelNotFoundError(f"{name} cannot be loaded ({type(error).__name__}): {reason}") from error


def _load(row: Model, folder: ModelFolder, trust_remote_code: bool, allow_fetch: bool) -> Backend:
    if row.listwise and is_listwise(row, folder, tensors := flash_xlmr.read_tensors(folder.path)):
        return load_listwise(row, folder, tensors, Tokenizer(_listwise_tokenizer(folder)))
    if folder.has_own_code and not flash_xlmr.is_flash_xlmr(folder.config):
        if not trust_remote_code:
            raise ModelNotFoundError(
                f"{folder.name} is computed by code that comes with it ({_code(folder)}). If you have read that code "
                "and trust it, run it with --trust-remote-code"
            )
        from .own_code import load_own_code

        return load_own_code(row, folder, allow_fetch)
    if "multi-vector" in row.fields and "embeddings" not in row.fields:
        return _colbert(row, folder)
    if "embeddings" not in row.fields:
        return _cross_encoder(row, folder)
    if folder.config.get("model_type") == "clip":
        from .clip import load_clip

        return load_clip(row, folder, allow_fetch)
    return _text_embedder(row, folder)


def _text_embedder(row: Model, folder: ModelFolder) -> TextEmbedder:
    tokenizer = _tokenizer(folder)
    network, tensors = _network(folder)
    if tensors is None:
        adapters = adapters_in_folder(network, folder, row.tasks)
    else:
        adapters = adapters_in_stacks(network, tensors, folder.config, row.tasks)
    context = _positions(network) - tokenizer.specials
    tasks = _tasks(row, folder, adapters)
    without = ("return_multivector", "return_tokenized_input")
    fitted = narrowed(
        row,
        dimensions=network.config.hidden_size,
        context=context,
        tasks=tasks,
        without=without,
        modalities=frozenset({"text"}),
        narrowed={},
    )
    forward: Callable[..., torch.Tensor] = hidden_states(network)
    runner = Network(forward, tokenizer.pad, _positions(network), lambda task: adapters.use(task or None))
    return TextEmbedder(fitted, folder.name, tokenizer, runner, _pool(row, folder))


def _tasks(row: Model, folder: ModelFolder, adapters: TaskAdapters) -> tuple[str, ...]:
    """The tasks that weights were made for."""
    if adapters.tasks:
        return adapters.tasks
    if row.id.startswith("jina-code-"):
        # These differ by their prefixes alone.
        return row.tasks
    parts = Path(folder.name).parts
    family = next((each for each in _FAMILIES if any(part.endswith(f"-{each}") for part in parts)), None)
    if family is not None:
        return tuple(task for task in row.tasks if task.partition(".")[0] == family)
    if row.tasks and row.fields["embeddings"].get("task") is not None:
        raise ModelNotFoundError(
            f"{folder.name} has no adapters (adapter_config.json), and its name does not say for which task they were "
            f"merged: such as {row.id}-retrieval"
        )
    return ()


def _colbert(row: Model, folder: ModelFolder) -> ColBert:
    tokenizer = _tokenizer(folder)
    network, tensors = _network(folder)
    if tensors is None:
        tensors = flash_xlmr.read_tensors(folder.path)
    projection = next((tensors[name] for name in ("linear.weight", "roberta.linear.weight") if name in tensors), None)
    if projection is None:
        raise ModelNotFoundError(f"{folder.name} has no projection (linear.weight): it is no ColBERT model")
    said = folder.json("artifact.metadata") or {}
    pair = next((pair for pair in _marker_names(said) if all(_id(tokenizer, each) is not None for each in pair)), None)
    mask = tokenizer.own.mask_token_id
    if pair is None or mask is None:
        raise ModelNotFoundError(f"the tokenizer of {folder.name} has no markers of queries and documents, or no mask")
    query, document = (_id(tokenizer, each) for each in pair)
    assert query is not None
    assert document is not None
    markers = Markers(
        query,
        document,
        mask,
        attend=bool(said.get("attend_to_mask_tokens", True)),
        skipped=punctuation(tokenizer) if said.get("mask_punctuation", True) else frozenset(),
    )
    dimensions = projection.shape[0]
    choices = tuple(size for size in row.dimension_choices if size <= dimensions) or (dimensions,)
    fitted = narrowed(
        row, dimensions=dimensions, context=_positions(network) - tokenizer.specials - 1, dimension_choices=choices
    )
    runner = Network(projected(network, projection.float()), tokenizer.pad, _positions(network))
    return ColBert(fitted, folder.name, tokenizer, runner, markers)


def _marker_names(said: dict[str, Any]) -> list[tuple[str, str]]:
    own = said.get("query_token_id"), said.get("doc_token_id")
    named = [(own[0], own[1])] if isinstance(own[0], str) and isinstance(own[1], str) else []
    return [*named, *_MARKERS]


def _id(tokenizer: Tokenizer, token: str) -> int | None:
    number = tokenizer.own.convert_tokens_to_ids(token)
    return None if number is None or number == tokenizer.own.unk_token_id else int(number)


def _cross_encoder(row: Model, folder: ModelFolder) -> CrossEncoder:
    if row.listwise or "image" in row.modalities:
        raise ModelNotFoundError(
            f"{folder.name} has no auto_map in its config.json: {row.id} is computed by its own code"
        )
    from transformers import (
        AutoModelForSequenceClassification,
        JinaEmbeddingsV3ForSequenceClassification,
        XLMRobertaForSequenceClassification,
    )

    tokenizer = _tokenizer(folder)
    if flash_xlmr.is_flash_xlmr(folder.config):
        config = flash_xlmr.native_config(folder.config)
        rotary = folder.config["position_embedding_type"] == "rotary"
        kind = JinaEmbeddingsV3ForSequenceClassification if rotary else XLMRobertaForSequenceClassification
        named = flash_xlmr.native_names(flash_xlmr.read_tensors(folder.path), folder.config)
        tensors = {name if name.startswith("classifier.") else f"roberta.{name}": each for name, each in named.items()}
        network = complete(kind, config, tensors)
    else:
        network = from_folder(AutoModelForSequenceClassification, folder)
    if network.config.num_labels != 1:
        raise ModelNotFoundError(f"{folder.name} gives {network.config.num_labels} numbers for a pair, a reranker one")
    longest = _positions(network)

    def forward(**inputs: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = network(**inputs).logits
        return logits

    fitted = narrowed(row, dimensions=0, context=longest - tokenizer.specials)
    return CrossEncoder(fitted, folder.name, tokenizer, Network(forward, tokenizer.pad, longest))


def _tokenizer(folder: ModelFolder) -> Tokenizer:
    from transformers import AutoTokenizer

    # Without the configuration: Jina's points to code in another repository.
    return Tokenizer(AutoTokenizer.from_pretrained(folder.path, config=_tokenizer_config(folder)))


def _listwise_tokenizer(folder: ModelFolder) -> Any:
    from transformers import AutoTokenizer, Qwen3Config

    return AutoTokenizer.from_pretrained(folder.path, config=Qwen3Config())


def _tokenizer_config(folder: ModelFolder) -> Any:
    return flash_xlmr.native_config(folder.config) if flash_xlmr.is_flash_xlmr(folder.config) else None


def _network(folder: ModelFolder) -> tuple[Any, flash_xlmr.Tensors | None]:
    """A network that gives token vectors; the tensors as they are stored, where adapters may be among them."""
    from transformers import AutoModel, JinaEmbeddingsV3Model, XLMRobertaModel

    if not flash_xlmr.is_flash_xlmr(folder.config):
        return from_folder(AutoModel, folder), None
    config = flash_xlmr.native_config(folder.config)
    rotary = folder.config["position_embedding_type"] == "rotary"
    tensors = flash_xlmr.read_tensors(folder.path)
    named = flash_xlmr.native_names(tensors, folder.config)
    body = {name: each for name, each in named.items() if not name.startswith(("linear.", "lm_head.", "pooler."))}
    return complete(JinaEmbeddingsV3Model if rotary else XLMRobertaModel, config, body), tensors


def _positions(network: Any) -> int:
    """The most tokens that a network can read, special ones included."""
    config = network.config
    positions = int(config.max_position_embeddings)
    # RoBERTa's positions begin behind that of padding.
    return positions - config.pad_token_id - 1 if config.model_type in ("xlm-roberta", "roberta") else positions


def _pool(row: Model, folder: ModelFolder) -> Pool:
    """How a text's vector is made, by sentence-transformers' files; without them by what is known of the model.

    Raises:
        ModelNotFoundError: the files name a step that is not known here.
    """
    for module in folder.json("modules.json") or ():
        kind = str(module.get("type", "")).rpartition(".")[2]
        if kind not in _KNOWN_MODULES:
            raise ModelNotFoundError(f"{folder.name} has a module that is not known here: {module.get('type')}")
    said = folder.json("1_Pooling/config.json")
    if said is None:
        by_last = row.id.startswith(("jina-embeddings-v5-", "jina-code-"))
        return last_token if by_last else mean
    mode = said.get("pooling_mode") or [name for key, name in _LEGACY_POOLS.items() if said.get(key)]
    modes = [mode] if isinstance(mode, str) else list(mode)
    if len(modes) != 1 or modes[0] not in _POOLS or said.get("include_prompt") is False:
        raise ModelNotFoundError(f"{folder.name} pools in a way that is not known here: {said}")
    return _POOLS[modes[0]]


def _code(folder: ModelFolder) -> str:
    return ", ".join(sorted({str(each) for each in folder.config["auto_map"].values()}))
