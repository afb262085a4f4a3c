"""Extract the facts of Jina's published API description: ``uv run tools/api_facts.py OPENAPI.json``.

Writes ``tests/data/published_api.json``: paths, field names, types, enums, limits, defaults and required fields, which
the tests compare requests and responses with. Descriptions, titles, examples and other prose are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "tests" / "data" / "published_api.json"

VALUES = {
    "$ref",
    "const",
    "default",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "multipleOf",
    "nullable",
    "pattern",
    "required",
    "type",
    "uniqueItems",
}
"""Keywords of a schema whose value is a fact."""

METHODS = ("get", "post", "put", "patch", "delete")


def schema_facts(schema: Any) -> Any:
    """Return a schema without its prose."""
    if not isinstance(schema, dict):
        return schema  # ``additionalProperties: true``
    facts: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in VALUES:
            facts[keyword] = value
        elif keyword == "properties":
            facts[keyword] = {name: schema_facts(each) for name, each in value.items()}
        elif keyword in ("allOf", "anyOf", "oneOf", "prefixItems"):
            facts[keyword] = [schema_facts(each) for each in value]
        elif keyword in ("additionalProperties", "items", "not"):
            facts[keyword] = schema_facts(value)
        elif keyword == "discriminator":
            facts[keyword] = {name: value[name] for name in ("propertyName", "mapping") if name in value}
    return facts


def content_facts(holder: dict[str, Any]) -> dict[str, Any]:
    """Return a request's or a response's content without its prose."""
    if "$ref" in holder:
        return {"$ref": holder["$ref"]}
    content = {
        kind: {"schema": schema_facts(media.get("schema", {}))} for kind, media in holder.get("content", {}).items()
    }
    return {"content": content} | ({"required": True} if holder.get("required") else {})


def operation_facts(operation: dict[str, Any]) -> dict[str, Any]:
    """Return an operation without its prose."""
    facts: dict[str, Any] = {
        "responses": {status: content_facts(each) for status, each in operation["responses"].items()}
    }
    if "requestBody" in operation:
        facts["requestBody"] = content_facts(operation["requestBody"])
    if "parameters" in operation:
        facts["parameters"] = [
            {
                "name": each["name"],
                "in": each["in"],
                "required": each.get("required", False),
                "schema": schema_facts(each.get("schema", {})),
            }
            for each in operation["parameters"]
        ]
    return facts


def api_facts(description: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI description without its prose."""
    components = description["components"]
    return {
        "info": {"version": description["info"]["version"]},
        "paths": {
            path: {method: operation_facts(item[method]) for method in METHODS if method in item}
            for path, item in description["paths"].items()
        },
        "components": {
            "responses": {name: content_facts(each) for name, each in components.get("responses", {}).items()},
            "schemas": {name: schema_facts(each) for name, each in components["schemas"].items()},
        },
    }


def main() -> None:
    """Write the facts of the description that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="OPENAPI.json", help="the description of the API, as published")
    source = parser.parse_args().source
    if not source.is_file():
        sys.exit(f"api_facts: {source} is not a file. Download the OpenAPI description of the API first.")
    try:
        facts = api_facts(json.loads(source.read_bytes()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        sys.exit(f"api_facts: {source} is not an OpenAPI description of the API: {type(error).__name__}: {error}")
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    print(f"wrote {TARGET.relative_to(TARGET.parents[2])}")


if __name__ == "__main__":
    main()
