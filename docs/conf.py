"""How Sphinx builds the site: ``uv run --group docs sphinx-build -W docs site``."""

from __future__ import annotations

import importlib
import re
from typing import Any

from sphinx.util.logging import getLogger

# Import everything before autodoc does: autodoc sets typing.TYPE_CHECKING, with which LlamaIndex and pydantic fail.
_PUBLIC = (
    "haystack_integrations.components.connectors.jina",
    "haystack_integrations.components.embedders.jina",
    "haystack_integrations.components.rankers.jina",
    "haystack_integrations.components.retrievers.jina",
    "haystack_integrations.components.writers.jina",
    "haystack_integrations.document_stores.jina",
    "jina_client",
    "jina_client.dialects",
    "jina_client.quantization",
    "jina_index",
    "jina_local",
    "langchain_jina",
    "llama_index.embeddings.jinaai",
    "llama_index.postprocessor.jinaai_rerank",
    "llama_index.retrievers.jinaai",
)
for _name in (*_PUBLIC, "jina_local.backend", "jina_local.server"):
    _module = importlib.import_module(_name)
    for _attribute in getattr(_module, "__all__", ()):
        getattr(_module, _attribute)  # Some modules load their names when they are first used.

project = "Jina components"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = project
exclude_patterns = ["_build"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
napoleon_use_ivar = True
napoleon_use_rtype = False
# Signatures are easier to read without the modules' names.
python_use_unqualified_type_names = True
autodoc_typehints_format = "short"
add_module_names = False
# Two frameworks may call a class by one name; which one a signature means is clear from where it stands.
suppress_warnings = ["ref.python"]


def _fenced(app: Any, what: str, name: str, object: Any, options: Any, lines: list[str]) -> None:
    """Haystack's docstrings are Markdown: their fenced examples become code blocks, their backticks literals."""
    if not name.startswith("haystack_integrations"):
        return
    text = "\n".join(lines)

    def block(found: re.Match[str]) -> str:
        code = found.group(1).replace("\n", "\n    ")
        return f"\n.. code-block:: python\n\n    {code}\n"

    text = re.sub(r"```python\n(.*?)\n *```", block, text, flags=re.DOTALL)
    text = re.sub(r"(?<!`)`([^`\n]+)`(?!`)", r"``\1``", text)
    lines[:] = text.split("\n")


def _complete(app: Any, error: Exception | None) -> None:
    """Warn of each public name that the reference does not have: with -W the build fails."""
    shown = {name.rpartition(".")[2] for name, *_ in app.env.get_domain("py").get_objects()}
    for module in _PUBLIC:
        for name in importlib.import_module(module).__all__:
            if name not in shown and name != "__version__":
                getLogger(__name__).warning("%s.%s is not in the reference", module, name)


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _fenced)
    app.connect("build-finished", _complete)
