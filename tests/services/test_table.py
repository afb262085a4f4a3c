"""Every service gives every call what the table says, and the documentation says the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jina_client import JinaError, JinaInputError
from loopback import Recorder
from services.table import CLIENT, SERVICE, SERVICES, TABLE, WARNS, YES, Row

PAGE = Path(__file__).resolve().parents[2] / "docs" / "deployment.md"


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_supports_what_the_table_says(
    client_of: Callable[..., Any], server: Recorder, service: str, row: Row
) -> None:
    client, outcome = client_of(service), row.services[service]
    if outcome in (YES, CLIENT):
        row.call(client)
    elif outcome == WARNS:
        with pytest.warns(UserWarning, match="truncates long texts without an error"):
            row.call(client)
    elif outcome.startswith(SERVICE):
        with pytest.raises(JinaError, match=outcome.removeprefix(SERVICE)):
            row.call(client)
    else:
        with pytest.raises(JinaInputError, match=outcome):
            row.call(client)
        assert not any(sent.body for sent in server.sent), "nothing is sent"


def test_the_documentation_contains_the_table() -> None:
    words = {YES: "yes", CLIENT: "by the client", WARNS: "with a warning"}
    rows = [" | ".join([row.name, *(words.get(row.services[service], "no") for service in SERVICES)]) for row in TABLE]
    lines = PAGE.read_text().splitlines()
    start = lines.index("| call | Jina | `on-prem` | `vllm` | `infinity` | `tei` | SageMaker | LiteLLM's proxy |")
    assert lines[start + 2 : start + 2 + len(rows)] == [f"| {row} |" for row in rows]
    assert not lines[start + 2 + len(rows)].startswith("|")
