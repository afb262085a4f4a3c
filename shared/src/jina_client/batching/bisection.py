"""Bisection: when the service rejects a request, divide it until the bad inputs are found. It sends nothing itself."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Sequence, Set
from typing import Literal

from ..errors import (
    BadRequestError,
    JinaError,
    JinaInputError,
    JinaResponseError,
    JinaStatusError,
    RequestTooLargeError,
    ServerError,
)

Fault = Literal["inputs", "size", "unknown", "response", "request", "service"]
"""The cause of a permanent error.

``inputs``: some of the inputs. ``size``: too many inputs. ``unknown``: perhaps some of the inputs. ``response``: the
response breaks the protocol, and asking again for less would be billed again. ``request``: something that all inputs
share, such as an option. ``service``: none of these.
"""

# If the whole, both halves and all four quarters of a request are rejected, the request itself is wrong.
_ENOUGH_REJECTIONS = 7
_INPUT_CODES = ("INPUT_TOKEN_LIMIT_EXCEEDED",)
_REQUEST_CODES = ("INPUT_MODEL_NOT_FOUND", "INPUT_INVALID_LABELS", "INPUT_LABEL_LIMIT_EXCEEDED")
_LIST_FIELDS = ("input", "documents", "texts", "inputs", "data")
_PLACE_DIGITS = 10
_TOO_MANY = re.compile(
    r"at most ([\d,]{1,9}) (?:items|inputs)|batch size(?: [\d,]+ > (?:maximum allowed batch size )?([\d,]{1,9}))?"
    r"|largest allowed size|too many (?:items|inputs)",
    re.I,
)
_CANNOT_ENCODE = re.compile(r"failed to encode|must have less than|maximum (?:context|input) length|too long", re.I)


def fault_of(error: JinaError) -> tuple[Fault, tuple[int, ...]]:
    """Return the cause of a permanent error, and the places in the request of the inputs that it names."""
    if isinstance(error, RequestTooLargeError):
        return "size", ()
    if isinstance(error, JinaResponseError):
        return "response", ()
    if isinstance(error, JinaInputError):
        return "unknown", ()
    if isinstance(error, BadRequestError):
        return _fault_of_bad_request(error)
    if isinstance(error, ServerError) and error.status_code == 500:
        return "unknown", ()
    return ("request" if isinstance(error, JinaStatusError) and error.status_code == 404 else "service"), ()


def _fault_of_bad_request(error: BadRequestError) -> tuple[Fault, tuple[int, ...]]:
    if error.code in _REQUEST_CODES:
        return "request", ()
    if _TOO_MANY.search(error.message):
        return "size", ()
    places = [_place_of(each.field) for each in error.errors]
    if error.errors:
        if all(isinstance(place, int) for place in places):
            return "inputs", tuple(sorted({place for place in places if isinstance(place, int)}))
        if None in places:
            return "request", ()
    if error.code in _INPUT_CODES or _CANNOT_ENCODE.search(error.message):
        return "inputs", ()
    return "unknown", ()


def named_inputs(error: JinaStatusError, inputs: Sequence[int]) -> tuple[int, ...]:
    """Return the caller's indices of the inputs that a validation error names.

    Args:
        error: the error.
        inputs: the caller's indices of the inputs of the request.
    """
    places = {_place_of(each.field) for each in error.errors}
    numbers = sorted(place for place in places if isinstance(place, int) and place < len(inputs))
    return tuple(inputs[place] for place in numbers)


def _place_of(field: str) -> int | str | None:
    """Return the place of the input that a field names.

    Returns:
        The name of the list if the field names the list as a whole; ``None`` for another field; ``""`` if the service
        does not say which field it is, so that the inputs may be meant.
    """
    parts = [part.strip() for part in field.split("->")]
    for number, part in enumerate(parts):
        if part in _LIST_FIELDS:
            places = (later for later in parts[number + 1 :] if later.isdecimal() and len(later) < _PLACE_DIGITS)
            return next(map(int, places), part)
    return "" if parts in ([""], ["body"]) else None


class SizeLimits:
    """The number of inputs that one request may have, learned from the service. All requests of a call share it.

    One large input can make a request too large. If two requests without a common input are both too large, the number
    of inputs is the likely cause. The limit is then below the larger of the two numbers, until a request with as many
    inputs succeeds.

    Attributes:
        stated: the limit that the service has stated; infinity without one.
    """

    def __init__(self) -> None:
        # The two smallest rejected pieces, each with the planned request that it belongs to.
        self._rejected: list[tuple[Bisection, range]] = []
        self._rejected_singles = 0
        self.stated = math.inf
        self._accepted = 0

    @property
    def most(self) -> float:
        """The number of inputs above which a request is not worth trying."""
        second = len(self._rejected[1][1]) - 1 if len(self._rejected) > 1 else math.inf
        return max(min(second, self.stated), self._accepted, 1)

    @property
    def nothing_fits(self) -> bool:
        """Whether so many single inputs were too large, and nothing succeeded, that size cannot be the reason."""
        return self._rejected_singles >= _ENOUGH_REJECTIONS and not self._accepted

    def accepted(self, count: int) -> None:
        """Note that a request with so many inputs was not too large."""
        self._accepted = max(self._accepted, count)

    def rejected(self, planned: Bisection, piece: range, error: JinaError) -> None:
        """Note that a piece of a planned request was too large."""
        match = _TOO_MANY.search(getattr(error, "message", ""))
        stated = match[match.lastindex].replace(",", "") if match and match.lastindex else ""
        if stated and 0 < int(stated) < len(piece):
            self.stated = min(self.stated, int(stated))
        self._rejected_singles += len(piece) == 1
        disjoint = [
            (other, part)
            for other, part in self._rejected
            if other is not planned or piece.stop <= part.start or part.stop <= piece.start
        ]
        self._rejected = sorted([*disjoint, (planned, piece)], key=lambda each: len(each[1]))[:2]


class Bisection:
    """One planned request, whole or in pieces.

    Args:
        batch: the inputs that it carries.
        size_limits: what is known of how many inputs the service accepts.
        divisible: the faults for which it may be divided.

    Attributes:
        failed: pieces that failed for good, with the reason.
        first_error: the first error, usually of the whole batch.
        stopped: the error because of which no other request of the call can succeed; ``None`` if others can.
        retries: whether transient errors are still retried: not for the pieces of a request that got an internal error.
    """

    def __init__(self, batch: range, size_limits: SizeLimits, *, divisible: Set[Fault]) -> None:
        self.failed: list[tuple[range, JinaError]] = []
        self.first_error: JinaError | None = None
        self.stopped: JinaError | None = None
        self.retries = True
        self.batch = batch
        self._size_limits = size_limits
        self._pending = deque([batch])
        self._divisible = divisible
        self._rejections = 0

    def next(self) -> range | None:
        """Return the next piece to send, larger ones first; ``None`` if none is left."""
        while self._pending:
            piece = self._pending.popleft()
            if len(piece) <= self._largest:
                return piece
            self._halve(piece)
        return None

    @property
    def _largest(self) -> float:
        """The size above which a piece is divided unsent; inputs that belong together only if the limit is stated."""
        if "size" not in self._divisible:
            return math.inf
        return self._size_limits.most if "unknown" in self._divisible else self._size_limits.stated

    def rejected(self, piece: range, error: JinaError, *, has_response: bool) -> None:
        """Note that a piece has failed, after all retries.

        Args:
            piece: what was sent.
            error: why it failed.
            has_response: whether another request of the call succeeded, so that the options are not at fault.
        """
        fault, places = fault_of(error)
        self.first_error = self.first_error or error
        if fault in ("request", "service") or (fault == "response" and not has_response):
            self.failed.append((piece, error))
            self._give_up(error)
            return
        if fault == "size":
            self._size_limits.rejected(self, piece, error)
        if len(piece) == 1 or fault not in self._divisible:
            self.failed.append((piece, error))
            if self._size_limits.nothing_fits:
                self._give_up(error)
            return
        if places and places[-1] < len(piece):
            self._leave_out(piece, places, error)
            return
        self._rejections += 1
        if fault == "unknown" and self._rejections >= _ENOUGH_REJECTIONS and not has_response:
            self.failed.append((piece, error))
            self._give_up(error)
            return
        self.retries = self.retries and not isinstance(error, ServerError)
        self._halve(piece)

    def _halve(self, piece: range) -> None:
        middle = len(piece) // 2
        self._pending += (piece[:middle], piece[middle:])

    def _leave_out(self, piece: range, places: tuple[int, ...], error: JinaError) -> None:
        start = 0
        for place in (*places, len(piece)):
            if place > start:
                self._pending.append(piece[start:place])
            if place < len(piece):
                self.failed.append((piece[place : place + 1], error))
            start = place + 1

    def _give_up(self, error: JinaError) -> None:
        self.failed += [(piece, error) for piece in self._pending]
        self._pending.clear()
        self.stopped = error
