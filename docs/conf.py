"""How Sphinx builds the site: ``uv run --group docs sphinx-build -W docs site``."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any

from sphinx.util.inspect import stringify_signature
from sphinx.util.logging import getLogger

# Import everything before autodoc does: autodoc sets typing.TYPE_CHECKING, with which LlamaIndex and pydantic fail.
_PUBLIC = (
    "haystack_integrations.components.connectors.jina",
    "haystack_integrations.components.embedders.jina",
    "haystack_integrations.components.rankers.jina",
    "haystack_integrations.components.retrievers.jina",
    "haystack_integrations.components.writers.jina",
    "haystack_integrations.document_stores.jina",
    "haystack_integrations.tools.jina",
    "jina_client",
    "jina_client.dialects",
    "jina_client.quantization",
    "jina_index",
    "jina_jobs",
    "jina_jobs.evaluation",
    "jina_local",
    "langchain_jina",
    "llama_index.embeddings.jinaai",
    "llama_index.postprocessor.jinaai_rerank",
    "llama_index.retrievers.jinaai",
    "llama_index.tools.jina",
)
for _name in (*_PUBLIC, "jina_local.backend", "jina_local.server"):
    _module = importlib.import_module(_name)
    for _attribute in getattr(_module, "__all__", ()):
        getattr(_module, _attribute)  # Some modules load their names when they are first used.

project = "Jina components"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "sphinx_design"]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_domain_indices = False
html_title = project
html_show_copyright = False
exclude_patterns = ["_build"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
# Code has a copy button, and its output has none.
copybutton_selector = "div.highlight:not(.highlight-text *) > pre"
autodoc_member_order = "bysource"
# An extra that the documentation is built without.
autodoc_mock_imports = ["pyspark", "ray"]
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
napoleon_use_ivar = True
napoleon_use_rtype = False
# Signatures are easier to read without the modules' names.
python_use_unqualified_type_names = True
autodoc_typehints_format = "short"
add_module_names = False
# Two frameworks may have classes of the same name. A reader knows from the page which one a signature means.
suppress_warnings = ["ref.python"]


# Members that belong to a framework or to pydantic, and that users do not call.
_HIDDEN = {
    "acall",
    "class_name",
    "get_lc_namespace",
    "is_lc_serializable",
    "lc_attributes",
    "lc_secrets",
    "model_config",
    "model_post_init",
    "settings",
    "to_json",
}


def _skip(app: Any, what: str, name: str, object: Any, skip: bool, options: Any) -> bool | None:
    """Leave hidden members out of the reference."""
    return True if name in _HIDDEN else None


def _keep_colons(app: Any, what: str, name: str, object: Any, options: Any, lines: list[str]) -> None:
    """Keep napoleon from reading the text before a colon as the type of an attribute."""
    if what in ("attribute", "data", "property") and lines and ":" in lines[0]:
        lines[:0] = ["..", ""]  # An empty comment, because napoleon skips empty lines.


def _fenced(app: Any, what: str, name: str, object: Any, options: Any, lines: list[str]) -> None:
    """Convert Haystack's docstrings, which are Markdown: fenced examples and inline code."""
    if not name.startswith("haystack_integrations"):
        return
    text = "\n".join(lines)

    def block(match: re.Match[str]) -> str:
        code = match.group(1).replace("\n", "\n    ")
        return f"\n.. code-block:: python\n\n    {code}\n"

    text = re.sub(r"```python\n(.*?)\n *```", block, text, flags=re.DOTALL)
    text = re.sub(r"(?<!`)`([^`\n]+)`(?!`)", r"``\1``", text)
    lines[:] = text.split("\n")


# Defaults that are not Python: a Secret, a factory of a dataclass, functions and classes. Long texts are cut.
_DEFAULTS = (
    (r"EnvVarSecret\(_env_vars=\('(\w+)',\).*?>\)", r"Secret.from_env_var('\1')"),
    (r"<factory>", "..."),
    (r"<(?:built-in )?function (\w+)(?: at 0x\w+)?>", r"\1"),
    (r"<class '(?:\w+\.)*(\w+)'>", r"\1"),
    (r"= ?(['\"])[^'\"]{60,}?\1(?=[,)])|= ?\"[^\"]{60,}\"", "= '…'"),
)


def _signature(app: Any, what: str, name: str, object: Any, options: Any, signature: str, returns: str) -> Any:
    """Correct a signature: Haystack's components have that of their constructor, and protocols have none."""
    if what == "class" and getattr(object, "_is_protocol", False):
        return "", None
    if what == "class" and type(object).__name__ == "ComponentMeta":
        parameters = list(inspect.signature(object.__init__).parameters.values())[1:]
        constructor = inspect.Signature(parameters)
        signature = stringify_signature(constructor, unqualified_typehints=True, show_return_annotation=False)
    if not signature:
        return None
    for pattern, replacement in _DEFAULTS:
        signature = re.sub(pattern, replacement, signature)
    return signature, returns


def _constructor_arguments(app: Any, what: str, name: str, object: Any, options: Any, lines: list[str]) -> None:
    """Add the arguments of the constructor to the text of a Haystack component."""
    if what == "class" and name.startswith("haystack_integrations") and inspect.isfunction(object.__init__):
        _, _, arguments = inspect.cleandoc(object.__init__.__doc__ or "").partition(":param ")
        if arguments:
            lines += ["", *f":param {arguments}".split("\n"), ""]


def _complete(app: Any, error: Exception | None) -> None:
    """Warn about public names that the reference lacks. With ``-W`` the build then fails."""
    documented = {name.rpartition(".")[2] for name, *_ in app.env.get_domain("py").get_objects()}
    for module in _PUBLIC:
        for name in importlib.import_module(module).__all__:
            if name not in documented and name != "__version__":
                getLogger(__name__).warning("%s.%s is not in the reference", module, name)


def _notebook(app: Any, name: str, source: list[str]) -> None:
    """Replace a page in ``notebooks/`` by the notebook that it links to."""
    if not name.startswith("notebooks/"):
        return
    link = re.search(r"\]\((\S+\.ipynb)\)", source[0])
    assert link is not None
    notebook = json.loads((Path(app.srcdir) / "notebooks" / link.group(1)).read_text())
    title, *cells = map(_cell, notebook["cells"])
    heading, _, introduction = title.partition("\n")
    download = f"{{download}}`Download this notebook <{link.group(1)}>`"
    source[0] = "\n\n".join((heading, download, introduction.strip(), *cells))


def _cell(cell: dict[str, Any]) -> str:
    """Return a cell of a notebook as Markdown."""
    text = "".join(cell["source"])
    if cell["cell_type"] != "code":
        return text
    return "\n\n".join((f"```python\n{text}\n```", *filter(None, map(_output, cell["outputs"]))))


def _output(output: dict[str, Any]) -> str:
    """Return an output of a cell as Markdown."""
    data = output.get("data", {})
    if "image/png" in data:
        return f"![output](data:image/png;base64,{''.join(data['image/png'].split())})"
    text = "".join(output.get("text", data.get("text/plain", ""))).rstrip()
    return f"```text\n{text}\n```" if text else ""


def setup(app: Any) -> None:
    """Connect the functions above to Sphinx."""
    app.connect("autodoc-skip-member", _skip)
    # Before napoleon, which has the default priority of 500.
    app.connect("autodoc-process-docstring", _keep_colons, priority=400)
    app.connect("autodoc-process-docstring", _constructor_arguments, priority=400)
    app.connect("autodoc-process-docstring", _fenced)
    app.connect("autodoc-process-signature", _signature)
    app.connect("source-read", _notebook)
    app.connect("build-finished", _complete)
