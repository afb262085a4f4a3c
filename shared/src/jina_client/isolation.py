"""A request that is refused because of some of its inputs: cut in pieces until those are found. It sends nothing."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Set
from typing import Literal

from .errors import (
    BadRequestError,
    JinaError,
    JinaInputError,
    JinaResponseError,
    JinaStatusError,
    RequestTooLargeError,
    ServerError,
)

Blame = Literal["inputs", "size", "unknown", "answer", "request", "service"]

# A request that is refused as a whole, as both its halves and as all four quarters is wrong itself.
_ENOUGH = 7
_OF_INPUTS = ("INPUT_TOKEN_LIMIT_EXCEEDED",)
_OF_REQUEST = ("INPUT_MODEL_NOT_FOUND", "INPUT_INVALID_LABELS", "INPUT_LABEL_LIMIT_EXCEEDED")
_LISTS = ("input", "documents", "texts", "inputs", "data")
_TOO_MANY = re.compile(
    r"at most ([\d,]+) (?:items|inputs)|batch size|largest allowed size|too many (?:items|inputs)", re.I
)
_CANNOT_ENCODE = re.compile(r"failed to encode|must have less than|maximum (?:context|input) length|too long", re.I)


def blame(error: JinaError) -> tuple[Blame, tuple[int, ...]]:
    """What an error for good is due to, and the inputs that it names, by their place in the request.

    Returns:
        ``inputs``: some of the inputs; ``size``: there are too many; ``unknown``: perhaps some of the inputs;
        ``answer``: it breaks the protocol, and asking again for less would be paid again; ``request``: what all inputs
        share, such as an option; ``service``: neither.
    """
    if isinstance(error, RequestTooLargeError):
        return "size", ()
    if isinstance(error, JinaResponseError):
        return "answer", ()
    if isinstance(error, JinaInputError):
        return "unknown", ()
    if isinstance(error, BadRequestError):
        return _of_bad_request(error)
    if isinstance(error, ServerError) and error.status_code == 500:
        return "unknown", ()
    return ("request" if isinstance(error, JinaStatusError) and error.status_code == 404 else "service"), ()


def _of_bad_request(error: BadRequestError) -> tuple[Blame, tuple[int, ...]]:
    if error.code in _OF_REQUEST:
        return "request", ()
    if _TOO_MANY.search(error.message):
        return "size", ()
    places = [_place(each.field) for each in error.errors]
    if error.errors:
        if all(isinstance(place, int) for place in places):
            return "inputs", tuple(sorted({place for place in places if isinstance(place, int)}))
        if None in places:
            return "request", ()
    if error.code in _OF_INPUTS or _CANNOT_ENCODE.search(error.message):
        return "inputs", ()
    return "unknown", ()


def _place(field: str) -> int | str | None:
    """The place of the input that a field names, the list's name where it names that, ``None`` for another field."""
    parts = [part.strip() for part in field.split("->")]
    for number, part in enumerate(parts):
        if part in _LISTS:
            return next((int(later) for later in parts[number + 1 :] if later.isdecimal()), part)
    # Where a service does not say which field it is, the inputs may be meant.
    return "" if parts in ([""], ["body"]) else None


class Isolation:
    """One planned request, whole or in pieces.

    Args:
        batch: the inputs that it carries.
        divisible: the reasons for which it may be cut.

    Attributes:
        failed: pieces that failed for good, with the reason.
        first: the first refusal, of the whole batch.
        stopped: the reason why no other request of the call has a chance either.
        retries: whether failures that may pass are to be tried again: of pieces after an internal error they are not.
    """

    def __init__(self, batch: range, *, divisible: Set[Blame]) -> None:
        self.failed: list[tuple[range, JinaError]] = []
        self.first: JinaError | None = None
        self.stopped: JinaError | None = None
        self.retries = True
        self.batch = batch
        self._waiting = deque([batch])
        self._divisible = divisible
        self._refusals = 0

    def next(self) -> range | None:
        """The next piece to send, the larger ones first; ``None`` when there are none."""
        return self._waiting.popleft() if self._waiting else None

    def refused(self, piece: range, error: JinaError, *, promising: bool) -> None:
        """Take note that a piece has failed, after all retries.

        Args:
            piece: what was sent.
            error: why it failed.
            promising: whether another request of the same call has been answered, so that the options are not to blame.
        """
        reason, places = blame(error)
        self.first = self.first or error
        if reason in ("request", "service") or (reason == "answer" and not promising):
            self.failed.append((piece, error))
            self._give_up(error)
            return
        if len(piece) == 1 or reason not in self._divisible:
            self.failed.append((piece, error))
            return
        if places and places[-1] < len(piece):
            self._leave_out(piece, places, error)
            return
        self._refusals += 1
        if reason == "unknown" and self._refusals >= _ENOUGH and not promising:
            self.failed.append((piece, error))
            self._give_up(error)
            return
        self.retries = self.retries and not isinstance(error, ServerError)
        middle = len(piece) // 2
        self._waiting += (piece[:middle], piece[middle:])

    def _leave_out(self, piece: range, places: tuple[int, ...], error: JinaError) -> None:
        start = 0
        for place in (*places, len(piece)):
            if place > start:
                self._waiting.append(piece[start:place])
            if place < len(piece):
                self.failed.append((piece[place : place + 1], error))
            start = place + 1

    def _give_up(self, error: JinaError) -> None:
        self.failed += [(piece, error) for piece in self._waiting]
        self._waiting.clear()
        self.stopped = error
