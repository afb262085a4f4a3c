"""ColBERT: a vector for each token of a document, 32 for a query (Khattab and Zaharia 2020, arXiv 2004.12832)."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jina_client.late_interaction import maxsim
from jina_client.models import Model

from ..backend import Embedded, Ranked, Vectors, check_token_vectors, cut
from ..limits import Charge
from ..reading.requests import EmbeddingRequest, RerankRequest
from .answering import DECIMALS, OpenModel, texts_of
from .network import Network, Tokens, whole
from .tokens import Tokenizer

QUERY_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Markers:
    """How a ColBERT model tells queries and documents apart.

    Attributes:
        query, document: the ids of the tokens behind [CLS].
        mask: the id that queries are filled up with.
        attend: whether the other tokens attend to those.
        skipped: ids of tokens whose vectors documents leave out: punctuation.
    """

    query: int
    document: int
    mask: int
    attend: bool = True
    skipped: frozenset[int] = frozenset()


class ColBert(OpenModel):
    """A ColBERT model.

    Args:
        row: what can be asked of it.
        name: what the user called it.
        tokenizer: the model's.
        network: gives token vectors, projected.
        markers: its special tokens.
    """

    def __init__(self, row: Model, name: str, tokenizer: Tokenizer, network: Network, markers: Markers) -> None:
        super().__init__(row, name, tokenizer)
        self._network = network
        self._markers = markers

    def embed(self, asked: EmbeddingRequest, charge: Charge) -> Embedded:
        """Vectors of tokens, each cut and made unit length."""
        texts = texts_of(asked.inputs, self)
        make = self._query if asked.input_type == "query" else self._document
        sequences = [make(text) for text in texts]
        tokens = sum(len(each.ids) for each in sequences)
        check_token_vectors(tokens)
        charge(tokens)
        return Embedded(tokens=tokens, vectors=self._vectors(sequences, asked.input_type, asked.dimensions))

    def rank(self, asked: RerankRequest, charge: Charge) -> Ranked:
        """The sum, over the query's vectors, of the largest cosine with a vector of the document (MaxSim)."""
        query, *documents = texts_of([asked.query, *asked.documents], self)
        contents = [self.tokenizer.content(text) for text in documents]
        cut_contents = self.within_documents(contents, asked, self.row.context)
        sequences = [self._framed(self._markers.document, ids) for ids in cut_contents]
        asking = self._query(query)
        tokens = len(asking.ids) + sum(len(each.ids) for each in sequences)
        charge(tokens)
        [query_vectors] = self._vectors([asking], "query", None)
        scores = maxsim(query_vectors, self._vectors(sequences, "document", None))
        return Ranked(tokens=tokens, scores=[round(float(score), DECIMALS) for score in scores])

    def close(self) -> None:
        """Compute nothing more."""
        self._network.close()

    def _framed(self, marker: int, content: Sequence[int]) -> Tokens:
        head, tail = self.tokenizer.head, self.tokenizer.tail
        return Tokens([*head, marker, *content, *tail])

    def _query(self, text: str) -> Tokens:
        content = self.tokenizer.content(text)[: QUERY_TOKENS - self.tokenizer.specials - 1]
        ids = self._framed(self._markers.query, content).ids
        filled = [*ids, *[self._markers.mask] * (QUERY_TOKENS - len(ids))]
        return Tokens(filled, attended=None if self._markers.attend else len(ids))

    def _document(self, text: str) -> Tokens:
        return self._framed(self._markers.document, self.tokenizer.content(text)[: self.row.context])

    def _vectors(self, sequences: Sequence[Tokens], input_type: str, dimensions: int | None) -> list[Vectors]:
        found = self._network.run(sequences, whole)
        if input_type == "document" and self._markers.skipped:
            skipped = np.array(sorted(self._markers.skipped))
            found = [rows[~np.isin(np.array(each.ids), skipped)] for rows, each in zip(found, sequences, strict=True)]
        return [cut(rows, dimensions) for rows in found]


def punctuation(tokenizer: Tokenizer) -> frozenset[int]:
    """The ids of the marks that ColBERT's documents leave out: those that are one token by themselves."""
    unknown = tokenizer.own.unk_token_id
    ids = (tokenizer.own.convert_tokens_to_ids(mark) for mark in string.punctuation)
    return frozenset(number for number in ids if number is not None and number != unknown)


def projected(network: Any, projection: torch.Tensor) -> Callable[..., torch.Tensor]:
    """Token vectors multiplied by a matrix ``(dimensions, hidden size)``."""

    def forward(**inputs: torch.Tensor) -> torch.Tensor:
        moved = {name: each.to(network.device) for name, each in inputs.items()}
        states: torch.Tensor = network(**moved).last_hidden_state
        return states @ projection.T

    return forward
