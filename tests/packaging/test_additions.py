"""Tests that an addition is made in every place that needs it. Each failure names the file to edit."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from haystack_integrations.components.embedders import jina as haystack_embedders
from jina_client.dialects import DIALECTS
from jina_client.integration import CONNECTION_OPTIONS
from jina_client.models import MODELS
from jina_client.options import EmbedOptions
from jina_jobs.cli import app
from jina_jobs.databases import DATABASES
from jina_local.validation.embeddings import EmbeddingBody
from jina_local.validation.options import endpoints_of, options_model
from services.table import SERVICES

ROOT = Path(__file__).resolve().parents[2]
PAGE = "docs/protocol.schema.json"


# Haystack saves the arguments of a component by their names, so each is written out. A Document has a list of floats,
# whatever the encoding, and progress has an argument of its own.
OWN_NAMES = {"dimensions": {"dimensions", "embedding_dimension"}}
LEFT_OUT = {
    "JinaTextEmbedder": {"embedding_type", "show_progress"},
    "JinaDocumentEmbedder": {"embedding_type", "show_progress"},
    "JinaDocumentImageEmbedder": {"embedding_type", "show_progress", "truncate"},
}


def text_of(path: str) -> str:
    return (ROOT / path).read_text()


@pytest.mark.parametrize("path", ["embeddings", "multi-vector", "rerank", "classify", "train", "batch"])
def test_the_engine_knows_every_option_of_every_model(path: Any) -> None:
    for row in MODELS.values():
        if any(endpoint in row.fields for endpoint in endpoints_of(path)):
            try:
                known = set(options_model(row, path).model_fields)
            except KeyError as error:
                pytest.fail(f"{row.id} has {error}, which needs a type in jina_local/validation/options.py")
            if path in ("embeddings", "multi-vector"):
                missing = known - {"return_multivector"} - set(EmbeddingBody.__annotations__)
                assert not missing, f"{row.id}: add {missing} to EmbeddingBody in jina_local/validation/embeddings.py"


def test_the_schema_has_every_option_of_every_model() -> None:
    schema = text_of(PAGE)
    names = {name for row in MODELS.values() for fields in row.fields.values() for name in fields}
    missing = {name for name in {*names, *MODELS} if f'"{name}"' not in schema}
    assert not missing, f"add to {PAGE}: {sorted(missing)}"


@pytest.mark.parametrize("kind", LEFT_OUT)
def test_haystack_embedders_take_every_option_of_embedding_calls(kind: str) -> None:
    component = getattr(haystack_embedders, kind)
    known = set(inspect.signature(component.__init__).parameters)
    names = set(EmbedOptions.__annotations__) - LEFT_OUT[kind]
    missing = {name for name in names if not OWN_NAMES.get(name, {name}) & known}
    assert not missing, f"add {missing} to {component.__module__}"


def test_every_service_is_tested_and_described() -> None:
    assert set(DIALECTS) <= set(SERVICES), "add a column to tests/services/table.py"
    missing = [name for name in DIALECTS if name != "jina" and f"`{name}`" not in text_of("docs/deployment.md")]
    assert not missing, f"describe in docs/deployment.md: {missing}"


def test_every_option_of_the_client_is_described() -> None:
    missing = [name for name in ("api_key", *CONNECTION_OPTIONS) if f"`{name}`" not in text_of("docs/client.md")]
    assert not missing, f"add to the table of options in docs/client.md: {missing}"


def test_every_package_is_checked() -> None:
    workspace = tomllib.loads(text_of("pyproject.toml"))
    for folder in sorted((ROOT / "packages").iterdir()):
        if not (folder / "pyproject.toml").is_file():
            continue
        place = f"packages/{folder.name}"
        assert f"{place}/src" in workspace["tool"]["mypy"]["mypy_path"], (
            f"add {place}/src to mypy_path in pyproject.toml"
        )
        assert folder.name in workspace["tool"]["uv"]["sources"], f"add {folder.name} to [tool.uv.sources]"
        assert folder.name in text_of("tests/packaging/test_rings.py"), (
            f"add {folder.name} to tests/packaging/test_rings.py"
        )
        assert folder.name in text_of("tests/packaging/test_wheels.py"), f"add {folder.name} to test_wheels.py"


def test_every_command_and_database_is_described() -> None:
    page = text_of("docs/jobs.md")
    commands = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    missing = [name for name in commands if f"jina-jobs {name}" not in page]
    missing += [scheme for scheme in DATABASES if f"{scheme}://" not in page]
    assert not missing, f"describe in docs/jobs.md: {missing}"


def test_every_benchmark_runs_in_ci_and_is_described() -> None:
    pages, ci = text_of("docs/benchmarks.md") + text_of("docs/cluster.md"), text_of(".ci/run")
    for path in sorted((ROOT / "benchmarks").glob("*.py")):
        if re.search(r"^if __name__ ==", path.read_text(), re.MULTILINE) and path.name != "loopback_server.py":
            assert f"benchmarks/{path.name}" in ci, f"run {path.name} in the step benchmarks of .ci/run"
            assert path.name in pages, f"describe {path.name} in docs/benchmarks.md"
