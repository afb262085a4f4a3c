"""Short waits: what is tested is how often something is sent again, not how long that takes."""

from __future__ import annotations

import pytest
from jina_client import retries


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(retries, "MAX_WAIT", 0.05)
