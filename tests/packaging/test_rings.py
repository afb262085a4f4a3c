"""The architecture: which package may import which, and what is generated."""

from __future__ import annotations

import ast
import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jina_client
import jina_client.integration
import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {
    "jina_client": ROOT / "shared" / "src",
    "langchain_jina": ROOT / "packages" / "langchain-jina" / "src",
    "llama_index": ROOT / "packages" / "llama-index-jina" / "src",
    "haystack_integrations": ROOT / "packages" / "haystack-jina" / "src",
    "jina_index": ROOT / "packages" / "jina-index" / "src",
    "jina_jobs": ROOT / "packages" / "jina-jobs" / "src",
    "jina_local": ROOT / "packages" / "jina-local" / "src",
    "jina_torch": ROOT / "packages" / "jina-torch" / "src",
}
FRAMEWORKS = {
    "langchain_jina": {"langchain_core"},
    "llama_index": {"llama_index"},
    "haystack_integrations": {"haystack", "haystack_integrations"},
}
OURS = set(SOURCES) | {"langchain_core", "haystack", "llama_index"}
ALLOWED = {
    # The embedded engine is loaded when a client's base_url is "local".
    "jina_client": {"jina_local"},
    "langchain_jina": {"jina_client", "jina_index"},
    "llama_index": {"jina_client", "jina_index"},
    "haystack_integrations": {"jina_client", "jina_index"},
    "jina_index": {"jina_client"},
    "jina_jobs": {"jina_client"},
    "jina_local": {"jina_client"},
    "jina_torch": {"jina_client", "jina_local"},
}
LAZY = {("jina_client", "jina_local")}
"""Imports from an inner ring to an outer one: they must stand inside a function."""


@cache
def _imports(package: str) -> list[tuple[Path, ast.Import | ast.ImportFrom, str, bool]]:
    """Each import of a package's modules: file, statement, module, and whether it runs when the file is imported."""
    imports: list[tuple[Path, ast.Import | ast.ImportFrom, str, bool]] = []
    for path in SOURCES[package].rglob("*.py"):
        tree = ast.parse(path.read_text())
        inside = {
            node
            for function in ast.walk(tree)
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
            for node in ast.walk(function)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                imports += [(path, node, alias.name, node not in inside) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                imports.append((path, node, node.module, node not in inside))
    return imports


@pytest.mark.parametrize("package", SOURCES)
def test_a_package_imports_only_from_its_own_ring_and_inner_ones(package: str) -> None:
    allowed = {package, *ALLOWED[package], *FRAMEWORKS.get(package, ())}
    for path, node, module, at_import in _imports(package):
        root = module.partition(".")[0]
        assert root not in OURS or root in allowed, f"{path}:{node.lineno} imports {module}"
        assert not ((package, root) in LAZY and at_import), f"{path}:{node.lineno} imports {module} at once"


PROMISED = {
    "jina_client": set(jina_client.__all__),
    "jina_client.integration": set(jina_client.integration.__all__),
}
PUBLIC = {"jina_client.quantization", "jina_client.late_interaction"}
"""Modules whose public names are documented; companions that compute may import them."""


@pytest.mark.parametrize("package", [name for name in SOURCES if name != "jina_client"])
def test_other_packages_import_only_promised_names_of_the_client(package: str) -> None:
    for path, node, module, _ in _imports(package):
        if module.partition(".")[0] != "jina_client":
            continue
        if module in PUBLIC and package not in FRAMEWORKS:
            continue
        assert module in PROMISED, f"{path}:{node.lineno} imports {module}"
        names = {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) else set()
        assert names <= PROMISED[module], f"{path}:{node.lineno} imports {sorted(names - PROMISED[module])}"


def test_transports_do_not_import_batching() -> None:
    order = ["transport", "batching", "_async"]
    for name in ("transport", "batching", "protocol", "dialects", "results", "quantization"):
        later = set(order[order.index(name) + 1 :]) if name in order else set(order)
        for path in (SOURCES["jina_client"] / "jina_client" / name).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and node.level == 2:
                    modules = [node.module] if node.module else [alias.name for alias in node.names]
                    assert not later & {module.partition(".")[0] for module in modules}, f"{path}:{node.lineno}"


def test_no_class_name_is_used_twice() -> None:
    # Frameworks fix the names of their own components.
    fixed = {"JinaRerank", "JinaRetriever", "JinaLateInteractionRetriever"}
    places: dict[str, list[str]] = {}
    for source in SOURCES.values():
        for path in source.rglob("*.py"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and node.name not in fixed and not node.name.startswith("_"):
                    places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_no_hand_written_module_is_longer_than_400_lines() -> None:
    for source in SOURCES.values():
        for path in source.rglob("*.py"):
            assert len(path.read_text().splitlines()) <= 400, path


@pytest.fixture(scope="module")
def generator() -> Any:
    specification = importlib.util.spec_from_file_location("generate", ROOT / "tools" / "generate.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["generate"] = module
    specification.loader.exec_module(module)
    return module


def test_generated_files_are_up_to_date(generator: Any) -> None:
    files = generator.generated_files()
    for path, content in files.items():
        assert path.read_text() == content, f"{path.name} is outdated: run uv run tools/generate.py"
    assert set((generator.CLIENT / "_sync").glob("*.py")) <= files.keys()


def test_both_clients_have_the_same_documented_methods() -> None:
    pairs = [(jina_client.JinaClient, jina_client.AsyncJinaClient)]
    import jina_client.resources as resources

    pairs += [(getattr(resources, name.removeprefix("Async")), getattr(resources, name)) for name in resources.__all__]
    for sync, asynchronous in pairs:
        names = {name.replace("aclose", "close") for name in dir(asynchronous) if not name.startswith("_")}
        assert {name for name in dir(sync) if not name.startswith("_")} == names
        for kind in (sync, asynchronous):
            for name in dir(kind):
                if not name.startswith("_"):
                    assert (getattr(kind, name).__doc__ or "").strip(), f"{kind.__name__}.{name}"


def test_every_option_of_embedding_calls_is_documented() -> None:
    from jina_client.options import EmbedListOptions

    documentation = jina_client.JinaClient.embed.__doc__ or ""
    for name in EmbedListOptions.__annotations__:
        assert f"{name}: " in documentation, name


def test_the_client_has_only_the_designed_members() -> None:
    methods = {name for name in dir(jina_client.JinaClient(base_url="local")) if not name.startswith("_")}
    designed = {
        *("embed", "embed_stream", "embed_chunked", "embed_multi_vector", "embed_sparse"),
        *("rerank", "classify", "segment", "estimate_tokens"),
        *("batches", "classifiers", "models", "web"),
        *("close", "servers", "settings", "usage"),
    }
    assert methods == designed, "the client has few members: is a resource the better place? If not, add it here"
