"""Vectors whose first numbers come from their text, so that every row of a job's output can be checked."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

MARKED = 3


def mark_of(text: str) -> np.ndarray:
    """Return the first numbers of a text's vector."""
    checksum = zlib.crc32(text.encode())
    return np.array([checksum & 0xFFFF, checksum >> 16, len(text)], "<f4")


def marks_of(texts: Iterable[str], count: int) -> np.ndarray:
    """Return the first numbers of the vectors of so many texts, one row each."""
    marks = np.empty((count, MARKED), "<f4")
    for number, text in enumerate(texts):
        marks[number] = mark_of(text)
    return marks


@cache
def _rest(dimensions: int) -> str:
    # Twelve bytes are sixteen characters of base64 without padding, so the two strings join.
    return base64.b64encode(np.full(dimensions - MARKED, 0.03, "<f4").tobytes()).decode()


def embeddings_body(texts: Sequence[str], dimensions: int) -> bytes:
    """Return the body of a response with the vectors of texts in base64."""
    marks = (base64.b64encode(mark_of(text).tobytes()).decode() for text in texts)
    items = ",".join(
        f'{{"object":"embedding","index":{index},"embedding":"{mark}{_rest(dimensions)}"}}'
        for index, mark in enumerate(marks)
    )
    usage = f'"usage":{{"total_tokens":{tokens_of(texts)}}}'
    return f'{{"model":"m","object":"list",{usage},"data":[{items}]}}'.encode()


def tokens_of(texts: Sequence[str]) -> int:
    """Return the number of tokens that the texts are said to have."""
    return sum(map(len, texts)) // 4


def check_rows(path: Path, marks: np.ndarray, dimensions: int) -> tuple[int, int, int]:
    """Return how many rows are lost, repeated, or have another vector than their own, or none.

    Args:
        path: a Parquet file, or a folder of them, with the columns ``id`` and ``embedding``.
        marks: the first numbers of each row's vector.
        dimensions: the length of the vectors.
    """
    seen, wrong = np.zeros(len(marks), np.int64), 0
    for part in sorted(path.rglob("*.parquet")) if path.is_dir() else [path]:
        for batch in pq.ParquetFile(part).iter_batches(4096, columns=["id", "embedding"]):
            ids, column = np.asarray(batch.column("id"), np.int64), batch.column("embedding")
            np.add.at(seen, ids, 1)
            filled = column.is_valid().to_numpy(zero_copy_only=False)
            vectors = column.flatten().to_numpy().reshape(-1, dimensions)
            wrong += int((~filled).sum()) + int((vectors[:, :MARKED] != marks[ids[filled]]).any(axis=1).sum())
    return int((seen == 0).sum()), int((seen > 1).sum()), wrong
