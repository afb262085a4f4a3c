"""A backend package imports only what the engine promises to backend packages."""

from __future__ import annotations

import ast
from pathlib import Path

import jina_local
from jina_local import backend

ROOT = Path(__file__).resolve().parents[2]


def test_jina_torch_imports_only_promised_names_of_the_engine() -> None:
    promised = {"jina_local": set(jina_local.__all__), "jina_local.backend": set(backend.__all__)}
    sources = sorted((ROOT / "packages" / "jina-torch" / "src").rglob("*.py"))
    assert sources
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not any(alias.name.startswith("jina_local") for alias in node.names), path
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jina_local"):
                assert {alias.name for alias in node.names} <= promised[node.module or ""], path


def test_the_engine_does_not_import_jina_torch() -> None:
    for path in (ROOT / "packages" / "jina-local" / "src").rglob("*.py"):
        assert "import jina_torch" not in path.read_text(), path
        assert "from jina_torch" not in path.read_text(), path
