"""Property tests: every request that nearly fits the OpenAPI page gets a response that the page describes."""

from __future__ import annotations

import json
from typing import Any

import schemathesis
from hypothesis import Phase, settings
from jina_local.app import App, default_app
from jina_local.server import create_fastapi
from schemathesis import checks

# The test settings load no plugins by themselves, and only this file needs this one.
pytest_plugins = ("schemathesis.pytest.plugin",)

schema = schemathesis.openapi.from_asgi("/openapi.json", create_fastapi(App(default_app().engine)))
# Requests that fit the description, and requests that break it in one place. Those need not be refused: like the
# service, the engine reads "true" as true, and lets an item hold an id.
schema.config.generation.update(modes=list(schemathesis.GenerationMode))
# It tries every boundary, among them lists of 512 texts for each option of each model: minutes of computing.
schema.config.phases.coverage.enabled = False

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


@schema.parametrize()
@settings(max_examples=30, derandomize=True, deadline=None, database=None, phases=[Phase.explicit, Phase.generate])
def test_every_operation_matches_its_schema(case: schemathesis.Case, in_protocol: Any) -> None:
    response = case.call_and_validate(checks=CHECKS)
    if response.headers["content-type"][0] == "application/json":
        path = response.request.path_url
        in_protocol(case.method, path, response.status_code, _short(json.loads(response.content)))


def _short(content: Any) -> Any:
    """JSON with every list cut to its first items: a hundred thousand numbers are validated slowly, and all alike."""
    if isinstance(content, list):
        return [_short(item) for item in content[:3]]
    if isinstance(content, dict):
        return {key: _short(value) for key, value in content.items()}
    return content
