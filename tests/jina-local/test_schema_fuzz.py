"""Property tests: every request that nearly fits the OpenAPI page gets a response that the page describes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from jina_local.app import App, default_app
from jina_local.server import create_fastapi

PAGE = json.loads((Path(__file__).resolve().parents[2] / "docs" / "protocol.schema.json").read_bytes())
OPERATIONS = [(method.upper(), path) for path, methods in PAGE["paths"].items() for method in methods]


@pytest.fixture(scope="module")
def schema() -> Any:
    # Imported here, because it takes two seconds, and every process of the tests imports this file.
    import schemathesis

    return schemathesis.openapi.from_asgi("/openapi.json", create_fastapi(App(default_app().engine)))


def test_the_page_has_every_operation(schema: Any) -> None:
    operations = [operation.ok() for operation in schema.get_all_operations()]
    assert {(operation.method.upper(), operation.path) for operation in operations} == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_operation_matches_its_schema(schema: Any, in_protocol: Any, method: str, path: str) -> None:
    from schemathesis import GenerationMode, checks

    passed = [
        checks.not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]
    # Requests that fit the description, and requests that break it in one place. Those need not be refused: like the
    # service, the engine reads "true" as true, and lets an item hold an id.
    requests = st.one_of(schema[path][method].as_strategy(generation_mode=mode) for mode in GenerationMode)

    @settings(max_examples=30, derandomize=True, deadline=None, database=None, phases=[Phase.explicit, Phase.generate])
    @given(requests)
    def send(case: Any) -> None:
        response = case.call_and_validate(checks=passed)
        if response.headers["content-type"][0] == "application/json":
            in_protocol(case.method, response.request.path_url, response.status_code, json.loads(response.content))

    send()
