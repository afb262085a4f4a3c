"""Each distribution builds to a wheel that installs alone and leaves the namespaces of the frameworks whole."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
UV = os.environ.get("UV") or shutil.which("uv")
pytestmark = pytest.mark.skipif(UV is None, reason="uv, which builds and installs the wheels, is not on the path")

FRAMEWORKS = ("haystack", "langchain_core", "llama_index.core")
# For each distribution: what it is imported as, what comes with it, and files that no wheel of it may hold.
DISTRIBUTIONS = {
    "jina-client": ("import jina_client", (), ()),
    "jina-index": ("from jina_index import BinaryIndex; BinaryIndex(8)", (), ()),
    "jina-jobs": ("import jina_jobs.cli; jina_jobs.run", (), ()),
    "jina-local": ("import jina_local; jina_local.Engine", (), ()),
    "jina-torch": ("import jina_torch; jina_torch.make_factory", (), ()),
    "langchain-jina": ("from langchain_jina import JinaEmbeddings, JinaRerank", ("langchain_core",), ()),
    "llama-index-jina": (
        "from llama_index.embeddings.jinaai import JinaEmbedding; "
        "from llama_index.postprocessor.jinaai_rerank import JinaRerank; "
        "from llama_index.tools.jina import JinaToolSpec",
        ("llama_index.core",),
        (
            "llama_index/__init__.py",
            "llama_index/embeddings/__init__.py",
            "llama_index/postprocessor/__init__.py",
            "llama_index/retrievers/__init__.py",
            "llama_index/tools/__init__.py",
        ),
    ),
    "haystack-jina": (
        "from haystack_integrations.components.embedders.jina import JinaTextEmbedder, JinaDocumentEmbedder; "
        "from haystack_integrations.components.connectors.jina import JinaReaderConnector; "
        "from haystack_integrations.components.rankers.jina import JinaRanker; "
        "from haystack_integrations.tools.jina import JinaSearchTool",
        ("haystack",),
        (
            "haystack_integrations/__init__.py",
            "haystack_integrations/common/__init__.py",
            "haystack_integrations/components/__init__.py",
            "haystack_integrations/components/connectors/__init__.py",
            "haystack_integrations/components/embedders/__init__.py",
            "haystack_integrations/components/rankers/__init__.py",
            "haystack_integrations/components/retrievers/__init__.py",
            "haystack_integrations/components/writers/__init__.py",
            "haystack_integrations/document_stores/__init__.py",
            "haystack_integrations/tools/__init__.py",
        ),
    ),
}
# For each distribution with retrievers: programs that need its extra "index".
NEEDS_INDEX = {
    "langchain-jina": ("from langchain_jina import JinaRetriever",),
    "llama-index-jina": ("from llama_index.retrievers.jinaai import JinaRetriever",),
    "haystack-jina": (
        "from haystack_integrations.components.retrievers.jina import JinaEmbeddingRetriever",
        "from haystack_integrations.components.writers.jina import JinaLateInteractionWriter",
        "from haystack_integrations.document_stores.jina import JinaDocumentStore",
    ),
}


CHECK = """
{program}
import importlib.util
import json

def is_installed(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False

def error_of(program):
    try:
        exec(program)
    except ImportError as error:
        return str(error)

installed = [name for name in {absent!r} if is_installed(name)]
print(json.dumps([installed, [error_of(program) for program in {needs_index!r}]]))
"""


def _run(*command: str) -> str:
    # The first import of a framework in an environment writes its bytecode for the others.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _environment(folder: Path) -> str:
    """Make an empty environment and return the path of its Python."""
    _run(str(UV), "venv", "--quiet", "--python", sys.executable, str(folder / "venv"))
    return str(folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python")


def _install(python: str, wheels: Path, requirement: str) -> None:
    options = ("--quiet", "--no-compile-bytecode", "--python", python, "--find-links", str(wheels))
    _run(str(UV), "pip", "install", *options, requirement)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    _run(str(UV), "build", "--all-packages", "--wheel", "--out-dir", str(folder))
    return folder


class Alone(NamedTuple):
    """An environment that has only one wheel and what it needs.

    Attributes:
        python: its Python.
        others: the frameworks that it has but does not need.
        errors: what the programs that need the extra "index" raise.
    """

    python: str
    others: list[str]
    errors: list[str | None]


@pytest.fixture(scope="module")
def alone(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Alone]:
    """Install a wheel alone, and import it."""

    @cache
    def installed(name: str) -> Alone:
        python = _environment(tmp_path_factory.mktemp(name))
        _install(python, wheels, name)
        program, frameworks, _ = DISTRIBUTIONS[name]
        absent = [framework for framework in (*FRAMEWORKS, "torch") if framework not in frameworks]
        check = CHECK.format(program=program, absent=absent, needs_index=NEEDS_INDEX.get(name, ()))
        return Alone(python, *json.loads(_run(python, "-c", check)))

    return installed


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_wheel_has_types_and_license_and_no_namespace_file(wheels: Path, name: str) -> None:
    (wheel,) = wheels.glob(f"{name.replace('-', '_')}-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert any(entry.endswith("py.typed") for entry in names)
    assert any(entry.endswith("licenses/LICENSE") for entry in names)
    assert not set(DISTRIBUTIONS[name][2]) & set(names)
    (metadata,) = (entry for entry in names if entry.endswith(".dist-info/METADATA"))
    # The newest Haystack and LangChain need it.
    assert b"Requires-Python: >=3.11\n" in zipfile.ZipFile(wheel).read(metadata)


@pytest.mark.parametrize("name", [name for name in DISTRIBUTIONS if name != "jina-torch"])  # PyTorch takes gigabytes.
def test_a_wheel_installs_alone(alone: Callable[[str], Alone], name: str) -> None:
    assert alone(name).others == []


def test_jina_torch_declares_its_entry_point_and_version_ranges(wheels: Path) -> None:
    (wheel,) = wheels.glob("jina_torch-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (folder,) = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        metadata = archive.read(f"{folder}/METADATA").decode()
        entry_points = archive.read(f"{folder}/entry_points.txt").decode()
    assert "Requires-Dist: jina-client<0.2,>=0.1\n" in metadata
    assert "Requires-Dist: jina-local<0.2,>=0.1\n" in metadata
    assert entry_points == "[jina_local.backends]\njina-torch = jina_torch:make_factory\n"


@pytest.mark.parametrize("name", NEEDS_INDEX)
def test_a_retriever_without_its_extra_names_it(wheels: Path, alone: Callable[[str], Alone], name: str) -> None:
    python, _, errors = alone(name)
    assert errors
    for error in errors:
        assert error is not None
        assert f"{name} need jina-index, which is not installed: pip install jina-index" in error
    _install(python, wheels, f"{name}[index]")
    _run(python, "-c", "\n".join(NEEDS_INDEX[name]))
