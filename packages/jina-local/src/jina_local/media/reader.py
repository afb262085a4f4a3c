"""Inputs of every kind to the texts that are embedded for them."""

from __future__ import annotations

import binascii
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import orjson
import pybase64
from jina_client.models import Model

from ..errors import FieldProblem, InvalidRequest, problem, stopping
from ..reading.items import Item
from .fetch import SECONDS, FetchError, fetch
from .pictures import MAX_PIXELS, TextReader, UnreadableMedium, text_reader

MAX_BYTES = 8 * 2**20
"""The largest image or PDF: the service's published limit."""

MAX_FILE_BYTES = 64 * 2**20
MAX_FILE_LINES = 50_000
"""The largest file of a batch job."""

MAX_PIXELS_TOGETHER = 4 * MAX_PIXELS
"""Of all pictures of one request, where they are held at once: 480 MB."""

# Seconds for all that one request has fetched.
_FETCHING = 60.0

_INSTALL = 'This engine reads text in images and PDFs with an extra: pip install "jina-local[images]"'
_NO_FETCHING = "This engine does not fetch URLs: send the file in base64, or start the server with --allow-fetch"


def read_texts(
    items: Sequence[Item],
    *,
    allow_fetch: bool = False,
    threads: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> list[str]:
    """The text to embed for each input: one for each, but for a PDF one for each page.

    Args:
        items: inputs as they were sent.
        allow_fetch: whether media may be fetched from public addresses.
        threads: how many threads read a picture.
        stopped: asked before each item, and each page; no more is read once it is so.

    Raises:
        InvalidRequest: a medium that cannot be read, or has no text in it; each is named (422).
    """
    texts: list[str] = []
    problems: list[FieldProblem] = []
    media = _Media(allow_fetch)

    def check() -> None:
        if stopped():
            raise stopping()

    for item in items:
        check()
        try:
            texts.extend(_texts(item, media, threads, check))
        except _Unread as unread:
            problems.append(problem(unread.item.field, str(unread), unread.kind))
    if problems:
        raise InvalidRequest(problems)
    return texts


@dataclass(frozen=True, slots=True)
class Pictures:
    """Inputs of a model that sees: texts and pictures apart.

    Attributes:
        texts: in the order of the inputs.
        images: ``PIL.Image`` objects, in RGB; each page of a PDF is one.
        order: for each vector whether it is a picture's.
        tokens: what the pictures count.
    """

    texts: list[str]
    images: list[Any]
    order: list[bool]
    tokens: int


def read_pictures(items: Sequence[Item], model: Model, *, allow_fetch: bool = False) -> Pictures:
    """The texts and the pictures of inputs, for a model that computes vectors of both.

    Args:
        items: inputs as they were sent.
        model: by whose tiles a picture's tokens are counted; without a published formula it counts none.
        allow_fetch: whether media may be fetched from public addresses.

    Raises:
        InvalidRequest: a medium that cannot be read; each is named (422).
    """
    found = Pictures([], [], [], 0)
    tokens = pixels = 0
    problems: list[FieldProblem] = []
    media = _Media(allow_fetch)
    for item in items:
        if item.kind == "text":
            found.texts.append(item.value)
            found.order.append(False)
            continue
        try:
            images = []
            for image in _images(item, media):
                pixels += image.width * image.height
                if pixels > MAX_PIXELS_TOGETHER:
                    raise _too_many_pixels(item)
                images.append(image)
        except UnreadableMedium as error:
            problems.append(problem(item.field, str(error), "unreadable_medium"))
            continue
        except _Unread as unread:
            problems.append(problem(unread.item.field, str(unread), unread.kind))
            continue
        found.images.extend(images)
        found.order.extend([True] * len(images))
        if model.image_tile is not None:
            side, each = model.image_tile
            tokens += sum(ceil(image.width / side) * ceil(image.height / side) * each for image in images)
    if problems:
        raise InvalidRequest(problems)
    return replace(found, tokens=tokens)


def _too_many_pixels(item: Item) -> InvalidRequest:
    message = f"The pictures up to this one have more than {MAX_PIXELS_TOGETHER:,} pixels together: send fewer at once"
    return InvalidRequest([problem(item.field, message, "too_long")])


def _images(item: Item, media: _Media) -> Iterator[Any]:
    from .pictures import decode

    if item.kind not in ("image", "pdf"):
        raise _Unread(item, f"The loaded model does not read items with '{item.kind}'", "unsupported_modality")
    data = media.data(item)
    try:
        if item.kind == "pdf":
            from .documents import page_pictures

            yield from page_pictures(data)
        else:
            yield decode(data)
    except ImportError:
        raise _Unread(item, _INSTALL, "unsupported_modality") from None


class _Unread(Exception):
    def __init__(self, item: Item, message: str, kind: str) -> None:
        super().__init__(message)
        self.item = item
        self.kind = kind


class _Media:
    """Where the bytes of a request's media come from.

    Args:
        allow_fetch: whether they may be fetched.
    """

    def __init__(self, allow_fetch: bool) -> None:
        self._allow_fetch = allow_fetch
        self._deadline = time.monotonic() + _FETCHING

    def data(self, item: Item) -> bytes:
        """The bytes of a medium that was sent as a URL, as a data URI or in base64."""
        value = item.value.strip()
        if value[:8].lower().startswith(("http://", "https://")):
            return self._fetched(item, value)
        if value[:5].lower() == "data:":
            head, _, value = value.partition(",")
            if not head.lower().endswith(";base64"):
                raise _Unread(item, "A data URI must hold base64: data:<type>;base64,<data>", "value_error")
        try:
            data = pybase64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise _Unread(item, "It is neither a URL nor valid base64", "value_error") from None
        if len(data) > MAX_BYTES:
            raise _Unread(item, f"The file is larger than {MAX_BYTES // 2**20} MB", "too_long")
        if not data:
            raise _Unread(item, "The file is empty", "value_error")
        return data

    def _fetched(self, item: Item, url: str) -> bytes:
        if not self._allow_fetch:
            raise _Unread(item, _NO_FETCHING, "fetching_not_allowed")
        left = self._deadline - time.monotonic()
        if left <= 0:
            message = f"The URLs before it took more than {_FETCHING:g} seconds: send fewer at once"
            raise _Unread(item, message, "fetching_failed")
        try:
            return fetch(url, MAX_BYTES, seconds=min(SECONDS, left))
        except FetchError as error:
            raise _Unread(item, f"The URL cannot be fetched: {error}", "fetching_failed") from None


def _texts(item: Item, media: _Media, threads: int | None, check: Callable[[], None]) -> Iterable[str]:
    if item.kind == "text":
        return (item.value,)
    if item.kind == "content":
        # One vector for the group: its parts are read as one text.
        return ("\n".join(text for part in item.parts for text in _texts(part, media, threads, check)),)
    reader = _reader(item, threads)
    data = media.data(item)
    try:
        if item.kind == "pdf":
            from .documents import page_texts

            return page_texts(data, reader, check)
        return (reader.text(data),)
    except UnreadableMedium as error:
        raise _Unread(item, str(error), "unreadable_medium") from None


def _reader(item: Item, threads: int | None) -> TextReader:
    try:
        return text_reader(threads)
    except ImportError:
        raise _Unread(item, _INSTALL, "unsupported_modality") from None


def read_lines(url: str, *, allow_fetch: bool = False) -> list[object]:
    """The JSON lines of a batch job's file.

    Raises:
        InvalidRequest: it may not, or cannot, be fetched, is no JSON lines, or has too many of them (422).
    """
    if not allow_fetch:
        raise _invalid("This engine does not fetch URLs: send the lines as 'input', or start it with --allow-fetch")
    try:
        lines = [orjson.loads(line) for line in fetch(url, MAX_FILE_BYTES).splitlines() if line.strip()]
    except FetchError as error:
        raise _invalid(f"The URL cannot be fetched: {error}") from None
    except orjson.JSONDecodeError as error:
        raise _invalid(f"The file does not hold one JSON object in each line: {error}") from None
    if not 1 <= len(lines) <= MAX_FILE_LINES:
        raise _invalid(f"A job takes 1 to {MAX_FILE_LINES} lines, not {len(lines)}")
    return lines


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest([problem(("input_url",), message, "value_error")])
