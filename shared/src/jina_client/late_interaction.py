"""Late interaction (MaxSim) for the vectors of :meth:`jina_client.JinaClient.embed_multi_vector`, with numpy only.

``MaxSim(query, document) = sum over query tokens of max over document tokens of their dot product`` (Khattab and
Zaharia, ColBERT, 2020).

Documents differ in length, so their tokens are concatenated. One matrix product then covers many documents, followed by
a maximum over the tokens of each. ``benchmarks/maxsim.py`` compares the speed with libraries that have their own
kernels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import JinaInputError
from .quantization import Ranges, truncate, unpack
from .quantization.scalar import steps_of

# Document tokens in one matrix product: about 20 MB of tokens and products.
_TOKENS = 32_768


def maxsim(queries: Any, documents: Any, *, ranges: Any = None) -> NDArray[np.float32]:
    """Return the MaxSim score of every document. Higher is more similar.

    Args:
        queries: one float array of shape ``(tokens, dims)``, or a sequence of such arrays, such as
            :class:`jina_client.MultiVectors`.
        documents: a sequence of arrays of shape ``(tokens, dims)``: floats; ``int8`` or ``uint8`` codes with
            ``ranges``; or bits (``binary`` or ``ubinary``) of ``ceil(dims / 8)`` bytes without ranges, which are read
            as ``1 / sqrt(dims)`` and ``-1 / sqrt(dims)``. The number of tokens may differ.
        ranges: the ranges of ``int8`` or ``uint8`` codes; see :func:`jina_client.quantization.calibrate`.

    Returns:
        float32 of shape ``(documents,)``, or ``(queries, documents)`` for a sequence of queries.

    Raises:
        JinaInputError: an array without tokens, of an invalid shape, with other dimensions or with a NaN; or codes
            without ``ranges`` that are not bits.
    """
    single = _is_matrix(queries)
    if not single:
        _check_sequence(queries, "queries")
    query_matrices = [_floats(query, f"queries[{n}]") for n, query in enumerate([queries] if single else queries)]
    if _is_matrix(documents):
        raise JinaInputError("documents must be a list of arrays (tokens, dims); for a single one pass [document]")
    _check_sequence(documents, "documents")
    matrices = [_matrix(document, f"documents[{number}]") for number, document in enumerate(documents)]
    scores = np.empty((len(query_matrices), len(matrices)), np.float32)
    if not query_matrices or not matrices:
        return scores[0] if single else scores
    tokens = np.concatenate(query_matrices)
    starts = np.cumsum([0, *map(len, query_matrices[:-1])])
    encoding = _Encoding(matrices[0], tokens.shape[1], ranges)
    tokens, shift = encoding.query(tokens)
    for part in _parts([len(matrix) for matrix in matrices]):
        block = encoding.numbers(matrices, part)
        lengths = [len(matrix) for matrix in matrices[part]]
        best = np.maximum.reduceat(tokens @ block.T, np.cumsum([0, *lengths[:-1]]), axis=1)
        scores[:, part] = np.add.reduceat(best + shift, starts, axis=0)
    # The scores are far fewer than the numbers of the documents, and a NaN reaches them.
    finite = np.isfinite(scores).all(axis=0)
    if not finite.all():
        raise JinaInputError(f"documents[{finite.argmin()}] must be finite numbers, got a NaN or an infinity")
    return scores[0] if single else scores


def mean_pool(vectors: Any) -> NDArray[np.float32]:
    """Return the mean of the token vectors of each query or document, scaled to length 1.

    Use it for the first stage of a search if MaxSim over all documents is too slow: the documents with the nearest mean
    vectors are the candidates for MaxSim.

    Args:
        vectors: floats of shape ``(tokens, dims)``, or a sequence of such arrays.

    Returns:
        float32 of shape ``(dims,)``, or ``(n, dims)`` for a sequence.

    Raises:
        JinaInputError: arrays without tokens, of another shape or of different dimensions.
    """
    single = _is_matrix(vectors)
    if not single:
        _check_sequence(vectors, "vectors")
    matrices = [_floats(matrix, f"vectors[{number}]") for number, matrix in enumerate([vectors] if single else vectors)]
    if not matrices:
        raise JinaInputError("vectors must hold at least one array (tokens, dims), got none")
    for number, matrix in enumerate(matrices):
        _check_dimensions(matrix, matrices[0].shape[1], f"vectors[{number}]")
    means: NDArray[np.float32] = truncate(np.stack([matrix.mean(axis=0) for matrix in matrices]), matrices[0].shape[1])
    return means[0] if single else means


class _Encoding:
    """The encoding of the documents' numbers, the same for all of them: ``value = number * scale + shift``.

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
                    f"documents of {first.dtype} must be bits, {self._width} bytes for {dimensions} dimensions; "
                    f"documents[0] has {first.shape[1]} bytes. Pass ranges= if they are codes of one byte per dimension"
                )
            self._scale, self._shift = 2 * dimensions**-0.5, np.full(dimensions, -(dimensions**-0.5))
        elif ranges is not None:
            self._scale, self._shift = steps_of(first, Ranges.of(ranges))
            if len(self._shift) != dimensions:
                raise JinaInputError(f"queries must have the {len(self._shift)} dimensions of ranges, got {dimensions}")
        elif first.dtype.kind != "f":
            raise JinaInputError(f"documents must be floats, or int8 or uint8 codes, got {first.dtype}")

    def query(self, tokens: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the scaled query tokens, and the number to add to the products of each."""
        return (tokens * self._scale).astype(np.float32), (tokens @ self._shift).astype(np.float32)[:, None]

    def numbers(self, documents: Sequence[NDArray[Any]], part: slice) -> NDArray[np.float32]:
        """Return the concatenated tokens of some documents."""
        for number, document in enumerate(documents[part], part.start):
            _check_dimensions(document, self._width, f"documents[{number}]")
            if document.dtype.kind != self._dtype.kind or (self._dtype.kind != "f" and document.dtype != self._dtype):
                raise JinaInputError(f"documents[{number}] must be {self._dtype} as documents[0], got {document.dtype}")
        block = np.concatenate(documents[part])
        return (unpack(block, self._dimensions) if self._bits else block).astype(np.float32, copy=False)


def _parts(lengths: Sequence[int]) -> Iterator[slice]:
    """Yield slices of about ``_TOKENS`` tokens, each with at least one document."""
    start = total = 0
    for number, length in enumerate(lengths):
        if number > start and total + length > _TOKENS:
            yield slice(start, number)
            start, total = number, 0
        total += length
    yield slice(start, len(lengths))


def _is_matrix(vectors: Any) -> bool:
    """Return whether the value is one array ``(tokens, dims)`` rather than several."""
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
        raise JinaInputError(f"{name} must be floats, got {matrix.dtype}; quantize the documents only")
    floats = matrix.astype(np.float32, copy=False)
    if not np.isfinite(floats).all():
        raise JinaInputError(f"{name} must be finite numbers, got a NaN or an infinity")
    return floats


def _check_dimensions(matrix: NDArray[Any], width: int, name: str) -> None:
    if matrix.shape[1] != width:
        raise JinaInputError(f"{name} must have rows of {width} numbers, got {matrix.shape[1]}")
