"""Text embeddings: a network, pooling, and an adapter and a prefix for each task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jina_client.models import Model

from ..backend import Embedded, Vectors, cut
from ..errors import token_limit_exceeded
from ..late_chunking import spans
from ..limits import Charge
from ..reading.items import Item
from ..reading.requests import EmbeddingRequest
from .answering import OpenModel, texts_of
from .network import Network, Pool, Tokens, whole
from .tokens import Tokenizer


class TextEmbedder(OpenModel):
    """An embedding model of texts.

    Args:
        row: what can be asked of it.
        name: what the user called it.
        tokenizer: the model's.
        network: gives token vectors, with the task's adapter.
        pool: makes a text's vector of them.
    """

    def __init__(self, row: Model, name: str, tokenizer: Tokenizer, network: Network, pool: Pool) -> None:
        super().__init__(row, name, tokenizer)
        self._network = network
        self._pool = pool

    def embed(self, asked: EmbeddingRequest, charge: Charge) -> Embedded:
        """The vectors of a request's inputs, or of one document's chunks."""
        texts = texts_of(asked.inputs, self)
        if asked.multi_vector:
            raise self.unsupported("return_multivector")
        task = self.task_of(asked.task)
        if asked.late_chunking:
            return self._late_chunks(asked, texts, task, charge)
        sequences = self._sequences(texts, task, asked.truncate)
        tokens = sum(len(each.ids) for each in sequences)
        charge(tokens)
        vectors = np.stack(self._network.run(sequences, self._pool))
        return Embedded(tokens=tokens, vectors=cut(vectors, asked.dimensions, normalized=asked.normalized))

    def unit_vectors(self, model: Model, items: Sequence[Item], charge: Charge) -> tuple[int, Vectors]:
        """The vectors that inputs are classified by."""
        sequences = self._sequences(texts_of(items, self), self.task_of_classes(), False)
        tokens = sum(len(each.ids) for each in sequences)
        charge(tokens)
        return tokens, cut(np.stack(self._network.run(sequences, self._pool)), None)

    def close(self) -> None:
        """Compute nothing more."""
        self._network.close()

    def _sequences(self, texts: Sequence[str], task: str | None, truncate: bool | None) -> list[Tokens]:
        prefix = self.prefix(task)
        contents = self.within_context([self.tokenizer.content(prefix + text) for text in texts], truncate)
        return [Tokens(self.tokenizer.framed(ids), task or "") for ids in contents]

    def _late_chunks(
        self, asked: EmbeddingRequest, chunks: Sequence[str], task: str | None, charge: Charge
    ) -> Embedded:
        """Each chunk's mean over its tokens in the whole document.

        The chunks' tokens stand one after the other, behind the prefix, which comes once. The first span takes in what
        stands before it, prefix and special tokens, the last one what stands behind it: so the reference evaluates.
        """
        prefix = self.tokenizer.content(self.prefix(task)) if self.prefix(task) else []
        contents = [self.tokenizer.content(chunk) for chunk in chunks]
        document = [*prefix, *(token for ids in contents for token in ids)]
        if len(document) > self.row.context:
            advice = "Late chunking reads all inputs as one document: send it in several requests."
            raise token_limit_exceeded(self.row.context, advice)
        ids = self.tokenizer.framed(document)
        charge(len(ids))
        [rows] = self._network.run([Tokens(ids, task or "")], whole)
        before = len(self.tokenizer.head) + len(prefix)
        means = []
        for number, (start, end) in enumerate(spans([len(each) for each in contents])):
            # spans() counts one token before the first chunk and one behind the last.
            first = 0 if number == 0 else start - 1 + before
            last = len(ids) if number == len(contents) - 1 else end - 1 + before
            # A chunk without tokens says nothing that the document does not.
            means.append((rows[first:last] if last > first else rows).mean(axis=0, dtype=np.float64))
        return Embedded(tokens=len(ids), vectors=cut(np.array(means), asked.dimensions, normalized=asked.normalized))


def hidden_states(network: Any) -> Callable[..., torch.Tensor]:
    """What a transformers model computes, as :class:`Network` calls it."""

    def forward(**inputs: torch.Tensor) -> torch.Tensor:
        moved = {name: each.to(network.device) for name, each in inputs.items()}
        states: torch.Tensor = network(**moved).last_hidden_state
        return states

    return forward
