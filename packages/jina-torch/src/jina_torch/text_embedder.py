"""Text embeddings: a network, pooling, and an adapter and a prefix per task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jina_client.integration import Model
from jina_local.backend import (
    Charge,
    EmbeddingBody,
    EmbeddingOutput,
    InputItem,
    Vectors,
    document_too_long,
    spans,
    truncate_vectors,
)

from .model_tokenizer import ModelTokenizer
from .network import Network, Pool, TokenSequence, all_rows
from .open_model import OpenModel, texts_of


class TextEmbedder(OpenModel):
    """An embedding model for texts.

    Args:
        row: The catalog's row, narrowed to the loaded weights.
        name: Folder or hub id as the user wrote it.
        tokenizer: The model's tokenizer.
        network: Computes token vectors with the task's adapter.
        pool: Pools the token vectors of a text.
    """

    def __init__(self, row: Model, name: str, tokenizer: ModelTokenizer, network: Network, pool: Pool) -> None:
        super().__init__(row, name, tokenizer)
        self._network = network
        self._pool = pool

    def embed(self, body: EmbeddingBody, charge: Charge) -> EmbeddingOutput:
        """Embed the inputs of a request, or the chunks of one document."""
        texts = texts_of(body.inputs, self)
        if body.multi_vector:
            raise self.unsupported("return_multivector")
        task = self.task_or_default(body.task)
        if body.late_chunking:
            return self._embed_chunks(body, texts, task, charge)
        sequences = self._sequences(texts, task, body.truncate)
        tokens = sum(len(each.ids) for each in sequences)
        charge(tokens)
        vectors = np.stack(self._network.run(sequences, self._pool))
        return EmbeddingOutput(
            tokens=tokens, vectors=truncate_vectors(vectors, body.dimensions, normalized=body.normalized)
        )

    def unit_vectors(self, model: Model, items: Sequence[InputItem], charge: Charge) -> tuple[int, Vectors]:
        """Embed inputs for classification."""
        sequences = self._sequences(texts_of(items, self), self.classification_task(), False)
        tokens = sum(len(each.ids) for each in sequences)
        charge(tokens)
        return tokens, truncate_vectors(np.stack(self._network.run(sequences, self._pool)), None)

    def close(self) -> None:
        """Stop computing."""
        self._network.close()

    def _sequences(self, texts: Sequence[str], task: str | None, truncate: bool | None) -> list[TokenSequence]:
        prefix = self.prefix(task)
        contents = self.truncate_inputs([self.tokenizer.content(prefix + text) for text in texts], truncate)
        return [TokenSequence(self.tokenizer.add_special_tokens(ids), task or "") for ids in contents]

    def _embed_chunks(
        self, body: EmbeddingBody, chunks: Sequence[str], task: str | None, charge: Charge
    ) -> EmbeddingOutput:
        """Return the mean of each chunk's token vectors in the whole document.

        The document is the prefix, once, and the concatenation of the chunks' tokens. As in the reference evaluation,
        the first span includes the prefix and the special tokens before it, and the last span those after it.
        """
        prefix = self.tokenizer.content(self.prefix(task)) if self.prefix(task) else []
        contents = [self.tokenizer.content(chunk) for chunk in chunks]
        document = [*prefix, *(token for ids in contents for token in ids)]
        if len(document) > self.row.context:
            raise document_too_long(self.row.context)
        ids = self.tokenizer.add_special_tokens(document)
        charge(len(ids))
        [rows] = self._network.run([TokenSequence(ids, task or "")], all_rows)
        offset = len(self.tokenizer.head) + len(prefix)
        means = []
        for number, (start, end) in enumerate(spans([len(each) for each in contents])):
            # spans() counts one token before the first chunk and one after the last.
            first = 0 if number == 0 else start - 1 + offset
            last = len(ids) if number == len(contents) - 1 else end - 1 + offset
            # A chunk without tokens gets the mean of the whole document.
            means.append((rows[first:last] if last > first else rows).mean(axis=0, dtype=np.float64))
        vectors = truncate_vectors(np.array(means), body.dimensions, normalized=body.normalized)
        return EmbeddingOutput(tokens=len(ids), vectors=vectors)
