"""The vectors of a collection: each text is embedded once per model. Lengths and encodings are made from them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jina_client import JinaClient
from jina_client.integration import find_model
from jina_client.quantization import hamming, quantize, truncate
from numpy.typing import NDArray

from ..errors import JobUsageError

Floats = NDArray[np.float32]
_BLOCK = 64
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass(frozen=True)
class Embedded:
    """The vectors of one model.

    Attributes:
        documents: float32 of shape ``(rows, dims)``: a row per document, or per chunk.
        starts: the first row of each document.
        queries: float32 of shape ``(queries, dims)``.
        tokens: as the service counted them.
    """

    documents: Floats
    starts: NDArray[np.intp]
    queries: Floats
    tokens: int


def embed_collection(
    client: JinaClient, model: str, documents: Sequence[str], queries: Sequence[str], *, late: int | None = None
) -> Embedded:
    """Embed all texts with a model.

    Args:
        client: sends them.
        model: the model's id.
        documents: the texts to find.
        queries: the texts to find them with.
        late: characters per chunk for late chunking; ``None`` for one vector per document.
    """
    row = find_model(model)
    query_task = row.task_for("query") if row else None
    if late is None:
        whole = client.embed(documents, model=model)
        vectors, starts, tokens = whole.vectors, np.arange(len(documents)), whole.usage.total_tokens
    else:
        if row and "late_chunking" not in row.fields.get("embeddings", {}):
            raise JobUsageError(
                f"--late-chunking needs a model that has it, and {model} does not: try jina-embeddings-v3"
            )
        chunked = client.embed_chunked([chunks(text, late) for text in documents], model=model)
        vectors = np.concatenate([each.vectors for each in chunked])
        starts = np.cumsum([0, *(len(each.vectors) for each in chunked[:-1])])
        tokens = chunked[0].usage.total_tokens
    query_embeddings = client.embed(queries, model=model, task=query_task)
    return Embedded(vectors, starts, query_embeddings.vectors, tokens + query_embeddings.usage.total_tokens)


def chunks(text: str, characters: int) -> list[str]:
    """Return a text as chunks of whole sentences, of about so many characters."""
    result = [""]
    for sentence in _SENTENCE.split(text):
        if result[-1] and len(result[-1]) + len(sentence) > characters:
            result.append("")
        result[-1] = f"{result[-1]} {sentence}".strip()
    return [chunk for chunk in result if chunk] or [text]


@dataclass(frozen=True)
class SearchIndex:
    """An exact search over vectors of one length and encoding.

    Attributes:
        score: returns the scores of all rows for some queries.
        bytes: of the codes that a search reads.
        vector_bytes: of the vectors that rescoring reads.
        floats: those vectors.
        queries: of the same length.
        starts: the first row of each document.
    """

    score: Callable[[Floats], NDArray[Any]]
    bytes: int
    vector_bytes: int
    floats: Floats
    queries: Floats
    starts: NDArray[np.intp]

    def search(self, k: int, oversampling: int | None = None) -> list[list[int]]:
        """Return the best documents of each query.

        Args:
            k: how many.
            oversampling: how many times as many candidates the float vectors compare again; ``None`` for no rescoring.
        """
        results: list[list[int]] = []
        wanted = min(len(self.starts), k * (oversampling or 1))
        for start in range(0, len(self.queries), _BLOCK):
            block = self.queries[start : start + _BLOCK]
            scores = np.maximum.reduceat(self.score(block), self.starts, axis=1)
            for query, row in zip(block, scores, strict=True):
                best = np.argpartition(-row, wanted - 1)[:wanted] if wanted < len(row) else np.arange(len(row))
                values = row[best] if oversampling is None else self._exact(query, best)
                # By the score; equal ones by the number of the document, so that a run can be repeated.
                results.append(best[np.lexsort((best, -values))][:k].tolist())
        return results

    def _exact(self, query: Floats, documents: NDArray[np.intp]) -> NDArray[Any]:
        stops = np.append(self.starts[1:], len(self.floats))
        return np.array([(self.floats[self.starts[each] : stops[each]] @ query).max() for each in documents])


def search_index(vectors: Embedded, dimensions: int, encoding: str) -> SearchIndex:
    """Return the search over the first dimensions of vectors, in an encoding."""
    floats, queries = truncate(vectors.documents, dimensions), truncate(vectors.queries, dimensions)
    score: Callable[[Floats], NDArray[Any]]
    if encoding == "binary":
        bits = quantize(floats, "ubinary")
        size = bits.nbytes

        def score(block: Floats) -> NDArray[Any]:
            return -hamming(quantize(block, "ubinary"), bits)

    elif encoding == "int8":
        scale = np.abs(floats).max(axis=1) / 127
        codes = np.rint(floats / np.where(scale > 0, scale, 1)[:, None]).astype(np.int8)
        size = codes.nbytes + scale.nbytes

        def score(block: Floats) -> NDArray[Any]:
            scores: NDArray[Any] = (block @ codes.T.astype(np.float32)) * scale
            return scores

    else:
        stored = floats.astype(np.float16 if encoding == "float16" else np.float32)
        size = stored.nbytes

        def score(block: Floats) -> NDArray[Any]:
            return block @ stored.T.astype(np.float32, copy=False)

    return SearchIndex(score, size, floats.nbytes, floats, queries, vectors.starts)
