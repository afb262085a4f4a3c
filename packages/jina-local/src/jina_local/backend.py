"""What the engine computes with: the stand-in, or one of Jina's open models.

The engine reads requests and shapes answers; a backend turns inputs into numbers. This is all that it needs of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from jina_client.models import Model
from numpy.typing import NDArray

from .errors import FlatRefusal
from .lift import normalize
from .limits import Charge
from .reading.fields import Catalogue
from .reading.items import Item
from .reading.requests import EmbeddingRequest, RerankRequest
from .text_tokens import Piece

Vectors = NDArray[np.float32]

MAX_TOKEN_VECTORS = 131_072
"""The most vectors of tokens in one answer: 64 MB of float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The vectors of a request's inputs, in order, as they were asked for: cut, and normalised or not.

    Attributes:
        tokens: how many were counted, special tokens and prefixes included.
        vectors: float32 of shape ``(n, dimensions)``; for multi-vectors one array ``(tokens, dimensions)`` for each
            input; for a sparse model one dict of scores by term for each.
        tokenized: where it was asked for, each input's tokens.
    """

    tokens: int
    vectors: Vectors | Sequence[Vectors] | Sequence[Mapping[str, float]]
    tokenized: Sequence[Sequence[str]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """What a query makes of documents.

    Attributes:
        tokens: how many were counted.
        scores: one for each document, rounded to 8 decimals as the hosted service rounds.
        embeddings: where they were asked for, unit vectors of the documents, ``(n, dimensions)``.
    """

    tokens: int
    scores: Sequence[float]
    embeddings: Vectors | None = None


class Backend(Protocol):
    """Computes. It may be used by several threads at once.

    A method raises a :class:`~jina_local.errors.RequestError` for what it cannot compute: it never leaves an option out
    of account. ``charge`` is called with the tokens of a request before they are computed; it may refuse them.
    """

    @property
    def served(self) -> Catalogue:
        """The models that it answers for, with what can be asked of each here."""

    @property
    def name(self) -> str:
        """What it is, in words for people."""

    @property
    def is_stand_in(self) -> bool:
        """Whether it answers in the place of another model."""

    def embed(self, asked: EmbeddingRequest, charge: Charge) -> Embedded:
        """The vectors of a request's inputs."""

    def rank(self, asked: RerankRequest, charge: Charge) -> Ranked:
        """The scores of a request's documents."""

    def unit_vectors(self, model: Model, items: Sequence[Item], charge: Charge) -> tuple[int, Vectors]:
        """The tokens and the vectors that inputs are classified by: ``(n, dimensions)``, rows of L2 norm 1."""

    def pieces(self, text: str) -> tuple[str, list[Piece]]:
        """A text's tokens, and the name of the tokenizer, for segmentation where no other is at hand."""

    def close(self) -> None:
        """Compute nothing more."""


def check_token_vectors(tokens: int) -> None:
    """Raises FlatRefusal (413) if the vectors of so many tokens are too many for one answer."""
    if tokens > MAX_TOKEN_VECTORS:
        detail = f"The answer would hold {tokens:,} vectors, more than {MAX_TOKEN_VECTORS:,}. Send fewer texts at once."
        raise FlatRefusal(413, detail, "REQUEST_TOO_LARGE")


def cut(vectors: Any, dimensions: int | None, *, normalized: bool = True) -> Vectors:
    """Vectors cut to a length (Matryoshka) and then, where they are to be, made unit length.

    Args:
        vectors: of shape ``(n, d)``.
        dimensions: the length; by default ``d``.
        normalized: whether every row's L2 norm is made 1; a row of zeros stays as it is.
    """
    rows: Vectors = np.ascontiguousarray(vectors[:, :dimensions], dtype=np.float32)
    return normalize(rows) if normalized else rows
