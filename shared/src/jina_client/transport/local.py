"""The embedded engine, inside this process."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from ..cancellation import Cancellation
from ..errors import JinaInputError
from .contract import Request, Response


class LocalTransport:
    """Hands requests to the embedded engine. It is a :class:`Transport` and an :class:`AsyncTransport`.

    The engine belongs to the process, so closing the transport does nothing. The engine stops computing for a call
    that is cancelled.
    """

    def send(self, request: Request) -> Response:
        """Compute the response in this thread."""
        response = _handle(request, request.cancellation)
        # A response to a cancelled request says only that it was cancelled.
        request.cancellation.check()
        return response

    async def asend(self, request: Request) -> Response:
        """Compute the response in another thread, until the task is cancelled."""
        cancellation = Cancellation()
        try:
            return await asyncio.to_thread(_handle, request, cancellation)
        finally:
            # The thread goes on if the task is cancelled, and the event loop waits for it before it closes.
            cancellation.cancel()

    def close(self) -> None:
        """Do nothing: the engine belongs to the process."""
        pass

    async def aclose(self) -> None:
        """Do nothing: the engine belongs to the process."""
        pass


def _handle(request: Request, cancellation: Cancellation) -> Response:
    try:
        import jina_local
    except ModuleNotFoundError as error:
        if error.name != "jina_local":
            raise
        raise JinaInputError(
            'base_url="local" needs the embedded engine, which is not installed: pip install jina-local, '
            "or in a checkout pip install ./shared ./packages/jina-local; then run jina-local fetch-model"
        ) from None
    parts = urlsplit(request.url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    app = jina_local.default_app()
    status, headers, body = app.handle(request.method, path, request.headers, request.body, cancellation=cancellation)
    return Response(status, {name.lower(): value for name, value in headers.items()}, body)
