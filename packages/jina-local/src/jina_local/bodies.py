"""Read request bodies within limits of size and time, each and all together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import Request

from .errors import FlatError, stopping

# The server reads an oversized request up to this multiple of the limit, so that the client gets the response and not a
# broken pipe.
_DRAIN_FACTOR = 8
# The bodies of all requests together may have this multiple of the limit.
_CONCURRENT_BODIES = 8
# A rejected body is read for this long, for the same reason.
_DRAIN_SECONDS = 2.0


@dataclass(slots=True, eq=False)
class _Body:
    """A body that is being read, or whose request is being computed."""

    sender: str
    timeout: asyncio.Timeout
    size: int = 0
    is_complete: bool = False
    is_evicted: bool = False


class RequestBodies:
    """Reads request bodies. Every method must be called on the same event loop.

    All bodies together may have eight times the size of the largest. When they have more, the sender with the most
    bytes in unfinished bodies loses the oldest of them, so that a client that never finishes a body does not keep
    others from sending theirs.

    Args:
        largest: Maximum size of one body in bytes.
        seconds: Time limit for one body.
        stall_seconds: Time limit for each wait for more of a body.
    """

    def __init__(self, largest: int, seconds: float, stall_seconds: float) -> None:
        self._largest, self._seconds, self._stall_seconds = largest, seconds, stall_seconds
        self._free = largest * _CONCURRENT_BODIES
        self._bodies: list[_Body] = []

    @asynccontextmanager
    async def reading(self, request: Request, sender: str) -> AsyncIterator[bytes]:
        """Read a body, and count its size against the total while the block runs.

        Args:
            request: The request.
            sender: Name of the client, the same for all its connections.

        Yields:
            The body.

        Raises:
            FlatError: The body is too large (413) or too slow (408), or all bodies together are too large (503).
        """
        timeout = asyncio.timeout(self._stall_seconds)
        body = _Body(sender, timeout)
        self._bodies.append(body)
        try:
            try:
                async with timeout:
                    content = await self._read(request, body)
            except TimeoutError:
                if body.is_evicted:
                    raise stopping() from None
                raise self._too_slow() from None
            body.is_complete = True
            yield content
        finally:
            self._bodies.remove(body)
            self._free += body.size

    async def drain(self, request: Request) -> None:
        """Read and drop the body of a rejected request for a moment."""
        left = self._largest
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                async for block in request.stream():
                    left -= len(block)
                    if left < 0:
                        return
        except TimeoutError:
            return

    async def _read(self, request: Request, body: _Body) -> bytes:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._seconds
        content, size = bytearray(), 0
        async for block in request.stream():
            body.timeout.reschedule(min(end, loop.time() + self._stall_seconds))
            size += len(block)
            if size > self._largest * _DRAIN_FACTOR:
                break
            if size > self._largest:
                content.clear()
                continue
            self._reserve(body, len(block))
            content += block
        if size > self._largest:
            detail = f"The request body is larger than {self._largest} bytes. Send fewer items per request."
            raise FlatError(413, detail, "REQUEST_TOO_LARGE")
        return bytes(content)

    def _reserve(self, body: _Body, size: int) -> None:
        self._free -= size
        body.size += size
        while self._free < 0:
            victim = self._largest_sender_oldest_body(body)
            if victim is body:
                raise stopping()
            victim.is_evicted = True
            self._free += victim.size
            victim.size = 0
            victim.timeout.reschedule(asyncio.get_running_loop().time())

    def _largest_sender_oldest_body(self, newest: _Body) -> _Body:
        unfinished = [each for each in self._bodies if not each.is_complete and not each.is_evicted]
        sizes: dict[str, int] = {}
        for each in unfinished:
            sizes[each.sender] = sizes.get(each.sender, 0) + each.size
        sender = max(sizes, key=lambda name: sizes[name])
        candidates = [each for each in unfinished if each.sender == sender and each.size]
        return candidates[0] if candidates else newest

    def _too_slow(self) -> FlatError:
        message = (
            f"The request body did not arrive in time: at most {self._seconds:g} seconds in all, and "
            f"{self._stall_seconds:g} seconds without data, are allowed."
        )
        return FlatError(408, message, "REQUEST_TIMEOUT", {"connection": "close"})
