"""HTTP exchanges: by requests (sync), by aiohttp (async), by boto3, or with the embedded engine in this process.

:mod:`jina_client.transport.contract` says what a transport must do and shows one. The HTTP libraries are imported when
a client opens its transport, so a program pays only for the one that it uses.
"""

from .contract import MAX_RESPONSE_BYTES, AsyncTransport, Request, Response, Transport
from .local import LocalTransport

__all__ = ["MAX_RESPONSE_BYTES", "AsyncTransport", "LocalTransport", "Request", "Response", "Transport"]
