"""Texts to token vectors: the tokenizer and the network, in batches.

A sequence is a list of token ids without the special tokens. Its vectors are one row for each token, with those of
[CLS] before them and of [SEP] after them: ``(len(sequence) + 2, dimensions)``, float32.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from .batching import SharedBatches
from .onnx_graph import bert_graph, read_header, read_shape
from .runtime import open_session
from .weights import ModelFiles

Vectors = NDArray[np.float32]
Sequences = Sequence[Sequence[int]]

# Both measured on two cores. A smaller multiple computes less padding, a larger one makes fewer, fuller batches.
_BATCH_TOKENS = 1024
_PAD_TO = 4

# The tokenizer keeps every other thread from running, 20 ms for so many characters. No token, and nothing that the
# tokenizer normalises, reaches over the places where a text is cut.
_PART = 16_384
_CUTS = re.compile("[ \\n\\t.,;:!?。、，\u4e00-\u9fff]")

SPECIAL_TOKENS = ("[CLS]", "[SEP]")
"""What stands before and after every sequence."""


@dataclass(frozen=True, slots=True)
class _Window:
    """One run of the network over a part of a sequence.

    Attributes:
        sequence: which sequence it belongs to.
        ids: what the network reads, special tokens included: four bytes for each, for there can be millions.
        first, last: the rows of its output that are kept, ``[first, last)``.
        position: the row of the sequence's vectors that the first kept row is.
    """

    sequence: int
    ids: array[int]
    first: int
    last: int
    position: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Some consecutive vectors of one sequence: ``vectors[0]`` is its row ``position``."""

    sequence: int
    position: int
    vectors: Vectors


class Encoder:
    """The model, loaded. It may be used by several threads at once.

    Args:
        files: the model's files.
        threads: how many threads compute one batch; by default one for each core this process may use.

    Raises:
        ModelNotFoundError: a file is not the expected one.

    Attributes:
        dimensions: the length of a token vector.
        window: the most tokens of a sequence that the network reads at once, special tokens not counted.
    """

    def __init__(self, files: ModelFiles, threads: int | None = None) -> None:
        tensors = read_header(files.weights)
        shape = read_shape(files.config, tensors)
        # Hashing and building the session each take about as long: together they cost what one does.
        with ThreadPoolExecutor(1) as beside:
            verified = beside.submit(files.verify)
            graph = bert_graph(shape, tensors, files.weights.name)
            self._session = open_session(graph, files.weights.parent, threads)
            verified.result()
        self._tokenizer = Tokenizer.from_file(str(files.tokenizer))
        # The file fixes both at 128 tokens.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._cls, self._sep = (_token_id(self._tokenizer, name) for name in SPECIAL_TOKENS)
        # The session's threads share one pool, so batches that run side by side would only multiply the memory in use.
        self._batches = SharedBatches(self._run, lambda length: max(1, _BATCH_TOKENS // length))
        self.dimensions = shape.dimensions
        self.window = shape.positions - 2

    def tokenize(self, texts: Iterable[str], most: int | None = None) -> list[Sequence[int]]:
        """The token ids of each text, without special tokens.

        Args:
            texts: however long they are.
            most: a text's tokens beyond this many are not needed: it is not read to its end once there is one more.
        """
        return [self._ids(text, most) for text in texts]

    def _ids(self, text: str, most: int | None) -> Sequence[int]:
        ids = array("i")
        for part in text_parts(text):
            ids.extend(self._tokenizer.encode(part, add_special_tokens=False).ids)
            if most is not None and len(ids) > most:
                break
        return ids

    def tokens(self, sequence: Sequence[int]) -> list[str]:
        """The tokens of a sequence as the model's vocabulary spells them, [CLS] and [SEP] included."""
        first, last = SPECIAL_TOKENS
        return [first, *(self._tokenizer.id_to_token(number) or "" for number in sequence), last]

    def pieces(self, text: str) -> list[tuple[str, int]]:
        """A text in the pieces that its tokens stand for, each with the token's id; joined they are the text.

        What no token stands for, such as white space, is part of the piece after it, or of the last one. A text without
        any token has no pieces.
        """
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        if not encoded.ids:
            return []
        bounds = [0, *(end for _, end in encoded.offsets[:-1]), len(text)]
        return [(text[start:end], number) for (start, end), number in zip(pairwise(bounds), encoded.ids, strict=True)]

    def token_vectors(self, sequences: Sequences, context: int = 0, width: int | None = None) -> list[Vectors]:
        """Every token's vector: for each sequence an array of shape ``(len(sequence) + 2, dimensions)``.

        Args:
            sequences: token ids without special tokens.
            context: as for :meth:`rows`.
            width: how many of each vector's numbers are kept; by default all.
        """
        vectors = [np.empty((len(ids) + 2, width or self.dimensions), dtype=np.float32) for ids in sequences]
        for rows in self.rows(sequences, context):
            vectors[rows.sequence][rows.position : rows.position + len(rows.vectors)] = rows.vectors[:, :width]
        return vectors

    def mean_vectors(self, sequences: Sequences) -> Vectors:
        """The mean over each sequence's token vectors, special tokens included: ``(n, dimensions)``, not normalised.

        This is the pooling that the model was trained with. No token vector is kept: memory does not grow with length.
        """
        sums = {}
        for rows in self.rows(sequences):
            sums[rows.sequence, rows.position] = rows.vectors.sum(axis=0, dtype=np.float64)
        means = np.zeros((len(sequences), self.dimensions))
        # In the order of the text, not of the batches: floating-point sums depend on it.
        for sequence, position in sorted(sums):
            means[sequence] += sums[sequence, position]
        lengths = np.array([len(ids) + 2 for ids in sequences], dtype=np.float64)
        return (means / lengths[:, np.newaxis]).astype(np.float32)

    def rows(self, sequences: Sequences, context: int = 0) -> Iterator[Rows]:
        """Run the network over all sequences; every row of every sequence comes exactly once, in any order.

        A sequence that is longer than :attr:`window` is read in windows that overlap by half. The outputs of the
        overlap are taken from the earlier window, so each token has text before it, as in the reference
        implementation of late chunking for long documents. A text's vectors are the same bits whatever it is batched
        with: the length that it is padded to depends on its own length alone.

        Args:
            sequences: token ids without special tokens.
            context: how many of a sequence's first tokens are repeated before each of its later windows.
        """
        windows = (window for number, ids in enumerate(sequences) for window in self._windows(number, ids, context))
        longest = self.window + len(SPECIAL_TOKENS)
        work = ((min(-(-len(window.ids) // _PAD_TO) * _PAD_TO, longest), window) for window in windows)
        for window, vectors in self._batches.results(work):
            yield Rows(window.sequence, window.position, vectors)

    def close(self) -> None:
        """Compute nothing more; see :meth:`SharedBatches.close`."""
        self._batches.close()

    def _windows(self, sequence: int, ids: Sequence[int], context: int) -> Iterator[_Window]:
        head = ids[:context]
        begin, kept = 0, 0
        while True:
            repeated = head if begin else ()
            end = min(begin + self.window - len(repeated), len(ids))
            read = array("i", (self._cls, *repeated, *ids[begin:end], self._sep))
            # Row of token t in the output is t - begin, after [CLS] and what is repeated.
            shift = 1 + len(repeated) - begin
            first = kept + shift if begin else 0
            last = end + shift + (end == len(ids))
            yield _Window(sequence, read, first, last, kept + 1 if begin else 0)
            if end == len(ids):
                return
            kept = end
            begin = end - (self.window - len(head)) // 2

    def _run(self, windows: Sequence[_Window], length: int) -> list[Vectors]:
        ids = np.zeros((len(windows), length), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, window in enumerate(windows):
            ids[row, : len(window.ids)] = window.ids
            mask[row, : len(window.ids)] = 1
        hidden = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return [hidden[row, window.first : window.last] for row, window in enumerate(windows)]


def text_parts(text: str, size: int = _PART) -> Iterator[str]:
    """A long text in parts of about ``size`` characters, whose tokens one after the other are the text's.

    It is cut at white space, a point, or an ideograph, each of which the tokenizer takes for itself. Where there is
    none, a part is longer.
    """
    start = 0
    while len(text) - start > size:
        cut = _CUTS.search(text, start + size)
        if cut is None:
            break
        yield text[start : cut.end()]
        start = cut.end()
    yield text[start:]


def _token_id(tokenizer: Tokenizer, token: str) -> int:
    number = tokenizer.token_to_id(token)
    if number is None:
        raise ValueError(f"the tokenizer has no {token}: it is not a BERT tokenizer")
    return number
