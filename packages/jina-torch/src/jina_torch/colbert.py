"""ColBERT: one vector per token of a document, 32 per query (Khattab and Zaharia 2020, arXiv 2004.12832)."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jina_client.integration import Model
from jina_client.late_interaction import maxsim
from jina_local.backend import (
    Charge,
    EmbeddingBody,
    EmbeddingOutput,
    RerankBody,
    RerankOutput,
    Vectors,
    check_token_vectors,
    truncate_vectors,
)

from .model_tokenizer import ModelTokenizer
from .network import Network, TokenSequence, all_rows, hidden_states
from .open_model import DECIMALS, OpenModel, texts_of

QUERY_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Markers:
    """The special tokens of a ColBERT model.

    Attributes:
        query, document: Ids of the tokens after [CLS] that mark queries and documents.
        mask: Id of the token that pads queries.
        attend: Whether the other tokens attend to the mask tokens.
        skipped: Ids of punctuation, whose vectors documents leave out.
    """

    query: int
    document: int
    mask: int
    attend: bool = True
    skipped: frozenset[int] = frozenset()


class ColBert(OpenModel):
    """A ColBERT model.

    Args:
        row: The catalog's row, narrowed to the loaded weights.
        name: Folder or hub id as the user wrote it.
        tokenizer: The model's tokenizer.
        network: Computes projected token vectors.
        markers: The model's special tokens.
    """

    def __init__(self, row: Model, name: str, tokenizer: ModelTokenizer, network: Network, markers: Markers) -> None:
        super().__init__(row, name, tokenizer)
        self._network = network
        self._markers = markers

    def embed(self, body: EmbeddingBody, charge: Charge) -> EmbeddingOutput:
        """Return token vectors, truncated and normalized."""
        texts = texts_of(body.inputs, self)
        make = self._query if body.input_type == "query" else self._document
        sequences = [make(text) for text in texts]
        tokens = sum(len(each.ids) for each in sequences)
        check_token_vectors(tokens)
        charge(tokens)
        return EmbeddingOutput(tokens=tokens, vectors=self._vectors(sequences, body.input_type, body.dimensions))

    def rerank(self, body: RerankBody, charge: Charge) -> RerankOutput:
        """Score documents by MaxSim: sum the largest cosine with a document vector over the query vectors."""
        query, *documents = texts_of([body.query, *body.documents], self)
        contents = [self.tokenizer.content(text) for text in documents]
        contents = self.truncate_documents(contents, body, self.row.context)
        sequences = [self._mark(self._markers.document, ids) for ids in contents]
        query_sequence = self._query(query)
        tokens = len(query_sequence.ids) + sum(len(each.ids) for each in sequences)
        charge(tokens)
        [query_vectors] = self._vectors([query_sequence], "query", None)
        scores = maxsim(query_vectors, self._vectors(sequences, "document", None))
        return RerankOutput(tokens=tokens, scores=[round(float(score), DECIMALS) for score in scores])

    def close(self) -> None:
        """Stop computing."""
        self._network.close()

    def _mark(self, marker: int, content: Sequence[int]) -> TokenSequence:
        return TokenSequence([*self.tokenizer.head, marker, *content, *self.tokenizer.tail])

    def _query(self, text: str) -> TokenSequence:
        content = self.tokenizer.content(text)[: QUERY_TOKENS - self.tokenizer.specials - 1]
        ids = self._mark(self._markers.query, content).ids
        padding = [self._markers.mask] * (QUERY_TOKENS - len(ids))
        return TokenSequence([*ids, *padding], attended=None if self._markers.attend else len(ids))

    def _document(self, text: str) -> TokenSequence:
        return self._mark(self._markers.document, self.tokenizer.content(text)[: self.row.context])

    def _vectors(self, sequences: Sequence[TokenSequence], input_type: str, dimensions: int | None) -> list[Vectors]:
        vectors = self._network.run(sequences, all_rows)
        if input_type == "document" and self._markers.skipped:
            skipped = np.array(sorted(self._markers.skipped))
            vectors = [
                rows[~np.isin(np.array(each.ids), skipped)] for rows, each in zip(vectors, sequences, strict=True)
            ]
        return [truncate_vectors(rows, dimensions) for rows in vectors]


def punctuation(tokenizer: ModelTokenizer) -> frozenset[int]:
    """Return the ids of punctuation marks that are one token by themselves."""
    unknown = tokenizer.tokenizer.unk_token_id
    ids = (tokenizer.tokenizer.convert_tokens_to_ids(mark) for mark in string.punctuation)
    return frozenset(number for number in ids if number is not None and number != unknown)


def project_states(network: Any, projection: torch.Tensor) -> Callable[..., torch.Tensor]:
    """Return a function that computes token vectors and projects them.

    Args:
        network: A transformers model.
        projection: Matrix of shape ``(dimensions, hidden size)``.
    """
    compute = hidden_states(network)
    return lambda **inputs: compute(**inputs) @ projection.T
