"""The engine: a request as Jina's API has it in, the answer as Jina's API has it out.

It knows neither HTTP nor bytes. The model is loaded at the first request that needs it, once in each process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pybase64
from jina_client.models import MODELS, Model
from jina_client.quantization import quantize
from numpy.typing import NDArray

from . import late_chunking, ranking
from .encoder import Encoder
from .errors import token_limit_exceeded
from .lift import to_dimensions
from .validation import (
    DEFAULT_DOC_LENGTH,
    EmbeddingRequest,
    RerankRequest,
    read_embedding_request,
    read_rerank_request,
)
from .weights import find_model_files

_SPECIAL_TOKENS = 2


class Engine:
    """Embeddings and reranking by the stand-in model. It may be used by several threads at once.

    Args:
        model_path: the folder of the model's files; by default they are looked for (see :mod:`jina_local.weights`).
        threads: how many threads compute one batch; by default one for each core this process may use.
    """

    def __init__(self, model_path: str | os.PathLike[str] | None = None, threads: int | None = None) -> None:
        self._model_path = model_path
        self._threads = threads
        # By process: a session's threads, and a lock that another thread holds, do not survive a fork.
        self._encoders: dict[int, Encoder] = {}
        self._locks: dict[int, threading.Lock] = {}

    def load(self) -> None:
        """Load the model now rather than at the first request.

        Raises:
            ModelNotFoundError: its files are not on this machine.
        """
        self._encoder()

    def embed(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer the body of ``POST /v1/embeddings``.

        Returns:
            ``{"model", "object", "usage", "data"}``. An embedding is a base64 string, or a float32 array of shape
            ``(dimensions,)`` that becomes a JSON list.

        Raises:
            RequestError: the request is not one that can be served.
            ModelNotFoundError: the model's files are not on this machine.
        """
        asked = read_embedding_request(request)
        encoder = self._encoder()
        sequences = encoder.tokenize(asked.texts)
        if asked.late_chunking:
            total = sum(map(len, sequences))
            if total > asked.model.context:
                advice = "Late chunking reads all inputs as one document: send it in several requests."
                raise token_limit_exceeded(asked.model.context, advice)
            pooled, tokens = late_chunking.chunk_vectors(encoder, sequences), total + _SPECIAL_TOKENS
        else:
            sequences = _within_context(sequences, asked)
            pooled, tokens = encoder.mean_vectors(sequences), _count(sequences)
        vectors = to_dimensions(pooled, asked.model.dimensions, asked.dimensions, normalized=asked.normalized)
        return {
            "model": asked.model.id,
            "object": "list",
            "usage": {"total_tokens": tokens, "prompt_tokens": tokens},
            "data": [
                {"object": "embedding", "index": index, "embedding": embedding}
                for index, embedding in enumerate(_encoded(vectors, asked.embedding_type))
            ],
        }

    def rerank(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer the body of ``POST /v1/rerank``; raises as :meth:`embed` does.

        Returns:
            ``{"model", "object", "usage", "results"}``, the results sorted by descending score.
        """
        asked = read_rerank_request(request)
        encoder = self._encoder()
        query, *documents = encoder.tokenize([asked.query, *asked.documents])
        documents = _documents_within_limits(documents, asked)
        scores = ranking.relevance_scores(encoder, query, documents)
        results = []
        for index in ranking.best_first(scores, asked.top_n):
            result: dict[str, Any] = {"index": index, "relevance_score": scores[index]}
            if asked.return_documents:
                result["document"] = asked.echo[index]
            results.append(result)
        usage = {"total_tokens": _count([query, *documents])}
        return {"model": asked.model.id, "object": "list", "usage": usage, "results": results}

    def models(self) -> dict[str, Any]:
        """Answer ``GET /v1/models``: every known model, in the published shape."""
        return {"data": [_model_card(model) for model in MODELS.values()]}

    def _encoder(self) -> Encoder:
        process = os.getpid()
        if process not in self._encoders:
            with self._locks.setdefault(process, threading.Lock()):
                if process not in self._encoders:
                    files = find_model_files(self._model_path)
                    self._encoders[process] = Encoder(files, self._threads)
        return self._encoders[process]


def _within_context(sequences: list[list[int]], asked: EmbeddingRequest) -> list[list[int]]:
    limit = asked.model.context
    if not asked.truncate and any(len(ids) > limit for ids in sequences):
        advice = "Use 'truncate: true' to automatically truncate, or split into smaller chunks."
        raise token_limit_exceeded(limit, advice)
    return [ids[:limit] for ids in sequences]


def _documents_within_limits(documents: list[list[int]], asked: RerankRequest) -> list[list[int]]:
    """Documents cut as the model cuts them. One that is longer than the context is read whole unless it says."""
    if asked.model.listwise:
        return [ids[: asked.max_doc_length or DEFAULT_DOC_LENGTH] for ids in documents]
    limit = asked.model.context
    if asked.truncation is False and any(len(ids) > limit for ids in documents):
        advice = "Use 'truncation: true' to automatically truncate, or split into smaller chunks."
        raise token_limit_exceeded(limit, advice)
    return [ids[:limit] for ids in documents] if asked.truncation else documents


def _count(sequences: Sequence[Sequence[int]]) -> int:
    return sum(len(ids) + _SPECIAL_TOKENS for ids in sequences)


def _encoded(vectors: NDArray[np.float32], embedding_type: str) -> list[Any]:
    """Each vector as the wire has it. The bytes of both binary layouts travel as JSON floats (``-78.0``)."""
    if embedding_type == "base64":
        return [pybase64.b64encode_as_string(row.astype("<f4").tobytes()) for row in vectors]
    if embedding_type == "binary":
        return list(quantize(vectors, "binary").astype(np.float32))
    if embedding_type == "ubinary":
        return list(quantize(vectors, "ubinary").astype(np.float32))
    return list(vectors)


def _model_card(model: Model) -> dict[str, Any]:
    free = dict.fromkeys(("prompt", "completion", "image", "request", "input_cache_read", "input_cache_write"), "0")
    return {
        "id": f"jina-ai/{model.id}",
        "hugging_face_id": f"jinaai/{model.id}",
        "name": f"Jina AI: {model.id}",
        "created": 0,
        "input_modalities": ["text"],
        "output_modalities": ["embeddings" if model.dimensions else "scores"],
        "quantization": "",
        "context_length": model.context,
        "max_output_length": model.dimensions,
        "pricing": free,
        "supported_sampling_parameters": [],
        "supported_features": [],
        "description": "Answered by a stand-in, all-MiniLM-L6-v2, not by the model of this name",
        "datacenters": [],
    }
