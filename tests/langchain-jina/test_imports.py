"""Importing langchain_jina is cheap: heavy modules load when a name that needs them is first used."""

from __future__ import annotations

import subprocess
import sys

import langchain_jina
import pytest


def modules_after(program: str) -> set[str]:
    """Run a program in a new process and return the names of the modules that it loaded."""
    code = f"{program}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    return set(run.stdout.split())


def test_a_retriever_loads_the_index_and_leaves_faiss_for_its_first_use() -> None:
    modules = modules_after("from langchain_jina import JinaRetriever")
    assert "jina_index" in modules
    assert "faiss" not in modules


def test_every_public_name_can_be_imported_and_is_listed() -> None:
    for name in langchain_jina.__all__:
        assert getattr(langchain_jina, name).__module__.startswith("langchain_jina.")
    assert set(langchain_jina.__all__) <= set(dir(langchain_jina))


def test_an_unknown_name_raises() -> None:
    with pytest.raises(ImportError, match="JinaThing"):
        exec("from langchain_jina import JinaThing")
