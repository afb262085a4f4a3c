"""The embedded engine, inside this process."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from ..errors import JinaInputError
from .contract import Request, Response


class LocalTransport:
    """Hands requests to the embedded engine. It is a :class:`Transport` and an :class:`AsyncTransport`.

    The engine belongs to the process, so closing the transport does nothing.
    """

    def send(self, request: Request) -> Response:
        try:
            import jina_local
        except ModuleNotFoundError as error:
            if error.name != "jina_local":
                raise
            raise JinaInputError(
                'base_url="local" needs the embedded engine, the package jina-local: '
                "pip install jina-local (in a checkout: pip install ./packages/jina-local), then jina-local fetch-model"
            ) from None
        app = jina_local.default_app()
        parts = urlsplit(request.url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        status, headers, body = app.handle(request.method, path, request.headers, request.body)
        return Response(status, {name.lower(): value for name, value in headers.items()}, body)

    async def asend(self, request: Request) -> Response:
        return await asyncio.to_thread(self.send, request)

    def close(self) -> None:
        pass

    async def aclose(self) -> None:
        pass
