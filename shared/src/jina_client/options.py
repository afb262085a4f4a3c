"""The keyword options of calls. This is their one declaration: names, types, defaults, other names.

To add an option of embedding calls, add it here, to the rows of :mod:`jina_client.models` whose models take it, and to
the docstring of :meth:`jina_client.AsyncJinaClient.embed`, and run ``tools/generate.py``. It then reaches the request,
the synchronous client, LangChain and LlamaIndex. Haystack's components and the engine name their options themselves:
CONTRIBUTING.md has all the places.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from .errors import JinaArgumentError
from .models import EmbeddingType

OnError = Literal["raise", "return"]
ReturnFormat = Literal["markdown", "html", "text", "screenshot", "pageshot"]


class VectorOptions(TypedDict, total=False):
    """Options of every call for vectors."""

    task: str | None
    """The adapter, such as ``retrieval.query``; by default the model's own for documents."""
    dimensions: int | None
    """The length of the vectors (Matryoshka); by default the model's full length."""
    embedding_type: EmbeddingType
    """``float``, ``base64``, ``binary`` or ``ubinary``."""
    truncate: bool | None
    """Cut texts longer than the model's context; by default the service rejects them."""
    show_progress: bool
    """Show a progress bar."""


class EmbedOptions(VectorOptions, total=False):
    """Further options of calls for one vector per input."""

    normalized: bool | None
    """Scale vectors to length 1; by default yes, if the model takes the option."""


class InputOptions(TypedDict, total=False):
    """How a list of inputs is read and grouped into requests."""

    batch_size: int | None
    """Inputs per request, at most 512; by default 128, and fewer if they are large."""
    max_image_side: int | None
    """Longer side in pixels above which an image is made smaller before it is sent (needs Pillow)."""


class EmbedListOptions(EmbedOptions, InputOptions, total=False):
    """The options of ``embed`` and ``embed_stream``."""


class MultiVectorOptions(VectorOptions, InputOptions, total=False):
    """The options of ``embed_multi_vector``."""


class RerankOptions(InputOptions, total=False):
    """The options of ``rerank``."""

    top_n: int | None
    """The number of documents to return; by default all."""
    return_documents: bool
    """Put the caller's own documents into the result."""
    truncation: bool | None
    """Cut documents longer than the model's context."""
    max_doc_length: int | None
    """Tokens per document that the model reads, 1 to 8192 (``jina-reranker-v3`` and later)."""
    return_embeddings: bool
    """Return a vector of 512 dimensions per document (``jina-reranker-v3`` and later)."""


class GroundOptions(TypedDict, total=False):
    """Options of every call of the reader, search and grounding services."""

    no_cache: bool | None
    """Fetch pages again instead of using the service's cache."""
    headers: Mapping[str, str] | None
    """Further headers of the reader."""
    plain: bool
    """Request plain text instead of JSON."""
    endpoint: str | None
    """The address of a service of your own."""


class SearchOptions(GroundOptions, total=False):
    """Further options of ``search``."""

    return_format: ReturnFormat | None
    """``markdown``, ``html``, ``text``, ``screenshot`` or ``pageshot``."""
    page_timeout: int | None
    """Seconds that the service waits for a page."""
    with_links_summary: bool | None
    """List the links at the end."""


class ReadOptions(SearchOptions, total=False):
    """Further options of ``read``."""

    target_selector: str | None
    """The CSS selector of the part to return."""


class NoOptions(TypedDict):
    """No options besides those of the signature."""


DEFAULTS: Mapping[str, Any] = {
    "embedding_type": "float",
    "plain": False,
    "return_documents": True,
    "return_embeddings": False,
    "show_progress": False,
}
"""The defaults that are not ``None``."""

CALL_ONLY = frozenset({"batch_size", "max_image_side", "show_progress"})
"""Options that concern the client and are not sent."""

EMBEDDING_ALIASES: Mapping[str, str] = {
    "task_type": "task",
    "output_dimensionality": "dimensions",
    "output_dimension": "dimensions",
    "truncation": "truncate",
    "encoding_type": "embedding_type",
    "encoding_format": "embedding_type",
    "embedding_types": "embedding_type",
}
"""Other names of the options of embedding calls, which the service accepts too and older programs use."""

RERANK_ALIASES: Mapping[str, str] = {
    "top_k": "top_n",
    "max_tokens_per_doc": "max_doc_length",
    "truncate": "truncation",
}
"""Other names of the options of rerank calls."""


def sent_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that concern the model."""
    return {name: value for name, value in options.items() if name not in CALL_ONLY}


def returns_failures(on_error: Any) -> bool:
    """Return whether failed inputs are part of the result rather than an exception."""
    if on_error not in ("raise", "return"):
        raise JinaArgumentError(f"on_error must be 'raise' or 'return', got {on_error!r}")
    return bool(on_error == "return")
