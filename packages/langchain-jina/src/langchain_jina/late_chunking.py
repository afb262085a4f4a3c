"""Late chunking of LangChain's documents: each chunk is embedded in the context of its document.

A store embeds texts without their documents. So :func:`add_chunks` makes the vectors first, and returns them when the
store embeds the texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jina_client import JinaInputError
from langchain_core.documents import Document

from .chunks import ready_while
from .embeddings import JinaEmbeddings

if TYPE_CHECKING:
    from langchain_core.vectorstores import VectorStore

    from .retrievers import JinaRetriever


def add_chunks(
    store: VectorStore | JinaRetriever, chunks: Sequence[Document], *, group_by: str = "source", **options: Any
) -> list[str]:
    """Add the chunks of documents to a store, each embedded in the context of its document.

    Args:
        store: any store, or a :class:`JinaRetriever`, with :class:`JinaEmbeddings` of a model that has late chunking.
        chunks: the output of a text splitter; chunks of one document in order.
        group_by: the metadata key that identifies the document of a chunk.
        **options: passed to the store's ``add_documents``, such as ``ids``.

    Returns:
        The ids that ``add_documents`` returns.

    Raises:
        JinaInputError: a store with other embeddings, a chunk without the key, or a read-only retriever.
        JinaError: the store did not use the vectors.
    """
    embeddings = _embeddings_of(store)
    with ready_while(store, chunks, embeddings, embeddings.embed_chunks(chunks, group_by)):
        return store.add_documents(list(chunks), **options)


async def aadd_chunks(
    store: VectorStore | JinaRetriever, chunks: Sequence[Document], *, group_by: str = "source", **options: Any
) -> list[str]:
    """Add the chunks of documents to a store; see :func:`add_chunks`."""
    embeddings = _embeddings_of(store)
    with ready_while(store, chunks, embeddings, await embeddings.aembed_chunks(chunks, group_by)):
        return await store.aadd_documents(list(chunks), **options)


def _embeddings_of(store: VectorStore | JinaRetriever) -> JinaEmbeddings:
    # Vector stores lack this method. A test for the class would import jina-index, which they do not need.
    check_writable = getattr(store, "check_writable", None)
    if check_writable is not None:
        check_writable()
    embeddings = store.embeddings
    if not isinstance(embeddings, JinaEmbeddings):
        raise JinaInputError(
            f"the store must embed with JinaEmbeddings, got {type(embeddings).__name__} "
            "(a cache that is keyed by the text alone cannot hold late-chunked vectors)"
        )
    return embeddings
