"""The engine, once for all tests: in process, and over HTTP on loopback."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jina_local
import orjson
import pytest
from jina_local.encoder import Encoder
from jina_local.server import running
from jina_local.weights import find_model_files
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

Post = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return Encoder(find_model_files())


@pytest.fixture(scope="session")
def post() -> Post:
    """Send fields to an endpoint of the in-process app: ``post("embeddings", model=…)`` gives status and body."""

    def send(endpoint: str, **fields: Any) -> tuple[int, Any]:
        status, _, body = jina_local.default_app().handle("POST", f"/v1/{endpoint}", {}, orjson.dumps(fields))
        return status, json.loads(body)

    return send


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture(scope="session")
def conforms() -> Callable[[str, Any], None]:
    """Assert that an answer is valid by a schema of Jina's published OpenAPI description."""
    path = Path(__file__).resolve().parents[2].parent / "shared" / "jina-openapi.json"
    if not path.exists():
        pytest.skip("jina-openapi.json is not beside the repository")
    description = json.loads(path.read_bytes())

    def check(schema: str, answer: Any) -> None:
        Draft202012Validator({"$ref": f"#/components/schemas/{schema}", **description}).validate(answer)

    return check
