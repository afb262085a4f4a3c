"""Reading responses: JSON, items in order, vectors, usage."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import orjson
import pybase64
from numpy.typing import NDArray

from ..errors import JinaConnectionError, JinaResponseError
from ..models import EmbeddingType
from ..results import Usage

FLOATS = ("float", "base64")
_LARGEST_COUNT = 2**53


def parse(body: bytes) -> Any:
    """Return the JSON value of a successful response.

    Raises:
        JinaConnectionError: the body is truncated, so a retry may help.
        JinaResponseError: the body is not JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        # NaN and Infinity are not JSON, but some services write them. Their vectors are rejected later.
        with suppress(ValueError, RecursionError):
            return json.loads(body)
        if not body.strip() or body.lstrip()[:1] in b"{[":
            raise JinaConnectionError(
                f"the response broke off after {len(body)} bytes: its JSON is not complete"
            ) from None
        raise JinaResponseError(
            f"the response is not JSON (it begins with {body[:60]!r}): is base_url= the root of an API?"
        ) from None


def parse_lines(body: bytes) -> list[dict[str, Any]]:
    """Return the JSON objects of a JSON lines response; see :func:`parse`."""
    return [as_object(parse(line)) for line in body.splitlines() if line.strip()]


def as_object(value: Any) -> dict[str, Any]:
    """Return a JSON value that must be an object."""
    if not isinstance(value, dict):
        raise JinaResponseError(f"the response is a JSON {type(value).__name__}, expected an object")
    return value


def as_objects(value: Any, name: str) -> list[dict[str, Any]]:
    """Return a JSON value that must be a list of objects."""
    if not isinstance(value, list) or set(map(type, value)) - {dict}:
        raise JinaResponseError(f"the response has no list of objects in {name!r}")
    return value


def as_number(value: Any, name: str) -> float:
    """Return a JSON value that must be a finite number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # An integer of JSON may have more digits than a float.
        with suppress(OverflowError):
            if math.isfinite(number := float(value)):
                return number
    raise JinaResponseError(f"{name} is {value!r}, expected a number")


def count_of(value: Any) -> int | None:
    """Return a JSON value that may be a number of tokens or inputs, or ``None`` if it is none."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_COUNT
    return value if is_count else None


def as_string(value: Any, name: str) -> str:
    """Return a JSON value that must be a non-empty string."""
    if not isinstance(value, str) or not value:
        raise JinaResponseError(f"{name} is {value!r}, expected a string")
    return value


def usage_of(body: Mapping[str, Any]) -> Usage:
    """Return the tokens of a response; zero if the service does not count them."""
    usage = body.get("usage")
    counts = usage if isinstance(usage, dict) else {}

    def count(*names: str) -> int | None:
        values = (count_of(counts.get(name)) for name in names)
        return next((value for value in values if value is not None), None)

    prompt = count("prompt_tokens", "input_tokens")
    total = count("total_tokens", "tokens")
    total = (prompt or 0) if total is None else total
    return Usage(
        total,
        total if prompt is None else prompt,
        count("image_tokens") or 0,
        count("audio_tokens") or 0,
        count("video_tokens") or 0,
    )


def model_of(body: Mapping[str, Any], requested: str) -> str:
    """Return the model that a response names, else the requested one."""
    model = body.get("model")
    return model if isinstance(model, str) and model else requested


def in_order(value: Any, count: int | None, name: str, kind: str) -> list[dict[str, Any]]:
    """Return items in the order of their ``index``, or as they came if no item has one.

    Args:
        value: the list of the response.
        count: how many items there must be; ``None`` for any number above 0.
        name: the list's key, for errors.
        kind: what the items are, for errors.
    """
    items = as_objects(value, name)
    if count is None:
        count = max(len(items), 1)
    if len(items) != count:
        raise JinaResponseError(f"expected {count} {kind}, got {len(items)}")
    indices = [item.get("index") for item in items]
    if all(index is None for index in indices) or (indices == list(range(count)) and set(map(type, indices)) == {int}):
        return items
    ordered: list[dict[str, Any] | None] = [None] * count
    for index, item in zip(indices, items, strict=True):
        if not is_index(index, count) or ordered[index] is not None:  # type: ignore[index]
            raise JinaResponseError(f"{name!r} has index {index!r}, expected each of 0 to {count - 1} once")
        ordered[index] = item  # type: ignore[index]
    return ordered  # type: ignore[return-value]


def is_index(value: Any, count: int) -> bool:
    """Return whether a JSON value is a valid index of a list of ``count`` items."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count


def dtype_of(embedding_type: EmbeddingType) -> np.dtype[Any]:
    """Return the numpy type of vectors in an encoding."""
    names: dict[EmbeddingType, str] = {"binary": "int8", "ubinary": "uint8"}
    return np.dtype(names.get(embedding_type, "float32"))


def vector(value: Any, embedding_type: EmbeddingType, name: str) -> NDArray[Any]:
    """Return one vector: float32 from base64 or JSON numbers, or bytes from the JSON numbers of a binary layout."""
    try:
        if embedding_type in FLOATS:
            if isinstance(value, (str, memoryview)):
                return np.frombuffer(pybase64.b64decode(value, validate=True), "<f4")
            return _numbers(value).astype(np.float32)
        return _codes(_numbers(value), embedding_type)
    except (ValueError, TypeError, OverflowError) as error:
        raise JinaResponseError(f"{name} cannot be read: {error}") from None


def matrix(value: Any, embedding_type: EmbeddingType, width: int | None, name: str) -> NDArray[Any]:
    """Return one vector per token, from a list of vectors or from one base64 string that holds all of them."""
    try:
        if isinstance(value, str) and embedding_type in FLOATS and width:
            rows = np.frombuffer(pybase64.b64decode(value, validate=True), "<f4").reshape(-1, width)
        elif not isinstance(value, list) or not value:
            raise ValueError(f"expected a list of vectors, got {type(value).__name__}")
        elif embedding_type in FLOATS and set(map(type, value)) == {str}:
            coded = [pybase64.b64decode(row, validate=True) for row in value]
            if len(set(map(len, coded))) > 1:
                raise ValueError("its vectors have different lengths")
            rows = np.frombuffer(bytearray().join(coded), "<f4").reshape(len(coded), -1)
        else:
            rows = np.stack([vector(row, embedding_type, name) for row in value])
    except (ValueError, TypeError, OverflowError) as error:
        raise JinaResponseError(f"{name} cannot be read: {error}") from None
    if width and rows.shape[1] != width:
        raise JinaResponseError(f"{name} has vectors of length {rows.shape[1]}, expected {width}")
    finite(rows, name)
    return rows


def finite(values: NDArray[Any], name: str) -> None:
    """Raise if an array holds a NaN or an infinity."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise JinaResponseError(f"{name} holds a NaN or an infinity")


def _codes(numbers: NDArray[np.float64], embedding_type: EmbeddingType) -> NDArray[Any]:
    low, high = (-128, 127) if embedding_type == "binary" else (0, 255)
    if not ((numbers >= low) & (numbers <= high) & (numbers == np.rint(numbers))).all():
        raise ValueError(f"numbers outside {low} to {high}")
    return numbers.astype(dtype_of(embedding_type))


def _numbers(value: Any) -> NDArray[np.float64]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"expected a list of numbers, got {type(value).__name__}")
    if not set(map(type, value)) <= {int, float}:
        raise ValueError("the list holds something that is not a number")
    return np.array(value, dtype=np.float64)
