"""Packages that load a module when one of its names is first used (PEP 562).

The ``__init__`` of such a package names its modules twice: once for type checkers and editors, which read the imports
below ``if TYPE_CHECKING:``, and once for Python, in the call of :func:`load_on_use`. ``tests/packaging/test_lazy.py``
compares them.

A module that may not need a name imports the package instead, and writes ``protocol.RerankRequest``: that line loads
:mod:`jina_client.protocol.rerank` when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any


def load_on_use(owner: str, modules: Mapping[str, str]) -> None:
    """Give a package names that load their modules when they are first used.

    Args:
        owner: ``__name__`` of the package.
        modules: for each module, as in a relative import, the names that the package takes from it.

    Example:
        >>> load_on_use(__name__, {".embedding": "EmbedRequest", ".responses": "parse usage_of"})
    """
    namespace = vars(sys.modules[owner])
    places = {name: module for module, names in modules.items() for name in names.split()}

    def load(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {owner!r} has no attribute {name!r}")
        value = namespace[name] = getattr(import_module(places[name], namespace["__package__"]), name)
        return value

    namespace["__getattr__"] = load
    namespace["__dir__"] = lambda: sorted({*namespace, *places})
