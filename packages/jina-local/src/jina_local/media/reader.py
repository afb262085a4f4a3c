"""Turn inputs of every kind into texts, or into texts and pictures for a model that sees."""

from __future__ import annotations

import binascii
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pybase64
from jina_client.integration import Model, image_tokens

from ..cancellation import current_scope
from ..errors import FieldProblem, InvalidFieldsError, problem
from ..validation.inputs import InputItem
from .fetch import SECONDS, FetchError, fetch
from .pictures import MAX_PIXELS, UnreadableMediumError
from .workers import media_pool

MAX_BYTES = 8 * 2**20
"""Maximum size of an image or PDF: the service's published limit."""

MAX_FILE_BYTES = 64 * 2**20
MAX_FILE_LINES = 50_000
"""Maximum size of a batch job's file."""

MAX_PIXELS_TOGETHER = 4 * MAX_PIXELS
"""Maximum pixels of all pictures of one request for a model that sees: 480 MB."""

# Time limit for all files that one request fetches.
_FETCH_SECONDS = 60.0

_INSTALL = (
    'Reading the text in images and PDFs needs the extra images: pip install "jina-local[images]", '
    'or in a checkout pip install "./packages/jina-local[images]"'
)
_NO_FETCHING = "This engine does not fetch URLs: send the file in base64, or start the server with --allow-fetch"


def read_texts(items: Sequence[InputItem], *, allow_fetch: bool = False, threads: int | None = None) -> list[str]:
    """Return the texts to embed for inputs.

    Args:
        items: The inputs.
        allow_fetch: Whether media may be fetched from public addresses.
        threads: Threads that read a picture; defaults to one per core.

    Returns:
        One text per input, but one per page for a PDF.

    Raises:
        InvalidFieldsError: Media cannot be read, contain no text, or exceed a limit (422). The error names each of
            them.
        FlatError: The request was cancelled, or too many media wait to be read (503).
    """
    texts: list[str] = []
    problems: list[FieldProblem] = []
    source = _MediaSource(allow_fetch)
    for item in items:
        current_scope().check()
        try:
            texts.extend(_texts(item, source, threads))
        except _InvalidItemError as error:
            problems.append(problem(error.item.field, str(error), error.kind))
    if problems:
        raise InvalidFieldsError(problems)
    return texts


@dataclass(frozen=True, slots=True)
class Pictures:
    """The inputs of a model that sees, with texts and pictures apart.

    Attributes:
        texts: The texts, in order of the inputs.
        images: ``PIL.Image`` objects in RGB, one per image and per page of a PDF.
        order: For each vector of the response, whether it is that of a picture.
        tokens: Number of tokens of the pictures.
    """

    texts: list[str]
    images: list[Any]
    order: list[bool]
    tokens: int


def read_pictures(items: Sequence[InputItem], model: Model, *, allow_fetch: bool = False) -> Pictures:
    """Separate the texts and the pictures of inputs, for a model that embeds both.

    Args:
        items: The inputs.
        model: The model whose formula counts the tokens of pictures. Without a published formula they count 0.
        allow_fetch: Whether media may be fetched from public addresses.

    Raises:
        InvalidFieldsError: Media cannot be read (422). The error names each of them.
    """
    pictures = Pictures([], [], [], 0)
    tokens = pixels = 0
    problems: list[FieldProblem] = []
    source = _MediaSource(allow_fetch)
    for item in items:
        if item.kind == "text":
            pictures.texts.append(item.value)
            pictures.order.append(False)
            continue
        try:
            images = []
            for image in _images(item, source):
                pixels += image.width * image.height
                if pixels > MAX_PIXELS_TOGETHER:
                    raise _too_many_pixels(item)
                images.append(image)
        except UnreadableMediumError as error:
            problems.append(problem(item.field, str(error), "unreadable_medium"))
            continue
        except _InvalidItemError as error:
            problems.append(problem(error.item.field, str(error), error.kind))
            continue
        pictures.images.extend(images)
        pictures.order.extend([True] * len(images))
        if model.image_tile is not None:
            tokens += sum(image_tokens(image.width, image.height, model) for image in images)
    if problems:
        raise InvalidFieldsError(problems)
    return replace(pictures, tokens=tokens)


def _too_many_pixels(item: InputItem) -> InvalidFieldsError:
    message = (
        f"The pictures up to this one have more than {MAX_PIXELS_TOGETHER:,} pixels together: send fewer per request"
    )
    return InvalidFieldsError([problem(item.field, message, "too_long")])


def _images(item: InputItem, source: _MediaSource) -> Iterator[Any]:
    if item.kind not in ("image", "pdf"):
        message = f"The loaded model does not read items with '{item.kind}'"
        raise _InvalidItemError(item, message, "unsupported_modality")
    pool = media_pool()
    pool.check_room()
    data = source.data(item)
    try:
        yield from pool.pictures(item.kind, data)
    except ImportError:
        raise _InvalidItemError(item, _INSTALL, "unsupported_modality") from None


class _InvalidItemError(Exception):
    """An input that cannot be read, with the type of the problem."""

    def __init__(self, item: InputItem, message: str, kind: str) -> None:
        super().__init__(message)
        self.item = item
        self.kind = kind


class _MediaSource:
    """Decodes or fetches the media of one request.

    Args:
        allow_fetch: Whether media may be fetched from public addresses.
    """

    def __init__(self, allow_fetch: bool) -> None:
        self._allow_fetch = allow_fetch
        self._deadline = time.monotonic() + _FETCH_SECONDS

    def data(self, item: InputItem) -> bytes:
        """Return the content of a medium that was sent as a URL, as a data URI or in base64."""
        value = item.value.strip()
        if value[:8].lower().startswith(("http://", "https://")):
            return self._fetch(item, value)
        if value[:5].lower() == "data:":
            head, _, value = value.partition(",")
            if not head.lower().endswith(";base64"):
                message = "A data URI must hold base64: data:<type>;base64,<data>"
                raise _InvalidItemError(item, message, "value_error")
        try:
            data = pybase64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            message = "The value is neither a URL nor valid base64"
            raise _InvalidItemError(item, message, "value_error") from None
        if len(data) > MAX_BYTES:
            raise _InvalidItemError(item, f"The file is larger than {MAX_BYTES // 2**20} MB", "too_long")
        if not data:
            raise _InvalidItemError(item, "The file is empty", "value_error")
        return data

    def _fetch(self, item: InputItem, url: str) -> bytes:
        if not self._allow_fetch:
            raise _InvalidItemError(item, _NO_FETCHING, "fetching_not_allowed")
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            message = (
                f"Fetching the URLs before this one took more than {_FETCH_SECONDS:g} seconds: send fewer per request"
            )
            raise _InvalidItemError(item, message, "fetching_failed")
        try:
            return fetch(url, MAX_BYTES, seconds=min(SECONDS, seconds))
        except FetchError as error:
            raise _InvalidItemError(item, f"The URL cannot be fetched: {error}", "fetching_failed") from None


def _texts(item: InputItem, source: _MediaSource, threads: int | None) -> Iterable[str]:
    if item.kind == "text":
        return (item.value,)
    if item.kind == "content":
        # A group gets one vector, so its parts are read as one text.
        return ("\n".join(text for part in item.parts for text in _texts(part, source, threads)),)
    pool = media_pool(threads)
    pool.check_room()
    data = source.data(item)
    try:
        return pool.texts(item.kind, data)
    except UnreadableMediumError as error:
        raise _InvalidItemError(item, str(error), "unreadable_medium") from None
    except ImportError:
        raise _InvalidItemError(item, _INSTALL, "unsupported_modality") from None


def read_lines(url: str, *, allow_fetch: bool = False) -> list[object]:
    """Fetch the JSON lines of a batch job's file.

    Args:
        url: URL of the file.
        allow_fetch: Whether it may be fetched.

    Returns:
        The decoded lines.

    Raises:
        InvalidFieldsError: Fetching is off or fails, or the file does not hold 1 to 50,000 JSON lines (422).
    """
    if not allow_fetch:
        raise _invalid_url("This engine does not fetch URLs: send the lines as 'input', or start it with --allow-fetch")
    try:
        lines = [orjson.loads(line) for line in fetch(url, MAX_FILE_BYTES).splitlines() if line.strip()]
    except FetchError as error:
        raise _invalid_url(f"The URL cannot be fetched: {error}") from None
    except orjson.JSONDecodeError as error:
        raise _invalid_url(f"The file does not hold one JSON object in each line: {error}") from None
    if not 1 <= len(lines) <= MAX_FILE_LINES:
        raise _invalid_url(f"A job takes 1 to {MAX_FILE_LINES} lines, not {len(lines)}")
    return lines


def _invalid_url(message: str) -> InvalidFieldsError:
    return InvalidFieldsError([problem(("input_url",), message, "value_error")])
