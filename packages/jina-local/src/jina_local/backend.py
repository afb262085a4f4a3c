"""The contract between the engine and the backends that compute for it.

The engine validates requests and builds responses. A backend turns inputs into numbers. The stand-in is the default
backend; another package can provide one for other weights. Such a package:

1. writes a class with the methods of :class:`Backend`, and one with those of :class:`BackendFactory`;
2. writes a function with the signature of :class:`MakeBackendFactory`;
3. names that function in its entry point group ``jina_local.backends``::

       [project.entry-points."jina_local.backends"]
       my-backend = "my_package:make_factory"

``jina-local serve --model PATH_OR_ID`` and ``Engine(model=…)`` then call the function. A backend package may import the
names in this module's ``__all__`` and those in ``jina_local.__all__``. Everything else in jina-local is internal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from jina_client.integration import Model

from .batching import SharedBatches
from .errors import (
    FlatError,
    ModelNotFoundError,
    RejectedRequestError,
    RequestError,
    document_too_long,
    input_too_long,
    token_limit_exceeded,
)
from .late_chunking import spans
from .limits import Charge
from .media.reader import Pictures, read_pictures
from .projection import Vectors, normalize
from .runtime import cores
from .text_tokens import Piece
from .validation.embeddings import EmbeddingBody
from .validation.inputs import InputItem
from .validation.options import Catalog
from .validation.rerank import DEFAULT_DOC_LENGTH, RerankBody

__all__ = [
    "DEFAULT_DOC_LENGTH",
    "ENTRY_POINT_GROUP",
    "MAX_TOKEN_VECTORS",
    "Backend",
    "BackendFactory",
    "Catalog",
    "Charge",
    "EmbeddingBody",
    "EmbeddingOutput",
    "InputItem",
    "MakeBackendFactory",
    "ModelNotFoundError",
    "Pictures",
    "Piece",
    "RejectedRequestError",
    "RequestError",
    "RerankBody",
    "RerankOutput",
    "SharedBatches",
    "Vectors",
    "check_token_vectors",
    "cores",
    "document_too_long",
    "input_too_long",
    "normalize",
    "read_pictures",
    "spans",
    "token_limit_exceeded",
    "truncate_vectors",
]

ENTRY_POINT_GROUP = "jina_local.backends"
"""Entry point group in which a package names its :class:`MakeBackendFactory` function."""

MAX_TOKEN_VECTORS = 131_072
"""Maximum number of token vectors in one response. Vectors of 128 numbers then take 64 MB as float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingOutput:
    """The vectors of a request's inputs, in order, truncated and normalized as requested.

    Attributes:
        tokens: Number of tokens, including special tokens and prefixes.
        vectors: float32 of shape ``(n, dimensions)``. For multi-vectors, one array of shape ``(tokens, dimensions)``
            per input. For a sparse model, one dict from term to score per input.
        tokenized_inputs: The tokens of each input, if the request asks for them.
    """

    tokens: int
    vectors: Vectors | Sequence[Vectors] | Sequence[Mapping[str, float]]
    tokenized_inputs: Sequence[Sequence[str]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankOutput:
    """The scores of a request's documents, in order.

    Attributes:
        tokens: Number of tokens.
        scores: One score per document, rounded to 8 decimals like the hosted service's.
        embeddings: Unit vectors of the documents, ``(n, dimensions)``, if the request asks for them.
    """

    tokens: int
    scores: Sequence[float]
    embeddings: Vectors | None = None


class Backend(Protocol):
    """A loaded model. All methods are thread-safe.

    A method raises a :class:`~jina_local.RequestError` for a request that it cannot compute. It never ignores an
    option. It calls ``charge`` with the number of tokens before it computes them; ``charge`` raises an error if that
    exceeds a limit.
    """

    @property
    def served(self) -> Catalog:
        """The models that it serves, each with the options that it supports."""

    @property
    def name(self) -> str:
        """Its name for messages."""

    def embed(self, body: EmbeddingBody, charge: Charge) -> EmbeddingOutput:
        """Embed the inputs of a request."""

    def rerank(self, body: RerankBody, charge: Charge) -> RerankOutput:
        """Score the documents of a request."""

    def unit_vectors(self, model: Model, items: Sequence[InputItem], charge: Charge) -> tuple[int, Vectors]:
        """Embed inputs for classification.

        Returns:
            The number of tokens, and float32 of shape ``(n, dimensions)`` with rows of L2 norm 1.
        """

    def pieces(self, text: str) -> tuple[str, list[Piece]]:
        """Tokenize a text for segmentation.

        Returns:
            The tokenizer's name, and the pieces; joined, the pieces are the text.
        """

    def close(self) -> None:
        """Stop computing. Pending and later requests get a 503."""


class BackendFactory(Protocol):
    """Makes a backend. The engine loads one backend in each process that uses it."""

    @property
    def name(self) -> str:
        """Name of the backend for messages, known before it is loaded."""

    @property
    def stand_in(self) -> str | None:
        """Name of the model that computes in place of the requested ones, or ``None`` if the models are the real ones.

        It is the value of the response header ``X-Jina-Stand-In``.
        """

    @property
    def served(self) -> Catalog | None:
        """The models that the backend serves, or ``None`` if the rows depend on the loaded weights.

        If it is ``None``, the engine loads the backend and uses :attr:`Backend.served`.
        """

    def check(self) -> None:
        """Check quickly, without loading the weights, that the backend can be loaded.

        Raises:
            ModelNotFoundError: Files are missing, or the model is unknown. The message says what to do.
        """

    def load(self) -> Backend:
        """Load the model.

        Raises:
            ModelNotFoundError: The model cannot be loaded. The message says what to do.
        """


class MakeBackendFactory(Protocol):
    """The function that a backend package names as its entry point."""

    def __call__(self, model: str, *, model_id: str | None, threads: int | None, allow_fetch: bool) -> BackendFactory:
        """Make the factory of a model's backend. Loads nothing.

        Args:
            model: Folder of the model, or its id on the hub.
            model_id: Id of the served model, such as ``jina-embeddings-v3``; ``None`` derives it from ``model``.
            threads: Threads that compute; ``None`` for one per core.
            allow_fetch: Whether media may be fetched from public addresses.
        """


def check_token_vectors(tokens: int) -> None:
    """Check that a response can hold a vector for each of its tokens.

    Raises:
        FlatError: There are more than :data:`MAX_TOKEN_VECTORS` (413).
    """
    if tokens > MAX_TOKEN_VECTORS:
        detail = (
            f"The response would hold {tokens:,} vectors, more than the limit of {MAX_TOKEN_VECTORS:,}. Send fewer "
            "texts in a request."
        )
        raise FlatError(413, detail, "REQUEST_TOO_LARGE")


def truncate_vectors(vectors: Any, dimensions: int | None, *, normalized: bool = True) -> Vectors:
    """Truncate vectors (Matryoshka), and normalize them afterwards.

    Args:
        vectors: Array of shape ``(n, d)``.
        dimensions: Requested length; defaults to ``d``.
        normalized: Scale every row to L2 norm 1; rows of zeros stay unchanged.

    Returns:
        float32 of shape ``(n, dimensions)``.
    """
    rows: Vectors = np.ascontiguousarray(vectors[:, :dimensions], dtype=np.float32)
    return normalize(rows) if normalized else rows
