"""Requests to an AWS SageMaker endpoint, signed and sent by boto3 (extra ``sagemaker``)."""

from __future__ import annotations

import asyncio
import functools
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from ..errors import JinaConnectionError, JinaInputError
from ..per_process import PerProcess
from .contract import Request, Response, check_response_size, timeout_error

# Bytes of a response body per read.
_READ_BYTES = 2**20
# AWS sends these with status 400.
_STATUSES = {"ThrottlingException": 429, "ServiceQuotaExceededException": 429, "ModelNotReadyException": 503}


class SageMakerTransport:
    """Calls one endpoint through boto3. It is a :class:`Transport` and, by threads, an :class:`AsyncTransport`.

    boto3 finds the credentials: environment variables, the AWS configuration files, or the role of the machine.
    ``AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME`` names another address, such as a VPC endpoint.

    Args:
        url: ``sagemaker://ENDPOINT``, with ``?region=…`` unless the AWS configuration names one.
        connections: how many requests may be in flight.
        timeout: seconds to connect, and for each read.
    """

    def __init__(self, url: str, connections: int, timeout: float) -> None:
        self._url = url
        self._clients = PerProcess(lambda: _connect(url, connections, timeout))

    def send(self, request: Request) -> Response:
        """Invoke the endpoint with the body of a request; its URL and headers are not used."""
        client = self._clients.get()
        from botocore import exceptions as aws

        try:
            reply = client.invoke_endpoint(
                EndpointName=urlsplit(self._url).netloc,
                ContentType="application/json",
                Accept="application/json",
                Body=request.body,
            )
            body = _read(reply["Body"])
        except aws.ClientError as error:
            return _error_response(error.response)
        except (aws.ReadTimeoutError, aws.ConnectTimeoutError):
            raise timeout_error(request.timeout) from None
        except (aws.NoCredentialsError, aws.PartialCredentialsError, aws.TokenRetrievalError) as error:
            raise JinaInputError(f"AWS: {error}; configure AWS credentials, which boto3 reads") from None
        except (aws.BotoCoreError, OSError) as error:
            raise JinaConnectionError(f"no response from {self._url}: {error}") from error
        return Response(200, _headers(reply), body)

    async def asend(self, request: Request) -> Response:
        """Invoke the endpoint in another thread, because boto3 blocks."""
        return await asyncio.to_thread(self.send, request)

    def close(self) -> None:
        """Close the connections of this process."""
        client = self._clients.pop()
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the connections of this process."""
        self.close()


def _connect(url: str, connections: int, timeout: float) -> Any:
    try:
        import boto3
        import botocore.session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ModuleNotFoundError as error:
        raise JinaInputError(f"{url} needs {error.name}, which is not installed: pip install boto3") from None
    region = parse_qs(urlsplit(url).query).get("region", [None])[0]
    config = Config(
        connect_timeout=timeout,
        read_timeout=timeout,
        max_pool_connections=connections,
        # The client retries, so boto3 must not.
        retries={"total_max_attempts": 1},
    )
    try:
        core = botocore.session.get_session()
        session = boto3.session.Session(botocore_session=core)
        core.register_component("data_loader", _descriptions(core.get_config_variable("data_path")))
        return session.client("sagemaker-runtime", region_name=region, config=config)
    except BotoCoreError as error:
        raise JinaInputError(f"AWS: {error}; name the region as {url.partition('?')[0]}?region=…") from None


@functools.cache
def _descriptions(folders: str | None) -> Any:
    """Return the loader of AWS's descriptions of its services, which all clients share: parsing them takes 50 ms."""
    from botocore.loaders import create_loader

    return create_loader(folders)


def _read(stream: Any) -> bytes:
    """Read the body of a response."""
    body = bytearray()
    for chunk in stream.iter_chunks(_READ_BYTES):
        body += chunk
        check_response_size(len(body))
    return bytes(body)


def _error_response(response: dict[str, Any]) -> Response:
    """Return the error of the model's container if it gave one, else that of AWS."""
    error = response.get("Error", {})
    code = str(error.get("Code", ""))
    if code == "ModelError" and isinstance(response.get("OriginalStatusCode"), int):
        body = str(response.get("OriginalMessage", "")).encode()
        return Response(response["OriginalStatusCode"], _headers(response), body)
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    message = {"detail": f"AWS: {error.get('Message', '')}", "code": code}
    return Response(_STATUSES.get(code, status), _headers(response), orjson.dumps(message))


def _headers(response: dict[str, Any]) -> dict[str, str]:
    metadata = response.get("ResponseMetadata", {})
    headers = {name.lower(): str(value) for name, value in metadata.get("HTTPHeaders", {}).items()}
    return {"x-request-id": str(metadata.get("RequestId", "")), **headers}
