"""Packages that load a module when one of its names is first used, and what an import loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [ROOT / "shared" / "src", *ROOT.glob("packages/*/src")]


def _call(tree: ast.Module) -> ast.Call | None:
    """Return the call of ``load_on_use`` in a module."""
    for node in tree.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            function = node.value.func
            if isinstance(function, ast.Name) and function.id == "load_on_use":
                return node.value
    return None


def _lazy_packages() -> dict[str, ast.Module]:
    found = {}
    for source in SOURCES:
        for path in source.rglob("*.py"):
            if "load_on_use(" in (text := path.read_text()) and _call(tree := ast.parse(text)):
                name = ".".join(path.relative_to(source).with_suffix("").parts)
                found[name.removesuffix(".__init__")] = tree
    return found


PACKAGES = _lazy_packages()


def _declared_for_checkers(tree: ast.Module) -> dict[str, set[str]]:
    """Return the names by module that are imported below ``if TYPE_CHECKING:``."""
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {
        "." * node.level + (node.module or ""): {alias.name for alias in node.names}
        for block in blocks
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.level
    }


@pytest.mark.parametrize("name", PACKAGES)
def test_type_checkers_see_the_names_that_python_loads(name: str) -> None:
    call = _call(PACKAGES[name])
    assert call is not None
    loaded = {module: set(names.split()) for module, names in ast.literal_eval(call.args[1]).items()}
    assert loaded == _declared_for_checkers(PACKAGES[name])


@pytest.mark.parametrize("name", PACKAGES)
def test_every_name_is_listed_and_loads(name: str) -> None:
    if name == "jina_torch":
        pytest.importorskip("torch")
    package = import_module(name)
    assert set(package.__all__) <= set(dir(package))
    for each in package.__all__:
        assert getattr(package, each) is not None
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'Unknown'"):
        _ = package.Unknown


def modules_after(program: str, before: str = "") -> set[str]:
    """Return the modules that a program loads in a new process, beside those that another program loads."""
    code = f"{before}\nimport sys; earlier = {{*sys.modules}}\n{program}\nprint(*sys.modules.keys() - earlier)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


FRAMEWORKS = {"haystack", "langchain_core", "llama_index", "opentelemetry", "pydantic"}
OPTIONAL = {"PIL", "boto3", "filetype", "jina_local", "onnxruntime", "sqlite3", "torch", "tqdm"}
# What a call of embed() with texts does not need.
OTHER_CALLS = """
batching.per_input batching.rerank batching.segmentation cache.file components.agent_tools late_interaction
protocol.batch protocol.classification protocol.listings protocol.multi_vector protocol.reader protocol.rerank
protocol.segmentation protocol.sparse quantization.binary quantization.scalar results.batches results.classification
results.multi_vectors results.rerank results.sparse results.web servers.pool telemetry
"""
UNUSED = FRAMEWORKS | OPTIONAL | {f"jina_client.{name}" for name in OTHER_CALLS.split()}
OURS = {"haystack_integrations", "langchain_jina", "llama_index"}
SYNC_HTTP, ASYNC_HTTP = {"requests", "urllib3"}, {"aiohttp"}
ASYNC = ASYNC_HTTP | {"jina_client._async.client"}
NOT_LOADED = {
    "import jina_client": UNUSED | ASYNC | SYNC_HTTP,
    "from jina_client import AsyncJinaClient": UNUSED | ASYNC_HTTP | SYNC_HTTP,
    "from jina_client import JinaClient; JinaClient(base_url='http://a')": UNUSED | ASYNC,
    "from jina_client import AsyncJinaClient; AsyncJinaClient(base_url='http://a')": UNUSED | SYNC_HTTP,
}


@pytest.mark.parametrize("program", NOT_LOADED)
def test_a_program_loads_only_what_it_needs(program: str) -> None:
    assert sorted(modules_after(program) & NOT_LOADED[program]) == []


# What a framework's own base class loads, and what the component adds to it.
COMPONENTS = {
    "from langchain_core.embeddings import Embeddings": "from langchain_jina import JinaEmbeddings",
    "from llama_index.core.embeddings.multi_modal_base import MultiModalEmbedding": (
        "from llama_index.embeddings.jinaai import JinaEmbedding"
    ),
    "from haystack import Document, component": (
        "from haystack_integrations.components.embedders.jina import JinaTextEmbedder"
    ),
}


@pytest.mark.parametrize("base", COMPONENTS)
def test_a_component_loads_only_our_code_beside_its_base_class(base: str) -> None:
    added = modules_after(COMPONENTS[base], f"{base}; from jina_client import AsyncJinaClient")
    # LangChain's documents are small, its tracers are not.
    assert {name.partition(".")[0] for name in added} <= {"jina_client", "langchain_core", *OURS}
    assert "langchain_core.tracers" not in added
