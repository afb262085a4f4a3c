"""jina-reranker-v3: reads the query and many documents together, as one prompt of a language model.

A marker token follows each document and the query. Its last hidden state, projected, is the vector of the document or
query, and the score is their cosine. Documents that do not fit into one prompt are read in blocks. Each block gives a
query vector, weighted by its best document: ``max((1 + score) / 2)``. The weighted sum of the query vectors scores all
documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jina_client.integration import Model
from jina_local.backend import (
    Charge,
    ModelNotFoundError,
    RerankBody,
    RerankOutput,
    Vectors,
    normalize,
    token_limit_exceeded,
)

from .flash_xlmr import Tensors
from .model_folder import ModelFolder
from .model_tokenizer import ModelTokenizer
from .network import Network, TokenSequence
from .open_model import DECIMALS, OpenModel, narrow_row, texts_of
from .pretrained import from_tensors

QUERY_LENGTH = 512
BLOCK_DOCUMENTS = 125
_DOCUMENT_MARKER, _QUERY_MARKER = "<|embed_token|>", "<|rerank_token|>"

# The weights were trained with exactly these words.
SYSTEM = (
    "You are a search relevance expert who can determine a ranking of the passages based on how relevant they are to "
    "the query. If the query is a question, how relevant a passage is depends on how well it answers the question. If "
    "not, try to analyze the intent of the query and assess how well each passage satisfies the intent. If an "
    "instruction is provided, you should follow the instruction when determining the ranking."
)
_BEFORE = "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n"
_TASK = (
    "I will provide you with {count} passages, each indicated by a numerical identifier. Rank the passages based on "
    "their relevance to query: {query}\n"
)
_AFTER = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


class ListwiseReranker(OpenModel):
    """A listwise reranker.

    Args:
        row: The catalog's row, narrowed to the loaded weights.
        name: Folder or hub id as the user wrote it.
        tokenizer: The model's tokenizer.
        network: Computes projected token vectors.
    """

    def __init__(self, row: Model, name: str, tokenizer: ModelTokenizer, network: Network) -> None:
        super().__init__(row, name, tokenizer)
        self._network = network
        self._marker_ids = _marker_ids(tokenizer)

    def rerank(self, body: RerankBody, charge: Charge) -> RerankOutput:
        """Return the cosine of each document's vector with the query's."""
        query, *texts = (_without_markers(text) for text in texts_of([body.query, *body.documents], self))
        query = self.tokenizer.truncate(query, QUERY_LENGTH)
        limit = min(self.row.context, body.max_doc_length or self.row.context)
        documents = [self.tokenizer.truncate(text, limit) for text in texts]
        lengths = [len(self.tokenizer.content(text)) for text in documents]
        prompts = [
            list(self.tokenizer.tokenizer(prompt(query, [documents[each] for each in block]))["input_ids"])
            for block in self._blocks(query, lengths)
        ]
        if any(len(ids) > self.row.context for ids in prompts):
            raise token_limit_exceeded(self.row.context, "Use a smaller 'max_doc_length'.")
        tokens = len(self.tokenizer.content(query)) + sum(lengths)
        charge(tokens)
        blocks = [self._vectors(ids) for ids in prompts]
        document_vectors = normalize(np.concatenate([rows[:-1] for rows in blocks]))
        query_vector = np.zeros(document_vectors.shape[1])
        for rows in blocks:
            unit = normalize(rows)
            query_vector += rows[-1].astype(np.float64) * float(((1 + unit[:-1] @ unit[-1]) / 2).max())
        scores = document_vectors @ normalize(query_vector[np.newaxis].astype(np.float32))[0]
        return RerankOutput(
            tokens=tokens,
            scores=[round(float(score), DECIMALS) for score in scores],
            embeddings=document_vectors if body.return_embeddings else None,
        )

    def close(self) -> None:
        """Stop computing."""
        self._network.close()

    def _blocks(self, query: str, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Yield the indices of consecutive documents, as many as fit into one prompt."""
        empty = len(self.tokenizer.tokenizer(prompt(query, []))["input_ids"])
        block: list[int] = []
        size = empty
        for index, length in enumerate(lengths):
            passage = length + len(self.tokenizer.tokenizer(_passage(index, ""))["input_ids"]) + 1
            if block and (size + passage > self.row.context or len(block) == BLOCK_DOCUMENTS):
                yield block
                block, size = [], empty
            block.append(index)
            size += passage
        yield block

    def _vectors(self, ids: Sequence[int]) -> Vectors:
        """Return the vectors of a prompt's documents, and of its query in the last row."""
        positions = [index for index, number in enumerate(ids) if number in self._marker_ids]
        [rows] = self._network.run([TokenSequence(ids)], lambda states, _: states[positions])
        return rows


def prompt(query: str, documents: Sequence[str]) -> str:
    """Return the prompt that compares documents."""
    passages = "".join(f"{_passage(index, text)}\n" for index, text in enumerate(documents))
    return (
        _BEFORE.format(system=SYSTEM)
        + _TASK.format(count=len(documents), query=query)
        + passages
        + f"<query>\n{query}{_QUERY_MARKER}\n</query>"
        + _AFTER
    )


def load_listwise_reranker(
    row: Model, folder: ModelFolder, tensors: Tensors, tokenizer: ModelTokenizer
) -> ListwiseReranker:
    """Load a model of transformers' Qwen3 class with a projector.

    Args:
        row: The catalog's row.
        folder: Folder of the model.
        tensors: The folder's tensors.
        tokenizer: The model's tokenizer.

    Raises:
        ModelNotFoundError: The tokenizer lacks the marker tokens, or weights are missing.
    """
    from transformers import Qwen3Config, Qwen3Model

    config = {name: value for name, value in folder.config.items() if name not in ("auto_map", "architectures")}
    body = {name.removeprefix("model."): each for name, each in tensors.items() if name.startswith("model.")}
    network: Any = from_tensors(Qwen3Model, Qwen3Config(**config), body)
    inner, outer = (tensors[f"projector.{layer}.weight"].float() for layer in (0, 2))
    if None in _marker_ids(tokenizer):
        raise ModelNotFoundError(f"the tokenizer of {folder.name} lacks {_DOCUMENT_MARKER} or {_QUERY_MARKER}")

    def forward(**inputs: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = network(**inputs).last_hidden_state
        return torch.relu(states @ inner.T) @ outer.T

    longest = int(network.config.max_position_embeddings)
    served_row = narrow_row(row, dimensions=0, context=longest)
    return ListwiseReranker(served_row, folder.name, tokenizer, Network(forward, tokenizer.pad, longest))


def is_listwise_reranker(row: Model, folder: ModelFolder, tensors: Tensors) -> bool:
    """Return whether a folder holds the architecture of jina-reranker-v3."""
    projector = ("projector.0.weight", "projector.2.weight")
    return (
        row.id == "jina-reranker-v3"
        and folder.config.get("model_type") == "qwen3"
        and all(name in tensors for name in projector)
    )


def _marker_ids(tokenizer: ModelTokenizer) -> list[int | None]:
    return [tokenizer.tokenizer.convert_tokens_to_ids(marker) for marker in (_DOCUMENT_MARKER, _QUERY_MARKER)]


def _passage(index: int, text: str) -> str:
    return f'<passage id="{index}">\n{text}{_DOCUMENT_MARKER}\n</passage>'


def _without_markers(text: str) -> str:
    """Remove the spelling of the marker tokens from a text, and break one that has formed around a removed one."""
    text = text.replace(_DOCUMENT_MARKER, "").replace(_QUERY_MARKER, "")
    for marker in (_DOCUMENT_MARKER, _QUERY_MARKER):
        text = text.replace(marker, marker.replace("<|", "< |"))
    return text
