"""Late interaction: every token of the query looks for the token of the document that answers it best.

``MaxSim(query, document) = sum over query tokens of max over document tokens of their dot product`` (Khattab and
Zaharia, ColBERT, 2020). The vectors are those of :meth:`jina_client.JinaClient.embed_multi_vector`.

Documents are of different lengths, so their tokens are laid end to end: one matrix product for many documents at a
time, and a maximum over each document's stretch of it. Nothing but numpy is needed; ``benchmarks/maxsim.py`` has the
times beside libraries with kernels of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import JinaInputError
from .quantization import Ranges, truncate, unpack
from .quantization.scalar import steps_of

# Document tokens in one matrix product: some 20 MB of them and of products.
_TOKENS = 32_768


def maxsim(queries: Any, documents: Any, *, ranges: Any = None) -> NDArray[np.float32]:
    """The MaxSim score of every document; larger is nearer.

    Args:
        queries: the vectors of one query, shape ``(tokens, dims)``; or a sequence of such arrays, such as
            :class:`jina_client.MultiVectors`.
        documents: a sequence of arrays ``(tokens, dims)``, each with tokens of its own number: floats; ``int8`` or
            ``uint8`` codes with their ``ranges``; or bits (``binary``, ``ubinary``) of ``ceil(dims / 8)`` bytes, which
            count as 1 and -1, divided by the square root of ``dims``.
        ranges: those of ``int8`` or ``uint8`` codes (:func:`jina_client.quantization.calibrate`).

    Returns:
        float32 of shape ``(documents,)``; for a sequence of queries ``(queries, documents)``.

    Raises:
        JinaInputError: a query or a document without tokens, of another shape or of other dimensions; or codes that are
            neither bits nor come with their ranges.
    """
    single = _is_matrix(queries)
    if not single:
        _check_sequence(queries, "queries")
    asked = [_floats(query, f"queries[{n}]") for n, query in enumerate([queries] if single else queries)]
    if _is_matrix(documents):
        raise JinaInputError("documents must be a list of arrays (tokens, dims); for a single one pass [document]")
    _check_sequence(documents, "documents")
    found = [_matrix(document, f"documents[{number}]") for number, document in enumerate(documents)]
    scores = np.empty((len(asked), len(found)), np.float32)
    if not asked or not found:
        return scores[0] if single else scores
    tokens = np.concatenate(asked)
    starts = np.cumsum([0, *map(len, asked[:-1])])
    encoding = _Encoding(found[0], tokens.shape[1], ranges)
    tokens, shift = encoding.query(tokens)
    for part in _parts([len(document) for document in found]):
        block = encoding.numbers(found, part)
        lengths = [len(document) for document in found[part]]
        best = np.maximum.reduceat(tokens @ block.T, np.cumsum([0, *lengths[:-1]]), axis=1)
        scores[:, part] = np.add.reduceat(best + shift, starts, axis=0)
    return scores[0] if single else scores


def mean_pool(vectors: Any) -> NDArray[np.float32]:
    """One vector for each query or document: the mean of its tokens' vectors, scaled to length 1.

    For the first stage of a search, where MaxSim over everything would take too long: what is near by this vector is a
    candidate for MaxSim.

    Args:
        vectors: floats of shape ``(tokens, dims)``, or a sequence of such arrays.

    Returns:
        float32 of shape ``(dims,)``; for a sequence ``(n, dims)``.

    Raises:
        JinaInputError: arrays without tokens, of another shape or of different dimensions.
    """
    single = _is_matrix(vectors)
    if not single:
        _check_sequence(vectors, "vectors")
    matrices = [_floats(each, f"vectors[{number}]") for number, each in enumerate([vectors] if single else vectors)]
    if not matrices:
        raise JinaInputError("vectors are empty: pass at least one array (tokens, dims)")
    for number, matrix in enumerate(matrices):
        _check_dimensions(matrix, matrices[0].shape[1], f"vectors[{number}]")
    means: NDArray[np.float32] = truncate(np.stack([matrix.mean(axis=0) for matrix in matrices]), matrices[0].shape[1])
    return means[0] if single else means


class _Encoding:
    """What the documents' numbers stand for, told by the first and the same for all: ``number * scale + shift``.

    It is applied to the query, which is small: ``q . (number * scale + shift) = (q * scale) . number + q . shift``.
    """

    def __init__(self, first: NDArray[Any], dimensions: int, ranges: Any) -> None:
        self._dtype = first.dtype
        self._dimensions = self._width = dimensions
        self._scale: Any = 1.0
        self._shift = np.zeros(dimensions)
        self._bits = first.dtype in (np.int8, np.uint8) and ranges is None
        if self._bits:
            self._width = -(-dimensions // 8)
            if first.shape[1] != self._width:
                raise JinaInputError(
                    f"documents of {first.dtype} must be bits, {self._width} bytes for {dimensions} dimensions, or "
                    f"come with ranges=; documents[0] has {first.shape[1]}"
                )
            self._scale, self._shift = 2 * dimensions**-0.5, np.full(dimensions, -(dimensions**-0.5))
        elif ranges is not None:
            self._scale, self._shift = steps_of(first, Ranges.of(ranges))
            if len(self._shift) != dimensions:
                raise JinaInputError(f"queries have {dimensions} dimensions, the ranges {len(self._shift)}")
        elif first.dtype.kind != "f":
            raise JinaInputError(f"documents must be floats, or codes of int8 or uint8, got {first.dtype}")

    def query(self, tokens: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The query's tokens to multiply the numbers with, and what is added to each token's product."""
        return (tokens * self._scale).astype(np.float32), (tokens @ self._shift).astype(np.float32)[:, None]

    def numbers(self, documents: Sequence[NDArray[Any]], part: slice) -> NDArray[np.float32]:
        """The tokens of some documents, end to end."""
        for number, document in enumerate(documents[part], part.start):
            _check_dimensions(document, self._width, f"documents[{number}]")
            if document.dtype.kind != self._dtype.kind or (self._dtype.kind != "f" and document.dtype != self._dtype):
                raise JinaInputError(f"documents[{number}] is of {document.dtype}, others are of {self._dtype}")
        block = np.concatenate(documents[part])
        return (unpack(block, self._dimensions) if self._bits else block).astype(np.float32, copy=False)


def _parts(lengths: Sequence[int]) -> Iterator[slice]:
    """Documents in runs of about ``_TOKENS`` tokens, at least one in each."""
    start = total = 0
    for number, length in enumerate(lengths):
        if number > start and total + length > _TOKENS:
            yield slice(start, number)
            start, total = number, 0
        total += length
    yield slice(start, len(lengths))


def _is_matrix(vectors: Any) -> bool:
    """Whether it is one array ``(tokens, dims)``, and not several."""
    if isinstance(vectors, np.ndarray):
        return vectors.ndim == 2
    try:
        return bool(np.ndim(vectors[0]) == 1)
    except (TypeError, IndexError, KeyError, ValueError):
        return False


def _check_sequence(items: Any, name: str) -> None:
    if isinstance(items, (str, bytes)) or not isinstance(items, Iterable):
        raise JinaInputError(f"{name} must be arrays of shape (tokens, dims), got {type(items).__name__}")


def _matrix(vectors: Any, name: str) -> NDArray[Any]:
    try:
        matrix = np.asarray(vectors)
    except ValueError:
        matrix = np.empty(0)
    if matrix.ndim != 2 or 0 in matrix.shape or matrix.dtype.kind not in "fiu":
        raise JinaInputError(
            f"{name} must be numbers of shape (tokens, dims), got {matrix.dtype} of shape {matrix.shape}"
        )
    return matrix


def _floats(vectors: Any, name: str) -> NDArray[np.float32]:
    matrix = _matrix(vectors, name)
    if matrix.dtype in (np.int8, np.uint8):
        raise JinaInputError(f"{name} is of {matrix.dtype}: it must be floats (queries are small, keep them whole)")
    floats = matrix.astype(np.float32, copy=False)
    if not np.isfinite(floats).all():
        raise JinaInputError(f"{name} holds a NaN or an infinity")
    return floats


def _check_dimensions(matrix: NDArray[Any], width: int, name: str) -> None:
    if matrix.shape[1] != width:
        raise JinaInputError(f"{name} has rows of {matrix.shape[1]} numbers, others {width}")
