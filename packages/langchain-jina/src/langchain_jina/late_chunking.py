"""Late chunking of LangChain's documents: each chunk is embedded in the context of the document that it was cut from.

A store embeds texts alone, and knows nothing of their documents. So the vectors are made before it is given the chunks,
and are ready when it asks for them.
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
    """Add documents to a store, each embedded in the context of the document that it was cut from.

    Args:
        store: any store, or a :class:`JinaRetriever`, with :class:`JinaEmbeddings` of a model that has late chunking.
        chunks: what a text splitter made; the chunks of one document in their order.
        group_by: the key of the metadata that is the same for the chunks of one document, and for no others.
        **options: passed to the store's ``add_documents``, such as ``ids``.

    Returns:
        What ``add_documents`` returns, the ids.

    Raises:
        JinaInputError: another embedding, a chunk without the key, or a retriever that is read-only.
        JinaError: the store did not take the vectors that were made for it.
    """
    embeddings = _embeddings_of(store)
    with ready_while(store, chunks, embeddings, embeddings.embed_chunks(chunks, group_by)):
        return store.add_documents(list(chunks), **options)


async def aadd_chunks(
    store: VectorStore | JinaRetriever, chunks: Sequence[Document], *, group_by: str = "source", **options: Any
) -> list[str]:
    """:func:`add_chunks`, asynchronously."""
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
