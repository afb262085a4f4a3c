"""The pages on errors and on environment variables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import jina_client
import jina_index
import jina_local
import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [*ROOT.glob("shared/src/**/*.py"), *ROOT.glob("packages/*/src/**/*.py")]


def test_every_environment_variable_is_documented() -> None:
    page = (ROOT / "docs" / "environment.md").read_text()
    names = {name for path in SOURCES for name in re.findall(r'["`](JINA(?:AI)?_[A-Z_]+)["`]', path.read_text())}
    assert {"JINA_API_KEY", "JINA_BASE_URL"} <= names
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


@pytest.mark.parametrize("package", [jina_client, jina_index, jina_local], ids=lambda package: package.__name__)
def test_every_error_and_warning_is_documented(package: object) -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    public = {name: getattr(package, name) for name in package.__all__}  # type: ignore[attr-defined]
    errors = [name for name, value in public.items() if isinstance(value, type) and issubclass(value, Exception)]
    assert [name for name in errors if not re.search(rf"\b{name}\b", page)] == []
