"""Encode texts as token vectors: the tokenizer and the network, in batches.

A sequence is a list of token ids without special tokens. Its vectors have one row per token, preceded by the row of
[CLS] and followed by the row of [SEP]: float32 of shape ``(len(sequence) + 2, dimensions)``.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from .batching import SharedBatches
from .cancellation import current_scope
from .int8_weights import read_int8_weights
from .onnx_graph import bert_graph, largest_product_graph, read_header, read_shape
from .precision import Precision
from .projection import Vectors
from .runtime import open_session
from .weights import ModelFiles, damaged_file

Sequences = Sequence[Sequence[int]]

# Both values were measured on two cores. Larger batches do not fit into the cache of a core, and smaller ones cost more
# calls. A smaller multiple computes less padding; a larger one makes fewer, fuller batches.
_BATCH_TOKENS = 512
_PAD_TO = 4

# The tokenizer blocks all other threads, for 20 ms per this many characters. No token and no normalization of the
# tokenizer crosses the places where a text is split.
_PART = 16_384
_SPLITS = re.compile("[ \\n\\t.,;:!?。、，\u4e00-\u9fff]")

SPECIAL_TOKENS = ("[CLS]", "[SEP]")
"""The tokens before and after every sequence."""


@dataclass(frozen=True, slots=True)
class _Window:
    """One run of the network over a part of a sequence.

    Attributes:
        sequence: Index of the sequence that it belongs to.
        ids: Token ids that the network reads, special tokens included. The array uses four bytes per id, because
            there can be millions.
        first, last: Output rows to keep, ``[first, last)``.
        position: Row of the sequence's vectors where the first kept row goes.
    """

    sequence: int
    ids: array[int]
    first: int
    last: int
    position: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive vectors of one sequence: ``vectors[0]`` is its row ``position``."""

    sequence: int
    position: int
    vectors: Vectors


class Encoder:
    """The loaded model. Thread-safe.

    Args:
        files: The model's files.
        threads: Threads that compute one batch; defaults to one per core that this process may use.
        precision: Number format of the linear layers: ``int8``, which is about twice as fast, or ``float32``.

    Raises:
        ModelNotFoundError: A file is not the expected one.

    Attributes:
        dimensions: Length of a token vector.
        window: Tokens of a sequence that the network reads together, without special tokens.
    """

    def __init__(self, files: ModelFiles, threads: int | None = None, precision: Precision = "int8") -> None:
        # Before anything is built from them.
        files.verify()
        try:
            tensors = read_header(files.weights)
            shape = read_shape(files.config, tensors)
            int8_weights = read_int8_weights(files.weights, tensors, shape.layers) if precision == "int8" else None
            if int8_weights and not multiplies_exactly(files.weights.parent):
                int8_weights = {name: weight.as_unsigned() for name, weight in int8_weights.items()}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise damaged_file(files.config, error) from None
        graph = bert_graph(shape, tensors, files.weights.name, int8_weights)
        self._session = open_session(graph, files.weights.parent, threads)
        self._tokenizer = Tokenizer.from_file(str(files.tokenizer))
        # The file sets both to 128 tokens.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._cls, self._sep = (_token_id(self._tokenizer, name) for name in SPECIAL_TOKENS)
        # The session's threads share one pool, so parallel batches would only use more memory.
        self._batches = SharedBatches(self._run, lambda length: max(1, _BATCH_TOKENS // length))
        self.dimensions = shape.dimensions
        self.window = shape.positions - 2

    def tokenize(self, texts: Iterable[str], most: int | None = None) -> list[Sequence[int]]:
        """Return the token ids of each text, without special tokens.

        Args:
            texts: Texts of any length.
            most: Stop reading a text once it has more than this many tokens; defaults to reading all of it.
        """
        return [self._ids(text, most) for text in texts]

    def _ids(self, text: str, most: int | None) -> Sequence[int]:
        ids = array("i")
        for part in text_parts(text):
            current_scope().check()
            ids.extend(self._tokenizer.encode(part, add_special_tokens=False).ids)
            if most is not None and len(ids) > most:
                break
        return ids

    def tokens(self, sequence: Sequence[int]) -> list[str]:
        """Return the tokens of a sequence as the vocabulary spells them, including [CLS] and [SEP]."""
        first, last = SPECIAL_TOKENS
        return [first, *(self._tokenizer.id_to_token(number) or "" for number in sequence), last]

    def pieces(self, text: str) -> list[tuple[str, int]]:
        """Split a text into the pieces that its tokens stand for.

        Characters without a token, such as white space, belong to the next piece, or to the last one at the end.

        Args:
            text: Any text.

        Returns:
            Pairs of a piece and its token id; joined, the pieces are the text. Empty for a text without tokens.
        """
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        if not encoded.ids:
            return []
        bounds = [0, *(end for _, end in encoded.offsets[:-1]), len(text)]
        return [(text[start:end], number) for (start, end), number in zip(pairwise(bounds), encoded.ids, strict=True)]

    def token_vectors(self, sequences: Sequences, context: int = 0, width: int | None = None) -> list[Vectors]:
        """Return the token vectors of each sequence.

        Args:
            sequences: Token ids without special tokens.
            context: As for :meth:`rows`.
            width: Leading numbers of each vector to keep; defaults to all.

        Returns:
            For each sequence float32 of shape ``(len(sequence) + 2, width or dimensions)``.
        """
        vectors = [np.empty((len(ids) + 2, width or self.dimensions), dtype=np.float32) for ids in sequences]
        for rows in self.rows(sequences, context):
            vectors[rows.sequence][rows.position : rows.position + len(rows.vectors)] = rows.vectors[:, :width]
        return vectors

    def mean_vectors(self, sequences: Sequences) -> Vectors:
        """Return the mean token vector of each sequence, special tokens included.

        This is the pooling that the model was trained with. Token vectors are not stored, so memory does not grow with
        the length of a text.

        Args:
            sequences: Token ids without special tokens.

        Returns:
            float32 of shape ``(n, dimensions)``, not normalized.
        """
        sums = {}
        for rows in self.rows(sequences):
            sums[rows.sequence, rows.position] = rows.vectors.sum(axis=0, dtype=np.float64)
        means = np.zeros((len(sequences), self.dimensions))
        # Sums run in text order, not in batch order, because the order changes floating-point sums.
        for sequence, position in sorted(sums):
            means[sequence] += sums[sequence, position]
        lengths = np.array([len(ids) + 2 for ids in sequences], dtype=np.float64)
        return (means / lengths[:, np.newaxis]).astype(np.float32)

    def rows(self, sequences: Sequences, context: int = 0) -> Iterator[Rows]:
        """Run the network over all sequences, and yield every row of every sequence exactly once, in any order.

        A sequence longer than :attr:`window` is read in windows that overlap by half. The outputs of the overlap come
        from the earlier window, so each token has text before it, as in the reference implementation of late chunking
        for long documents. A text has the same vectors, bit for bit, whatever shares its batch: its padding depends
        only on its own length.

        Args:
            sequences: Token ids without special tokens.
            context: Leading tokens of a sequence that are repeated before each of its later windows.
        """
        windows = (window for number, ids in enumerate(sequences) for window in self._windows(number, ids, context))
        longest = self.window + len(SPECIAL_TOKENS)
        work = ((min(-(-len(window.ids) // _PAD_TO) * _PAD_TO, longest), window) for window in windows)
        for window, vectors in self._batches.results(work):
            yield Rows(window.sequence, window.position, vectors)

    def close(self) -> None:
        """Stop computing; see :meth:`SharedBatches.close`."""
        self._batches.close()

    def _windows(self, sequence: int, ids: Sequence[int], context: int) -> Iterator[_Window]:
        head = ids[:context]
        begin, previous_end = 0, 0
        while True:
            prefix = head if begin else ()
            end = min(begin + self.window - len(prefix), len(ids))
            window_ids = array("i", (self._cls, *prefix, *ids[begin:end], self._sep))
            # Token t is row t - begin of the output, after [CLS] and the prefix.
            shift = 1 + len(prefix) - begin
            first = previous_end + shift if begin else 0
            last = end + shift + (end == len(ids))
            yield _Window(sequence, window_ids, first, last, previous_end + 1 if begin else 0)
            if end == len(ids):
                return
            previous_end = end
            begin = end - (self.window - len(head)) // 2

    def _run(self, windows: Sequence[_Window], length: int) -> list[Vectors]:
        ids = np.zeros((len(windows), length), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, window in enumerate(windows):
            ids[row, : len(window.ids)] = window.ids
            mask[row, : len(window.ids)] = 1
        hidden = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return [hidden[row, window.first : window.last] for row, window in enumerate(windows)]


def multiplies_exactly(folder: Path) -> bool:
    """Return whether this processor multiplies uint8 by int8 without loss.

    x86 processors without VNNI add two products in 16 bits, which overflows. They multiply uint8 by uint8 exactly, but
    more slowly.

    Args:
        folder: Any existing folder.
    """
    rows, inputs = 8, 64
    session = open_session(largest_product_graph(inputs), folder, 1)
    ids = np.full((rows, inputs), 255)
    product = session.run(None, {"input_ids": ids, "attention_mask": ids})[0]
    return bool((product == 255 * 127 * inputs).all())


def text_parts(text: str, size: int = _PART) -> Iterator[str]:
    """Split a long text into parts whose concatenated tokens are the tokens of the text.

    The splits are at white space, punctuation and ideographs, each of which is a token by itself.

    Args:
        text: Any text.
        size: Characters of a part. A part is longer if it contains no place to split.

    Yields:
        The parts, in order.
    """
    start = 0
    while len(text) - start > size:
        split = _SPLITS.search(text, start + size)
        if split is None:
            break
        yield text[start : split.end()]
        start = split.end()
    yield text[start:]


def _token_id(tokenizer: Tokenizer, token: str) -> int:
    number = tokenizer.token_to_id(token)
    if number is None:
        raise ValueError(f"the tokenizer has no {token} token: it is not a BERT tokenizer")
    return number
