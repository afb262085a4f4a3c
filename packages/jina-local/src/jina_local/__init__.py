"""An embedded engine that speaks Jina AI's wire protocol with a small real model, all-MiniLM-L6-v2.

It needs no key, no GPU, no torch, and no network after a one-time model download. Importing it is cheap: the first
request loads the model.

    import jina_local

    status, headers, body = jina_local.default_app().handle("POST", "/v1/embeddings", {}, b'{"model": …, "input": …}')
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import App, default_app
    from .engine import Engine
    from .errors import ModelNotFoundError, RequestError
    from .weights import fetch_model

__version__ = "0.1.0"
__all__ = ["App", "Engine", "ModelNotFoundError", "RequestError", "__version__", "default_app", "fetch_model"]

_MODULES = {
    "App": "app",
    "default_app": "app",
    "Engine": "engine",
    "ModelNotFoundError": "errors",
    "RequestError": "errors",
    "fetch_model": "weights",
}


def __getattr__(name: str) -> Any:
    # Public names are imported on first use, because numpy and onnxruntime dominate the import time.
    if name in _MODULES:
        return getattr(import_module(f".{_MODULES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
