"""Late chunking of LangChain's documents: the document of each chunk, and vectors that a store can use."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from jina_client import JinaError, JinaInputError
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings


def texts_and_documents(chunks: Sequence[Document], group_by: str) -> tuple[list[str], list[Hashable]]:
    """Return the text of each chunk, and the identifier of its document.

    Raises:
        JinaInputError: ``chunks`` is not a list of Documents, or a chunk lacks the metadata key.
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
                f"chunks[{index}].metadata[{group_by!r}] must identify the document of the chunk, got {key!r}; "
                f"pass another key as group_by= (the metadata has: {has})"
            )
    return [chunk.page_content for chunk in chunks], [chunk.metadata[group_by] for chunk in chunks]


class Ready:
    """Vectors by text, made before a store asks for them. Equal texts get their vectors in the order of the chunks."""

    def __init__(self, owner: Embeddings, texts: Sequence[str], vectors: Sequence[list[float]]) -> None:
        self.owner = owner
        self.left = len(texts)
        self._vectors: dict[str, deque[list[float]]] = {}
        for text, vector in zip(texts, vectors, strict=True):
            self._vectors.setdefault(text, deque()).append(vector)

    def take(self, texts: Sequence[str]) -> list[list[float]]:
        """Return the vectors of these texts. Each vector is returned once."""
        if not all(self._vectors.get(text) for text in texts):
            raise JinaInputError("the store embeds a text that is not one of the chunks: it must not change the texts")
        self.left -= len(texts)
        return [self._vectors[text].popleft() for text in texts]


_current: ContextVar[Ready | None] = ContextVar("_current", default=None)


def ready_for(embeddings: Embeddings) -> Ready | None:
    """Return the vectors that a running :func:`add_chunks` has made with this object, or ``None``."""
    ready = _current.get()
    return ready if ready is not None and ready.owner is embeddings else None


@contextmanager
def ready_while(
    store: Any, chunks: Sequence[Document], embeddings: Embeddings, vectors: list[list[float]]
) -> Iterator[None]:
    """Provide the vectors of chunks while a store adds the chunks.

    Raises:
        JinaError: the store did not use all of them.
    """
    ready = Ready(embeddings, [chunk.page_content for chunk in chunks], vectors)
    token = _current.set(ready)
    try:
        yield
    finally:
        _current.reset(token)
    if ready.left:
        raise JinaError(
            f"{type(store).__name__} used {len(chunks) - ready.left} of the {len(chunks)} vectors: the other chunks "
            "were embedded without their document, or not at all. Use a store that calls embed_documents()"
        )
