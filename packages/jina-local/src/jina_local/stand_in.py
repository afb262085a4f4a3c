"""The stand-in: a small model that answers under every model's id, in that model's dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jina_client.models import MODELS, Model

from . import late_chunking, multi_vector, ranking, sparse
from .backend import Embedded, Ranked, Vectors, check_token_vectors
from .encoder import SPECIAL_TOKENS, Encoder
from .errors import token_limit_exceeded
from .lift import normalize, to_dimensions
from .limits import Charge
from .reading.fields import Catalogue
from .reading.items import Item
from .reading.requests import DEFAULT_DOC_LENGTH, EmbeddingRequest, RerankRequest
from .text_tokens import STAND_IN, Piece
from .weights import MODEL_NAME

RERANK_DIMENSIONS = 512

_SPECIAL = len(SPECIAL_TOKENS)


class StandIn:
    """A :class:`~jina_local.backend.Backend` on the small model.

    Args:
        encoder: the model.
        read: what inputs say, one text for each vector.
    """

    served: Catalogue = MODELS
    name = f"stand-in model {MODEL_NAME}"
    is_stand_in = True

    def __init__(self, encoder: Encoder, read: Callable[[Sequence[Item]], list[str]]) -> None:
        self._encoder = encoder
        self._read = read

    def embed(self, asked: EmbeddingRequest, charge: Charge) -> Embedded:
        """The vectors of a request's inputs."""
        sequences = self._encoder.tokenize(self._read(asked.inputs), most=asked.model.context)
        if asked.late_chunking:
            return self._late_chunks(asked, sequences, charge)
        sequences = _within_context(sequences, asked)
        if asked.input_type == "query":
            sequences = [multi_vector.cut_query(ids) for ids in sequences]
        tokens = _count(sequences)
        if asked.multi_vector:
            check_token_vectors(tokens)
        charge(tokens)
        if "sparse" in asked.model.fields:
            return Embedded(tokens=tokens, vectors=sparse.sparse_vectors(self._encoder, sequences))
        if asked.multi_vector:
            tokenized = [self._encoder.tokens(ids) for ids in sequences] if asked.return_tokenized_input else None
            return Embedded(tokens=tokens, vectors=self._token_vectors(asked, sequences), tokenized=tokenized)
        return Embedded(tokens=tokens, vectors=_lifted(self._encoder.mean_vectors(sequences), asked))

    def rank(self, asked: RerankRequest, charge: Charge) -> Ranked:
        """The scores of a request's documents."""
        query, *documents = self._read([asked.query, *asked.documents])
        [query_ids] = self._encoder.tokenize([query])
        sequences = self._documents(asked, documents)
        tokens = _count([query_ids, *sequences])
        charge(tokens)
        found = ranking.relevance(self._encoder, query_ids, sequences)
        embeddings = to_dimensions(found.means, RERANK_DIMENSIONS) if asked.return_embeddings else None
        return Ranked(tokens=tokens, scores=found.scores, embeddings=embeddings)

    def unit_vectors(self, model: Model, items: Sequence[Item], charge: Charge) -> tuple[int, Vectors]:
        """The vectors that inputs are classified by."""
        sequences = self._encoder.tokenize(self._read(items), most=model.context)
        if any(len(ids) > model.context for ids in sequences):
            raise token_limit_exceeded(model.context, "Split it into smaller chunks.")
        tokens = _count(sequences)
        charge(tokens)
        return tokens, normalize(self._encoder.mean_vectors(sequences))

    def pieces(self, text: str) -> tuple[str, list[Piece]]:
        """A text's tokens, and the name of the tokenizer."""
        return STAND_IN, [(piece, [number]) for piece, number in self._encoder.pieces(text)]

    def close(self) -> None:
        """Compute nothing more."""
        self._encoder.close()

    def _late_chunks(self, asked: EmbeddingRequest, chunks: Sequence[Sequence[int]], charge: Charge) -> Embedded:
        total = sum(map(len, chunks))
        if total > asked.model.context:
            advice = "Late chunking reads all inputs as one document: send it in several requests."
            raise token_limit_exceeded(asked.model.context, advice)
        charge(total + _SPECIAL)
        return Embedded(
            tokens=total + _SPECIAL, vectors=_lifted(late_chunking.chunk_vectors(self._encoder, chunks), asked)
        )

    def _token_vectors(self, asked: EmbeddingRequest, sequences: Sequence[Sequence[int]]) -> list[Vectors]:
        make = multi_vector.query_vectors if asked.input_type == "query" else multi_vector.document_vectors
        return make(self._encoder, sequences, asked.dimensions or multi_vector.DIMENSIONS)

    def _documents(self, asked: RerankRequest, texts: Sequence[str]) -> list[Sequence[int]]:
        """Documents cut as the model cuts them. One that is longer than the context is read whole unless it says."""
        if asked.model.listwise:
            limit = asked.max_doc_length or DEFAULT_DOC_LENGTH
        elif asked.truncation is None:
            return self._encoder.tokenize(texts)
        else:
            limit = asked.model.context
        documents = self._encoder.tokenize(texts, most=limit)
        if asked.truncation is False and not asked.model.listwise and any(len(ids) > limit for ids in documents):
            advice = "Use 'truncation: true' to automatically truncate, or split into smaller chunks."
            raise token_limit_exceeded(limit, advice)
        return [ids[:limit] for ids in documents]


def _count(sequences: Sequence[Sequence[int]]) -> int:
    """The tokens of sequences, special ones included."""
    return sum(len(ids) + _SPECIAL for ids in sequences)


def _lifted(pooled: Vectors, asked: EmbeddingRequest) -> Vectors:
    return to_dimensions(pooled, asked.model.dimensions, asked.dimensions, normalized=asked.normalized)


def _within_context(sequences: Sequence[Sequence[int]], asked: EmbeddingRequest) -> list[Sequence[int]]:
    limit = asked.model.context
    if asked.truncate is False and any(len(ids) > limit for ids in sequences):
        advice = "Use 'truncate: true' to automatically truncate, or split into smaller chunks."
        raise token_limit_exceeded(limit, advice)
    return [ids[:limit] for ids in sequences]
