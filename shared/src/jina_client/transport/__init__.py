"""HTTP exchanges: by requests (sync), by aiohttp (async), by boto3, or with the embedded engine in this process.

:mod:`jina_client.transport.contract` describes the interface and has an example. A client imports its HTTP library when
it opens its transport, so a program loads only the library that it uses.
"""

from typing import TYPE_CHECKING

from ..lazy import load_on_use
from .contract import MAX_RESPONSE_BYTES, AsyncTransport, Request, Response, Transport

if TYPE_CHECKING:
    from .http_aiohttp import AiohttpTransport
    from .http_requests import RequestsTransport
    from .local import LocalTransport
    from .sagemaker import SageMakerTransport

__all__ = [
    "MAX_RESPONSE_BYTES",
    "AiohttpTransport",
    "AsyncTransport",
    "LocalTransport",
    "Request",
    "RequestsTransport",
    "Response",
    "SageMakerTransport",
    "Transport",
]

load_on_use(
    __name__,
    {
        ".http_aiohttp": "AiohttpTransport",
        ".http_requests": "RequestsTransport",
        ".local": "LocalTransport",
        ".sagemaker": "SageMakerTransport",
    },
)
