"""The line of the program that a warning is about."""

from __future__ import annotations

import sys

_LIBRARIES = frozenset(
    {
        "asyncio",
        "haystack",
        "haystack_integrations",
        "jina_client",
        "langchain_core",
        "langchain_jina",
        "llama_index",
        "llama_index_instrumentation",
    }
)


def frames_to_caller() -> int:
    """Return the ``stacklevel`` of the first frame that belongs to the program and not to a library."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _LIBRARIES:
        level, frame = level + 1, frame.f_back
    return level
