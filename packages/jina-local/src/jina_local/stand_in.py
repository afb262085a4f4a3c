"""The stand-in: a small model that computes under every model's id, in that model's dimensions."""

from __future__ import annotations

import os
from collections.abc import Sequence

from jina_client.integration import MODELS, Model

from . import late_chunking, multi_vector, sparse
from .backend import Catalog, Charge, EmbeddingOutput, RerankOutput, Vectors, check_token_vectors
from .encoder import SPECIAL_TOKENS, Encoder
from .errors import document_too_long, input_too_long, token_limit_exceeded
from .media.reader import read_texts
from .precision import Precision, read_precision
from .projection import normalize, to_dimensions
from .rerank import relevance
from .text_tokens import STAND_IN, Piece
from .validation.embeddings import EmbeddingBody
from .validation.inputs import InputItem
from .validation.rerank import DEFAULT_DOC_LENGTH, RerankBody
from .weights import MODEL_NAME, find_model_files

RERANK_DIMENSIONS = 512
"""Length of the vectors that a rerank response includes on request."""

_NAME = f"stand-in model {MODEL_NAME}"
_SPECIAL = len(SPECIAL_TOKENS)


class StandInFactory:
    """The default :class:`~jina_local.backend.BackendFactory`.

    Args:
        model_path: Folder of the stand-in's files; ``None`` searches the places listed in :mod:`jina_local.weights`.
        threads: Threads that compute one batch; ``None`` for one per core that this process may use.
        allow_fetch: Whether media may be fetched from public addresses.
        precision: Number format of the linear layers: ``int8`` or ``float32``. ``None`` reads
            ``JINA_LOCAL_PRECISION``, and defaults to ``int8``.

    Raises:
        ValueError: ``precision`` is something else.
    """

    name = _NAME
    stand_in: str | None = MODEL_NAME
    served: Catalog | None = MODELS

    def __init__(
        self,
        model_path: str | os.PathLike[str] | None = None,
        threads: int | None = None,
        allow_fetch: bool = False,
        precision: Precision | None = None,
    ) -> None:
        self._precision = read_precision(precision)
        self._model_path = model_path
        self._threads = threads
        self._allow_fetch = allow_fetch

    def check(self) -> None:
        """Check that the model's files are on this machine.

        Raises:
            ModelNotFoundError: They are missing.
        """
        find_model_files(self._model_path)

    def load(self) -> StandIn:
        """Load the model.

        Raises:
            ModelNotFoundError: The model's files are missing or altered.
        """
        encoder = Encoder(find_model_files(self._model_path), self._threads, self._precision)
        return StandIn(encoder, threads=self._threads, allow_fetch=self._allow_fetch)


class StandIn:
    """A :class:`~jina_local.backend.Backend` on the small model.

    Args:
        encoder: The model.
        threads: Threads that read a picture; ``None`` for one per core.
        allow_fetch: Whether media may be fetched from public addresses.
    """

    name = _NAME
    served: Catalog = MODELS

    def __init__(self, encoder: Encoder, *, threads: int | None = None, allow_fetch: bool = False) -> None:
        self._encoder = encoder
        self._threads = threads
        self._allow_fetch = allow_fetch

    def embed(self, body: EmbeddingBody, charge: Charge) -> EmbeddingOutput:
        """Embed the inputs of a request."""
        sequences = self._encoder.tokenize(self._texts(body.inputs), most=body.model.context)
        if body.late_chunking:
            return self._embed_chunks(body, sequences, charge)
        sequences = _truncate_inputs(sequences, body)
        if body.input_type == "query":
            sequences = [multi_vector.truncate_query(ids) for ids in sequences]
        tokens = _count(sequences)
        if body.multi_vector:
            check_token_vectors(tokens)
        charge(tokens)
        if "sparse" in body.model.fields:
            return EmbeddingOutput(tokens=tokens, vectors=sparse.sparse_vectors(self._encoder, sequences))
        if body.multi_vector:
            input_tokens = [self._encoder.tokens(ids) for ids in sequences] if body.return_tokenized_input else None
            vectors = self._token_vectors(body, sequences)
            return EmbeddingOutput(tokens=tokens, vectors=vectors, tokenized_inputs=input_tokens)
        return EmbeddingOutput(tokens=tokens, vectors=_project(self._encoder.mean_vectors(sequences), body))

    def rerank(self, body: RerankBody, charge: Charge) -> RerankOutput:
        """Score the documents of a request."""
        query, *documents = self._texts([body.query, *body.documents])
        [query_ids] = self._encoder.tokenize([query])
        sequences = self._tokenize_documents(body, documents)
        tokens = _count([query_ids, *sequences])
        charge(tokens)
        result = relevance(self._encoder, query_ids, sequences)
        embeddings = to_dimensions(result.means, RERANK_DIMENSIONS) if body.return_embeddings else None
        return RerankOutput(tokens=tokens, scores=result.scores, embeddings=embeddings)

    def unit_vectors(self, model: Model, items: Sequence[InputItem], charge: Charge) -> tuple[int, Vectors]:
        """Embed inputs for classification."""
        sequences = self._encoder.tokenize(self._texts(items), most=model.context)
        if any(len(ids) > model.context for ids in sequences):
            raise token_limit_exceeded(model.context, "Split it into smaller chunks.")
        tokens = _count(sequences)
        charge(tokens)
        return tokens, normalize(self._encoder.mean_vectors(sequences))

    def pieces(self, text: str) -> tuple[str, list[Piece]]:
        """Tokenize a text for segmentation."""
        return STAND_IN, [(piece, [number]) for piece, number in self._encoder.pieces(text)]

    def close(self) -> None:
        """Stop computing."""
        self._encoder.close()

    def _texts(self, items: Sequence[InputItem]) -> list[str]:
        return read_texts(items, allow_fetch=self._allow_fetch, threads=self._threads)

    def _embed_chunks(self, body: EmbeddingBody, chunks: Sequence[Sequence[int]], charge: Charge) -> EmbeddingOutput:
        total = sum(map(len, chunks))
        if total > body.model.context:
            raise document_too_long(body.model.context)
        charge(total + _SPECIAL)
        vectors = _project(late_chunking.chunk_vectors(self._encoder, chunks), body)
        return EmbeddingOutput(tokens=total + _SPECIAL, vectors=vectors)

    def _token_vectors(self, body: EmbeddingBody, sequences: Sequence[Sequence[int]]) -> list[Vectors]:
        make = multi_vector.query_vectors if body.input_type == "query" else multi_vector.document_vectors
        return make(self._encoder, sequences, body.dimensions or multi_vector.DIMENSIONS)

    def _tokenize_documents(self, body: RerankBody, texts: Sequence[str]) -> list[Sequence[int]]:
        """Tokenize documents, and truncate them as the model does.

        Without ``truncation`` in the request, documents longer than the context are read whole.
        """
        if body.model.listwise:
            limit = body.max_doc_length or DEFAULT_DOC_LENGTH
        elif body.truncation is None:
            return self._encoder.tokenize(texts)
        else:
            limit = body.model.context
        documents = self._encoder.tokenize(texts, most=limit)
        if body.truncation is False and not body.model.listwise and any(len(ids) > limit for ids in documents):
            raise input_too_long(limit, "truncation")
        return [ids[:limit] for ids in documents]


def _count(sequences: Sequence[Sequence[int]]) -> int:
    """Return the number of tokens of sequences, special tokens included."""
    return sum(len(ids) + _SPECIAL for ids in sequences)


def _project(vectors: Vectors, body: EmbeddingBody) -> Vectors:
    return to_dimensions(vectors, body.model.dimensions, body.dimensions, normalized=body.normalized)


def _truncate_inputs(sequences: Sequence[Sequence[int]], body: EmbeddingBody) -> list[Sequence[int]]:
    limit = body.model.context
    if body.truncate is False and any(len(ids) > limit for ids in sequences):
        raise input_too_long(limit, "truncate")
    return [ids[:limit] for ids in sequences]
