"""Ids and payloads: what SQLite stores for each item of an index."""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
from jina_client import JinaInputError
from numpy.typing import NDArray
from zlib_ng.zlib_ng import crc32

Id = str | int
"""The id of an item: a string, or an integer of 64 bits."""

_NUMBERS = struct.Struct("<4q")


class StoredItem(NamedTuple):
    """One row of the table ``items``.

    Attributes:
        row: the item's row in the files.
        id: the caller's id.
        payload: the caller's payload as JSON, or ``None``.
        first_vector: the position of the item's first vector in the file of vectors.
        vectors: the number of its vectors.
    """

    row: int
    id: Id
    payload: bytes | None
    first_vector: int
    vectors: int

    def matches(self, checksum: Any) -> bool:
        """Return whether the fields have the right types and this checksum.

        Args:
            checksum: bytes, or the number that versions 1 and 2 of the file format have.
        """
        row, id, payload, first_vector, vectors = self
        if not isinstance(id, str | int) or not isinstance(payload, bytes | None):
            return False
        if not isinstance(first_vector, int) or not isinstance(vectors, int):
            return False
        if isinstance(checksum, bytes):
            return checksum == item_checksum(*self)
        return bool(checksum == crc32(payload or b"", crc32(repr((row, id, first_vector, vectors)).encode())))

    @property
    def value(self) -> Any:
        """The payload as a Python value."""
        return None if self.payload is None else orjson.loads(self.payload)


class ItemColumns(NamedTuple):
    """Items whose rows follow each other, as columns.

    Attributes:
        first_row: the row of the first.
        ids: the ids.
        payloads: the payload of each as JSON, or ``None``.
        first_vectors: the position of each item's first vector.
        vectors: the number of vectors of each.
    """

    first_row: int
    ids: Sequence[Id]
    payloads: Sequence[bytes | None]
    first_vectors: NDArray[np.int64]
    vectors: NDArray[np.int64]

    def checksums(self) -> bytes:
        """Return the checksum of each item, as :func:`item_checksum` does: four bytes per item."""
        numbers = np.zeros((len(self.ids), 4), "<i8")
        numbers[:, 0] = np.arange(self.first_row, self.first_row + len(self.ids))
        numbers[:, 1], numbers[:, 2] = self.first_vectors, self.vectors
        only_numbers = set(map(type, self.ids)) == {int}
        numbers[:, 3] = self.ids if only_numbers else [0 if isinstance(id, str) else id for id in self.ids]
        checksums = map(crc32, numbers.view("V32")[:, 0].tolist())
        if not only_numbers:
            checksums = map(crc32, map(_text, self.ids), checksums)
        if any(self.payloads):
            checksums = map(crc32, (payload or b"" for payload in self.payloads), checksums)
        return np.fromiter(checksums, "<u4", len(self.ids)).tobytes()


def item_checksum(row: int, id: Id, payload: bytes | None, first_vector: int, vectors: int) -> bytes:
    """Return the checksum of all fields of an item: CRC-32, four bytes."""
    checksum = crc32(_text(id), crc32(_NUMBERS.pack(row, first_vector, vectors, 0 if isinstance(id, str) else id)))
    return crc32(payload or b"", checksum).to_bytes(4, "little")


def _text(id: Id) -> bytes:
    """Return the part of an id that its item's numbers do not hold."""
    return b'"' + id.encode() if isinstance(id, str) else b""


def to_json(payload: Any, name: str) -> bytes | None:
    """Return a payload as JSON; ``None`` stays ``None``. Datetimes, UUIDs and enums become what orjson makes of them.

    Args:
        payload: the value to encode.
        name: the argument that it came from, for the message.

    Raises:
        JinaInputError: JSON cannot represent the value.
    """
    if payload is None:
        return None
    try:
        content = orjson.dumps(payload)
    except (TypeError, ValueError) as error:
        raise JinaInputError(
            f"{name} is not a JSON value: {error}. Pass strings, numbers, booleans, None, and lists and dicts of these"
        ) from None
    # orjson writes a NaN as null.
    if b"null" in content and _has_nan([payload]):
        raise JinaInputError(f"{name} holds a NaN or an infinity, which JSON does not have; pass None, or leave it out")
    return content


def _has_nan(values: Iterable[Any]) -> bool:
    """Return whether JSON values hold a number that is not finite."""
    for value in values:
        kind = type(value)
        # Most values are strings.
        if kind is str:
            continue
        if kind is float and not math.isfinite(value):
            return True
        if isinstance(value, (dict, list, tuple)) and _has_nan(value.values() if isinstance(value, dict) else value):
            return True
    return False


def check_items(ids: Any, payloads: Any, count: int, noun: str = "vectors") -> tuple[list[Id], list[bytes | None]]:
    """Return ids as a list, and payloads as JSON.

    Args:
        ids: the ids; all distinct.
        payloads: a JSON value per id, or ``None``.
        count: the number of vectors or documents that they belong to.
        noun: what is counted, for the message.

    Raises:
        JinaInputError: an invalid id or payload, or another number of them.
    """
    distinct = check_ids(ids)
    if isinstance(payloads, (str, bytes, dict)):
        raise JinaInputError(f"payloads must be a list, one for each id, got a {type(payloads).__name__}")
    values: list[Any] = [None] * len(distinct) if payloads is None else list(payloads)
    if not len(distinct) == count == len(values):
        raise JinaInputError(
            f"{len(distinct)} ids, {count} {noun} and {len(values)} payloads: pass one of each per item"
        )
    if payloads is None:
        return distinct, values
    return distinct, [to_json(value, f"payloads[{place}]") for place, value in enumerate(values)]


def check_ids(ids: Any, name: str = "ids") -> list[Id]:
    """Return ids as a list; numpy scalars become Python values.

    Args:
        ids: the ids; all distinct.
        name: the argument that they came from, for the message.

    Raises:
        JinaInputError: not a list, an id of another type, or an id that occurs twice.
    """
    if isinstance(ids, (str, bytes)) or not isinstance(ids, Iterable):
        raise JinaInputError(f"{name} must be a list, got {ids!r}; for a single id pass [{ids!r}]")
    items: list[Id] = list(ids.tolist() if isinstance(ids, np.ndarray) else ids)
    if not _are_ids(items):
        items = [id.item() if isinstance(id, np.generic) else id for id in items]
        for place, id in enumerate(items):
            if not _are_ids([id]):
                raise JinaInputError(f"{name}[{place}] must be a string or a whole number of 64 bits, got {id!r}")
    if len(set(items)) < len(items):
        duplicate = next(id for id, count in Counter(items).items() if count > 1)
        raise JinaInputError(f"{name} holds {duplicate!r} twice; each id may occur once in a call")
    return items


def _are_ids(items: list[Any]) -> bool:
    """Return whether all items are strings of valid Unicode or integers of 64 bits."""
    kinds = set(map(type, items))
    numbers = (
        items if kinds == {int} else [item for item in items if isinstance(item, int) and not isinstance(item, bool)]
    )
    texts = items if kinds == {str} else [item for item in items if isinstance(item, str)]
    if len(numbers) + len(texts) < len(items) or (numbers and not -(2**63) <= min(numbers) <= max(numbers) < 2**63):
        return False
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True
