"""The engine, once for all tests: in process, and over HTTP on loopback.

Every response that a test gets through ``ask`` or ``post`` is validated against the project's own schema and against
the facts of Jina's published API description (``tools/api_facts.py``).
"""

import json
import os
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import jina_local
import orjson
import pytest
import requests
from jina_local.app import App
from jina_local.encoder import Encoder
from jina_local.server import running
from jina_local.weights import find_model_files
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.validators import extend  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
OWN = json.loads((ROOT / "docs" / "protocol.schema.json").read_bytes())
PUBLISHED = json.loads((ROOT / "tests" / "data" / "published_api.json").read_bytes())


def _items(validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[Any]:
    """Validate the smallest and the largest of many numbers of one type, which decide about the others too."""
    if isinstance(instance, list) and set(map(type, instance)) in ({float}, {int}):
        instance = [min(instance), max(instance)]
    yield from Draft202012Validator.VALIDATORS["items"](validator, items, instance, schema)


Validator = extend(Draft202012Validator, {"items": _items})

Post = Callable[..., tuple[int, Any]]


class Reply(NamedTuple):
    status: int
    body: Any
    headers: dict[str, str]


Ask = Callable[..., Reply]


@pytest.fixture(scope="session", autouse=True)
def vocabularies() -> None:
    """The tokenizers' files, of which llama-index-core ships a copy."""
    package = find_spec("llama_index.core")
    if package is not None and package.origin:
        folder = Path(package.origin).parent / "_static" / "tiktoken_cache"
        os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(folder))


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return Encoder(find_model_files())


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture(scope="session", params=["in process", "over HTTP"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Send a request to the engine: ``ask("GET", "/v1/models")`` gives status, body and headers."""
    if request.param == "in process":
        return _asking(jina_local.default_app())
    return _asking_at(request.getfixturevalue("url"))


@pytest.fixture(scope="session")
def post(ask: Ask) -> Post:
    """Send fields to an endpoint: ``post("embeddings", model=…)`` gives status and body."""

    def send(endpoint: str, **fields: Any) -> tuple[int, Any]:
        return ask("POST", f"/v1/{endpoint}", fields)[:2]

    return send


@pytest.fixture(scope="session")
def asking() -> Callable[[App], Ask]:
    """Ask another app than the process's own: ``asking(app)("GET", "/v1/models")``."""
    return _asking


def _asking(app: App) -> Ask:

    def ask(method: str, path: str, fields: Any = None, headers: Any = None) -> Reply:
        sent = b"" if fields is None else orjson.dumps(fields)
        status, reply_headers, body = app.handle(method, path, headers or {}, sent)
        return checked(method, path, Reply(status, decoded(body, reply_headers["content-type"]), reply_headers))

    return ask


def _asking_at(url: str) -> Ask:
    """Ask a server, by its base URL."""

    def ask(method: str, path: str, fields: Any = None, headers: Any = None) -> Reply:
        answer = requests.request(
            method,
            url.removesuffix("/v1") + path,
            data=None if fields is None else orjson.dumps(fields),
            headers=headers,
            timeout=60,
        )
        body = decoded(answer.content, answer.headers["content-type"])
        return checked(method, path, Reply(answer.status_code, body, dict(answer.headers)))

    return ask


def decoded(body: bytes, kind: str) -> Any:
    if kind == "application/jsonl":
        return [json.loads(line) for line in body.splitlines()]
    return json.loads(body)


def checked(method: str, path: str, reply: Reply) -> Reply:
    """The reply, if it is one that the protocol has."""
    for description in (OWN, PUBLISHED):
        operation = _operation(description, method, path.partition("?")[0])
        if operation is None or (description is PUBLISHED and reply.status != 200):
            continue
        answer = operation["responses"][str(reply.status)]
        if "$ref" in answer:
            answer = description["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        content = answer["content"].get("application/json")
        if content is not None:
            _validator(description is OWN, json.dumps(content["schema"])).validate(reply.body)
    return reply


@cache
def _validator(own: bool, schema: str) -> Any:
    components = (OWN if own else PUBLISHED)["components"]
    return Validator({**json.loads(schema), "components": components})


def _operation(description: Any, method: str, path: str) -> Any:
    for template, operations in description["paths"].items():
        template_parts, path_parts = template.split("/"), path.split("/")
        if (
            template_parts[:3] == ["", "v1", "models"]
            and len(template_parts) == 4
            and path_parts[:3] == template_parts[:3]
            and len(path_parts) >= 4
        ):
            return operations.get(method.lower())
        if len(template_parts) == len(path_parts) and all(
            a == b or a.startswith("{") for a, b in zip(template_parts, path_parts, strict=True)
        ):
            return operations.get(method.lower())
    return None


@pytest.fixture(scope="session")
def in_protocol() -> Callable[[str, str, int, Any], Reply]:
    """Assert that an answer is one that the protocol has: ``in_protocol("GET", "/v1/models", 200, body)``."""
    return lambda method, path, status, body: checked(method, path, Reply(status, body, {}))


@pytest.fixture(scope="session")
def conforms() -> Callable[[str, Any], None]:
    """Assert that a response is valid by a schema of Jina's published API description."""

    def check(schema: str, answer: Any) -> None:
        Validator({"$ref": f"#/components/schemas/{schema}", **PUBLISHED}).validate(answer)

    return check
