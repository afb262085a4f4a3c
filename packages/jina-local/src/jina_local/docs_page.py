"""Render the page at ``/docs``: Swagger UI, with a plain list of endpoints for browsers without a network.

Swagger UI loads its script from a public network. The plain list is part of the page itself.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any

from fastapi.openapi.docs import get_swagger_ui_html

# Swagger UI replaces the content of this element once its script has loaded.
_PLACEHOLDER = '<div id="swagger-ui">'


def docs_page(document: dict[str, Any]) -> str:
    """Render the page for an OpenAPI description that is served at ``/openapi.json``."""
    page = bytes(get_swagger_ui_html(openapi_url="/openapi.json", title=document["info"]["title"]).body).decode()
    before, placeholder, after = page.partition(_PLACEHOLDER)
    return f"{before}{placeholder}\n{_endpoints(document)}{after}"


def _endpoints(document: dict[str, Any]) -> str:
    lines = [
        f"<h1>{escape(document['info']['title'])}</h1>",
        f"<p>{escape(document['info']['description'])}</p>",
        '<p>All fields of all models: <a href="/openapi.json">openapi.json</a></p>',
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            lines.append(f"<h3>{method.upper()} {escape(path)}</h3><p>{escape(operation['summary'])}</p>")
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for example in content.get("examples", {}).values():
                body = json.dumps(example["value"], indent=2)
                lines.append(f"<p>{escape(example['summary'])}:</p><pre>{escape(body)}</pre>")
    return "\n".join(lines)
