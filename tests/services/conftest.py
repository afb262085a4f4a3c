"""A client of each kind for the stand-in of each service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clients import maker
from loopback import Recorder
from services.stand_ins import STAND_INS


@pytest.fixture(params=["sync", "async"])
def make_client(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    with maker(request.param) as make:
        yield make


@pytest.fixture
def client_of(
    make_client: Callable[..., Any], server: Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Any]:
    """Start the stand-in of a service, and return a client of it."""

    def start(service: str, **options: Any) -> Any:
        stand_in = STAND_INS[service]
        server.answer = stand_in
        host = server.url.removesuffix("/v1")
        if stand_in.dialect == "sagemaker":
            monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", host)
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example-secret")
            monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
            monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
            monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
            defaults = {"base_url": "sagemaker://my-endpoint?region=eu-central-1"}
        else:
            defaults = {"base_url": host + stand_in.suffix, "dialect": stand_in.dialect}
        return make_client(**{**defaults, "max_retries": 0, **stand_in.options, **options})

    return start
