"""Reading answers: JSON, items in their order, vectors, tokens."""

from __future__ import annotations

import json
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


def parse(body: bytes) -> Any:
    """The JSON value of a successful answer.

    Raises:
        JinaConnectionError: the body is cut short, which another try may mend.
        JinaResponseError: the body is no JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        # NaN and Infinity are no JSON, but some services write them; they are refused with their vector.
        with suppress(ValueError, RecursionError):
            return json.loads(body)
        if not body.strip() or body.lstrip()[:1] in b"{[":
            raise JinaConnectionError(
                f"the answer broke off after {len(body)} bytes: its JSON is not complete"
            ) from None
        raise JinaResponseError(
            f"the answer is no JSON (it begins with {body[:60]!r}): is base_url the root of an API?"
        ) from None


def parse_lines(body: bytes) -> list[dict[str, Any]]:
    """The JSON objects of an answer of JSON lines; see :func:`parse`."""
    return [as_object(parse(line)) for line in body.splitlines() if line.strip()]


def as_object(value: Any) -> dict[str, Any]:
    """A JSON value that must be an object."""
    if not isinstance(value, dict):
        raise JinaResponseError(f"the answer is a JSON {type(value).__name__}, expected an object")
    return value


def as_objects(value: Any, name: str) -> list[dict[str, Any]]:
    """A JSON value that must be a list of objects."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise JinaResponseError(f"the answer has no list of objects in {name!r}")
    return value


def as_number(value: Any, what: str) -> float:
    """A JSON value that must be a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        raise JinaResponseError(f"{what} is {value!r}, expected a number")
    return float(value)


def as_string(value: Any, what: str) -> str:
    """A JSON value that must be a string with something in it."""
    if not isinstance(value, str) or not value:
        raise JinaResponseError(f"{what} is {value!r}, expected a string")
    return value


def usage_of(body: Mapping[str, Any]) -> Usage:
    """The tokens of an answer; a service that does not count gives zero."""
    sent = body.get("usage")
    counts = sent if isinstance(sent, dict) else {}

    def count(*names: str) -> int | None:
        found = (counts.get(name) for name in names)
        return next((value for value in found if isinstance(value, int) and not isinstance(value, bool)), None)

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


def model_of(body: Mapping[str, Any], asked: str) -> str:
    """The model that an answer names, else the one that was asked for."""
    named = body.get("model")
    return named if isinstance(named, str) and named else asked


def placed(value: Any, count: int | None, name: str, what: str) -> list[dict[str, Any]]:
    """Items in the order of their ``index``; in the order they came where no item has one.

    Args:
        value: the list of the answer.
        count: how many there must be; ``None`` for any number but none.
        name: the list's key, for errors.
        what: what it is a list of, for errors.
    """
    items = as_objects(value, name)
    if count is None:
        count = max(len(items), 1)
    if len(items) != count:
        raise JinaResponseError(f"expected {count} {what}, got {len(items)}")
    indices = [item.get("index") for item in items]
    if all(index is None for index in indices):
        return items
    ordered: list[dict[str, Any] | None] = [None] * count
    for index, item in zip(indices, items, strict=True):
        if not is_index(index, count) or ordered[index] is not None:  # type: ignore[index]
            raise JinaResponseError(f"{name!r} has index {index!r}, expected each of 0 to {count - 1} once")
        ordered[index] = item  # type: ignore[index]
    return ordered  # type: ignore[return-value]


def is_index(value: Any, count: int) -> bool:
    """Whether a JSON value is a place in a list of ``count``."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count


def dtype_of(embedding_type: EmbeddingType) -> np.dtype[Any]:
    """The numpy type of vectors in an encoding."""
    names: dict[EmbeddingType, str] = {"binary": "int8", "ubinary": "uint8"}
    return np.dtype(names.get(embedding_type, "float32"))


def vector(value: Any, embedding_type: EmbeddingType, what: str) -> NDArray[Any]:
    """One vector: float32 from base64 or from JSON numbers, bytes from the JSON numbers of either binary layout."""
    try:
        if embedding_type in FLOATS:
            if isinstance(value, str):
                return np.frombuffer(pybase64.b64decode(value, validate=True), "<f4")
            return _numbers(value).astype(np.float32)
        return _codes(_numbers(value), embedding_type)
    except (ValueError, TypeError) as error:
        raise JinaResponseError(f"{what} cannot be read: {error}") from None


def matrix(value: Any, embedding_type: EmbeddingType, width: int | None, what: str) -> NDArray[Any]:
    """One vector for each token: a list of vectors, or one base64 string of all of them in a row."""
    try:
        if isinstance(value, str) and embedding_type in FLOATS and width:
            rows = np.frombuffer(pybase64.b64decode(value, validate=True), "<f4").reshape(-1, width)
        elif not isinstance(value, list) or not value:
            raise ValueError(f"expected a list of vectors, got {type(value).__name__}")
        else:
            rows = np.stack([vector(row, embedding_type, what) for row in value])
    except (ValueError, TypeError) as error:
        raise JinaResponseError(f"{what} cannot be read: {error}") from None
    if width and rows.shape[1] != width:
        raise JinaResponseError(f"{what} has vectors of length {rows.shape[1]}, expected {width}")
    finite(rows, what)
    return rows


def finite(values: NDArray[Any], what: str) -> None:
    """Refuse a NaN or an infinity."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise JinaResponseError(f"{what} holds a NaN or an infinity")


def _codes(numbers: NDArray[np.float64], embedding_type: EmbeddingType) -> NDArray[Any]:
    low, high = (-128, 127) if embedding_type == "binary" else (0, 255)
    if not ((numbers >= low) & (numbers <= high) & (numbers == np.rint(numbers))).all():
        raise ValueError(f"numbers outside {low} to {high}")
    return numbers.astype(dtype_of(embedding_type))


def _numbers(value: Any) -> NDArray[np.float64]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"expected a list of numbers, got {type(value).__name__}")
    if not all(type(number) in (int, float) for number in value):
        raise ValueError("the list holds something that is no number")
    return np.array(value, dtype=np.float64)
