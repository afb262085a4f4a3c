"""The page at ``/docs``: Swagger UI, whose script comes from a public network, over a plain list that needs none."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from fastapi.openapi.docs import get_swagger_ui_html

# Swagger UI puts itself in the place of what is in here, once it has been loaded.
_PLACE = '<div id="swagger-ui">'


def docs_page(document: dict[str, Any]) -> str:
    """The page for an OpenAPI description that is served at ``/openapi.json``."""
    page = bytes(get_swagger_ui_html(openapi_url="/openapi.json", title=document["info"]["title"]).body).decode()
    before, place, after = page.partition(_PLACE)
    return f"{before}{place}\n{_listing(document)}{after}"


def _listing(document: dict[str, Any]) -> str:
    lines = [
        f"<h1>{escape(document['info']['title'])}</h1>",
        f"<p>{escape(document['info']['description'])}</p>",
        '<p>Every field of every model: <a href="/openapi.json">openapi.json</a></p>',
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            lines.append(f"<h3>{method.upper()} {escape(path)}</h3><p>{escape(operation['summary'])}</p>")
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for example in content.get("examples", {}).values():
                body = json.dumps(example["value"], indent=2)
                lines.append(f"<p>{escape(example['summary'])}:</p><pre>{escape(body)}</pre>")
    return "\n".join(lines)
