"""Late chunking of LangChain's documents: each chunk is embedded in the context of the document that it was cut from.

A store embeds texts alone, and knows nothing of their documents. So the vectors are made before it is given the chunks,
and are ready when it asks for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from jina_client import JinaError, JinaInputError
from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

if TYPE_CHECKING:
    from .embeddings import JinaEmbeddings
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
        JinaInputError: another embedding, or a chunk without the key.
        JinaError: the store did not take the vectors that were made for it.
    """
    embeddings = _embeddings_of(store)
    with _ready(store, chunks, embeddings, embeddings.embed_chunks(chunks, group_by)):
        return store.add_documents(list(chunks), **options)


async def aadd_chunks(
    store: VectorStore | JinaRetriever, chunks: Sequence[Document], *, group_by: str = "source", **options: Any
) -> list[str]:
    """:func:`add_chunks`, asynchronously."""
    embeddings = _embeddings_of(store)
    with _ready(store, chunks, embeddings, await embeddings.aembed_chunks(chunks, group_by)):
        return await store.aadd_documents(list(chunks), **options)


def texts_and_documents(chunks: Sequence[Document], group_by: str) -> tuple[list[str], list[Hashable]]:
    """The chunks' texts, and for each what its document is known by.

    Raises:
        JinaInputError: a chunk that is no document, or has no such metadata.
    """
    if not isinstance(chunks, (list, tuple)):
        raise JinaInputError(f"chunks must be a list of documents, got {type(chunks).__name__}")
    for index, chunk in enumerate(chunks):
        if not isinstance(chunk, Document):
            raise JinaInputError(f"chunks[{index}] must be a Document, got {type(chunk).__name__}")
        key = chunk.metadata.get(group_by)
        if key is None or not isinstance(key, Hashable):
            has = ", ".join(sorted(map(str, chunk.metadata))) or "none"
            raise JinaInputError(
                f"chunks[{index}].metadata[{group_by!r}] must say which document it was cut from, got {key!r}; "
                f"another key can be named with group_by=… (it has: {has})"
            )
    return [chunk.page_content for chunk in chunks], [chunk.metadata[group_by] for chunk in chunks]


class Ready:
    """Vectors that are made already, by their text; where a text comes twice, in the order of its chunks."""

    def __init__(self, owner: JinaEmbeddings, texts: Sequence[str], vectors: Sequence[list[float]]) -> None:
        self.owner = owner
        self.left = len(texts)
        self._vectors: dict[str, deque[list[float]]] = {}
        for text, vector in zip(texts, vectors, strict=True):
            self._vectors.setdefault(text, deque()).append(vector)

    def take(self, texts: Sequence[str]) -> list[list[float]]:
        """The vectors of these texts, each of which is given out once."""
        if not all(self._vectors.get(text) for text in texts):
            raise JinaInputError("the store asks for the vector of a text that is none of the chunks")
        self.left -= len(texts)
        return [self._vectors[text].popleft() for text in texts]


_current: ContextVar[Ready | None] = ContextVar("_current", default=None)


def ready_for(embeddings: JinaEmbeddings) -> Ready | None:
    """The vectors that :func:`add_chunks` has made with this very object, while it runs."""
    ready = _current.get()
    return ready if ready is not None and ready.owner is embeddings else None


@contextmanager
def _ready(
    store: VectorStore | JinaRetriever,
    chunks: Sequence[Document],
    embeddings: JinaEmbeddings,
    vectors: list[list[float]],
) -> Iterator[None]:
    ready = Ready(embeddings, [chunk.page_content for chunk in chunks], vectors)
    token = _current.set(ready)
    try:
        yield
    finally:
        _current.reset(token)
    if ready.left:
        raise JinaError(
            f"{type(store).__name__} took {len(chunks) - ready.left} of the {len(chunks)} vectors made for it: "
            "what it has stored was embedded without its document, or not at all"
        )


def _embeddings_of(store: VectorStore | JinaRetriever) -> JinaEmbeddings:
    from .embeddings import JinaEmbeddings

    embeddings = store.embeddings
    if not isinstance(embeddings, JinaEmbeddings):
        raise JinaInputError(
            f"the store must embed with JinaEmbeddings, got {type(embeddings).__name__} "
            "(a cache that is keyed by the text alone cannot hold late-chunked vectors)"
        )
    return embeddings
