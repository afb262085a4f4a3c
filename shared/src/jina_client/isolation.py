"""A request that is refused because of some of its inputs: cut in pieces until those are found. It sends nothing."""

from __future__ import annotations

import math
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
    r"at most ([\d,]{1,9}) (?:items|inputs)|batch size(?: [\d,]+ > (?:maximum allowed batch size )?([\d,]{1,9}))?"
    r"|largest allowed size|too many (?:items|inputs)",
    re.I,
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


class Sizes:
    """How many inputs a request may have, as far as the service has said: one for all requests of a call.

    That a request is too large may be due to a single input of it. But where two requests that share no input are both
    too large, the larger one's number of inputs is taken for too many, until as many are answered.

    Attributes:
        named: the most, where the service has named it.
    """

    def __init__(self) -> None:
        # The smallest two that were refused, each with the planned request that it is a piece of.
        self._refused: list[tuple[Isolation, range]] = []
        self._singles = 0
        self.named = math.inf
        self._fitting = 0

    @property
    def most(self) -> float:
        """More inputs than this in one request are not worth trying."""
        second = len(self._refused[1][1]) - 1 if len(self._refused) > 1 else math.inf
        return max(min(second, self.named), self._fitting, 1)

    @property
    def nothing_fits(self) -> bool:
        """Whether so many single inputs were too large, and nothing else was answered, that it is not their size."""
        return self._singles >= _ENOUGH and not self._fitting

    def answered(self, count: int) -> None:
        """Take note that a request with so many inputs was not too large."""
        self._fitting = max(self._fitting, count)

    def refused(self, planned: Isolation, piece: range, error: JinaError) -> None:
        """Take note that a piece of a planned request was too large."""
        found = _TOO_MANY.search(str(error))
        named = found[found.lastindex].replace(",", "") if found and found.lastindex else ""
        if named and 0 < int(named) < len(piece):
            self.named = min(self.named, int(named))
        self._singles += len(piece) == 1
        apart = [
            (other, part)
            for other, part in self._refused
            if other is not planned or piece.stop <= part.start or part.stop <= piece.start
        ]
        self._refused = sorted([*apart, (planned, piece)], key=lambda each: len(each[1]))[:2]


class Isolation:
    """One planned request, whole or in pieces.

    Args:
        batch: the inputs that it carries.
        sizes: what is known of how many inputs the service takes.
        divisible: the reasons for which it may be cut.

    Attributes:
        failed: pieces that failed for good, with the reason.
        first: the first refusal, of the whole batch.
        stopped: the reason why no other request of the call has a chance either.
        retries: whether failures that may pass are to be tried again: of pieces after an internal error they are not.
    """

    def __init__(self, batch: range, sizes: Sizes, *, divisible: Set[Blame]) -> None:
        self.failed: list[tuple[range, JinaError]] = []
        self.first: JinaError | None = None
        self.stopped: JinaError | None = None
        self.retries = True
        self.batch = batch
        self._sizes = sizes
        self._waiting = deque([batch])
        self._divisible = divisible
        self._refusals = 0

    def next(self) -> range | None:
        """The next piece to send, the larger ones first; ``None`` when there are none."""
        while self._waiting:
            piece = self._waiting.popleft()
            if len(piece) <= self._most:
                return piece
            self._halve(piece)
        return None

    @property
    def _most(self) -> float:
        """More inputs than this are cut before they are sent; those that belong together only where it is certain."""
        if "size" not in self._divisible:
            return math.inf
        return self._sizes.most if "unknown" in self._divisible else self._sizes.named

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
        if reason == "size":
            self._sizes.refused(self, piece, error)
        if len(piece) == 1 or reason not in self._divisible:
            self.failed.append((piece, error))
            if self._sizes.nothing_fits:
                self._give_up(error)
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
        self._halve(piece)

    def _halve(self, piece: range) -> None:
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
