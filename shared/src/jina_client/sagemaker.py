"""Requests to an endpoint of AWS SageMaker, signed and sent by boto3 (extra ``sagemaker``)."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from .errors import JinaConnectionError, JinaInputError, JinaTimeoutError
from .transport import Request, Response

# AWS says these with status 400.
_STATUSES = {"ThrottlingException": 429, "ServiceQuotaExceededException": 429, "ModelNotReadyException": 503}


class SageMakerTransport:
    """An endpoint, called through boto3; both a :class:`Transport` and an :class:`AsyncTransport` (by threads).

    The credentials are those that boto3 finds: environment variables, the AWS configuration files, or the role of the
    machine. ``AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME`` names another address, such as a VPC endpoint.

    Args:
        url: ``sagemaker://ENDPOINT``, with ``?region=…`` unless the AWS configuration names one.
        connections: how many requests may be in flight.
    """

    def __init__(self, url: str, connections: int) -> None:
        self._url = url
        self._connections = connections
        self._opening = threading.Lock()
        self._client: Any = None
        self._made_for = (0.0, 0)

    def send(self, request: Request) -> Response:
        client = self._open(request.timeout)
        from botocore import exceptions as aws

        try:
            answer = client.invoke_endpoint(
                EndpointName=urlsplit(self._url).netloc,
                ContentType="application/json",
                Accept="application/json",
                Body=request.body,
            )
            body = answer["Body"].read()
        except aws.ClientError as error:
            return _refusal(error.response)
        except (aws.ReadTimeoutError, aws.ConnectTimeoutError):
            raise JinaTimeoutError(
                f"no complete answer within {request.timeout:g} s: raise timeout, or send less at once"
            ) from None
        except (aws.NoCredentialsError, aws.PartialCredentialsError, aws.TokenRetrievalError) as error:
            raise JinaInputError(f"AWS: {error}; set up credentials as for any use of boto3") from None
        except (aws.BotoCoreError, OSError) as error:
            raise JinaConnectionError(f"no answer from {self._url}: {error}") from error
        return Response(200, _headers(answer), body)

    async def asend(self, request: Request) -> Response:
        return await asyncio.to_thread(self.send, request)

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        self.close()

    def _open(self, timeout: float) -> Any:
        with self._opening:
            # A forked child must not write into its parent's connections.
            wanted = (timeout, os.getpid())
            if self._client is None or self._made_for != wanted:
                self._client, self._made_for = self._connected(timeout), wanted
            return self._client

    def _connected(self, timeout: float) -> Any:
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
        except ModuleNotFoundError as error:
            raise JinaInputError(
                f'{self._url} needs {error.name}, which is not installed: pip install "jina-client[sagemaker]"'
            ) from None
        region = parse_qs(urlsplit(self._url).query).get("region", [None])[0]
        config = Config(
            connect_timeout=timeout,
            read_timeout=timeout,
            max_pool_connections=self._connections,
            # The client's own policy is the only one that tries again.
            retries={"total_max_attempts": 1},
        )
        try:
            return boto3.session.Session().client("sagemaker-runtime", region_name=region, config=config)
        except BotoCoreError as error:
            raise JinaInputError(f"AWS: {error}; name the region as {self._url.partition('?')[0]}?region=…") from None


def _refusal(response: dict[str, Any]) -> Response:
    """The answer of the model's container where it gave one, else what AWS says of the call."""
    error = response.get("Error", {})
    code = str(error.get("Code", ""))
    if code == "ModelError" and isinstance(response.get("OriginalStatusCode"), int):
        body = str(response.get("OriginalMessage", "")).encode()
        return Response(response["OriginalStatusCode"], _headers(response), body)
    said = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    message = {"detail": f"AWS: {error.get('Message', '')}", "code": code}
    return Response(_STATUSES.get(code, said), _headers(response), orjson.dumps(message))


def _headers(response: dict[str, Any]) -> dict[str, str]:
    metadata = response.get("ResponseMetadata", {})
    sent = {name.lower(): str(value) for name, value in metadata.get("HTTPHeaders", {}).items()}
    return {"x-request-id": str(metadata.get("RequestId", "")), **sent}
