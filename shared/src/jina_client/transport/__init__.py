"""HTTP exchanges: by requests (sync), by aiohttp (async), by boto3, or with the embedded engine in this process.

:mod:`jina_client.transport.contract` describes the interface and has an example. A client imports its HTTP library when
it opens its transport, so a program loads only the library that it uses.
"""

from .contract import MAX_RESPONSE_BYTES, AsyncTransport, Request, Response, Transport
from .local import LocalTransport

__all__ = ["MAX_RESPONSE_BYTES", "AsyncTransport", "LocalTransport", "Request", "Response", "Transport"]
