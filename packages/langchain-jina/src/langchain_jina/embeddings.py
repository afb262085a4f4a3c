"""Jina AI's embedding models as LangChain embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jina_client.components import Embedder, EmbeddingFields
from jina_client.models import EmbeddingType
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from pydantic import AliasChoices, Field

from .chunks import ready_for, texts_and_documents
from .connection import JinaConnection


class JinaEmbeddings(EmbeddingFields, JinaConnection, Embeddings):
    """Embeddings of texts and images by Jina AI's models.

    Queries and documents are embedded with the task that the model has for each, from this one object.

    Example:
        >>> from langchain_jina import JinaEmbeddings
        >>> embeddings = JinaEmbeddings(model="jina-embeddings-v3", base_url="local")
        >>> len(embeddings.embed_query("Where does the cat sleep?"))
        1024

    Raises:
        JinaInputError: an unknown argument or a value of the wrong type; a missing key when it is first needed.
    """

    model_name: str = Field(default="jina-embeddings-v2-base-en", validation_alias=AliasChoices("model_name", "model"))
    """The model, also taken as ``model``. The default is that of ``langchain_community``, for stored vectors."""
    embedding_type: EmbeddingType = "float"
    """``binary`` or ``ubinary``: one bit a dimension travels, and a vector is a list of 0.0 and 1.0, of which the
    Euclidean and the Manhattan distance give the order of the Hamming distance. ``base64`` is the same as ``float``."""
    batch_size: int | None = None
    """Texts in one request, at most 512; 128 by default."""
    show_progress: bool = False
    """Show a progress bar while documents and images are embedded."""

    @property
    def model(self) -> str:
        """The model."""
        return self.model_name

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text, as a document."""
        ready = ready_for(self)
        return ready.take(texts) if ready else self._embed(texts)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text, as a document."""
        ready = ready_for(self)
        return ready.take(texts) if ready else await self._aembed(texts)

    def embed_query(self, text: str) -> list[float]:
        """The vector of one text, as a query."""
        return self._embed_one(text)

    async def aembed_query(self, text: str) -> list[float]:
        """The vector of one text, as a query."""
        return await self._aembed_one(text)

    def embed_images(self, uris: Sequence[str | Path]) -> list[list[float]]:
        """One vector for each image, as a document.

        Args:
            uris: URLs, which the service fetches; data URIs, ``file://`` addresses and paths, which are read here.

        Raises:
            JinaInputError: a model that takes no images, a file that does not exist or is no image.
        """
        return self._embed(_images(uris))

    async def aembed_images(self, uris: Sequence[str | Path]) -> list[list[float]]:
        """:meth:`embed_images`, asynchronously."""
        return await self._aembed(_images(uris))

    def embed_image_query(self, uri: str | Path) -> list[float]:
        """The vector of one image, as a query."""
        return self._embed_one({"image": uri})

    async def aembed_image_query(self, uri: str | Path) -> list[float]:
        """The vector of one image, as a query."""
        return await self._aembed_one({"image": uri})

    def embed_chunked(self, documents: Sequence[Sequence[str]]) -> list[list[list[float]]]:
        """Late chunking: every chunk is embedded in the context of its own document, and of no other.

        Args:
            documents: for each document the list of its chunks, in order; one that is longer than the model's context
                is read in windows that overlap.

        Returns:
            For each document one vector for each of its chunks.

        Raises:
            JinaInputError: a model without late chunking.
        """
        embedder = self._embedder()
        results = embedder.embed_chunked(
            documents, embedding_type=self.embedding_type, show_progress=self.show_progress
        )
        return [embedder.rows(result) for result in results]

    async def aembed_chunked(self, documents: Sequence[Sequence[str]]) -> list[list[list[float]]]:
        """:meth:`embed_chunked`, asynchronously."""
        embedder = self._embedder()
        results = await embedder.aembed_chunked(
            documents, embedding_type=self.embedding_type, show_progress=self.show_progress
        )
        return [embedder.rows(result) for result in results]

    def embed_chunks(self, chunks: Sequence[Document], group_by: str = "source") -> list[list[float]]:
        """Late chunking of what a text splitter made; :func:`langchain_jina.add_chunks` puts it into a store.

        Args:
            chunks: those of one document in their order, though not necessarily side by side.
            group_by: the key of the metadata that is the same for the chunks of one document, and for no others.

        Returns:
            One vector for each chunk, in the order of ``chunks``.

        Raises:
            JinaInputError: a model without late chunking, or a chunk without the key.
        """
        embedder = self._embedder()
        result = embedder.embed_chunks(
            *texts_and_documents(chunks, group_by),
            embedding_type=self.embedding_type,
            show_progress=self.show_progress,
        )
        return embedder.rows(result)

    async def aembed_chunks(self, chunks: Sequence[Document], group_by: str = "source") -> list[list[float]]:
        """:meth:`embed_chunks`, asynchronously."""
        embedder = self._embedder()
        result = await embedder.aembed_chunks(
            *texts_and_documents(chunks, group_by),
            embedding_type=self.embedding_type,
            show_progress=self.show_progress,
        )
        return embedder.rows(result)

    @property
    def cache_namespace(self) -> str:
        """A name that only objects share whose vectors are the same: of the service, the model and every option.

        For ``CacheBackedEmbeddings`` and record managers. It is made of characters that a file's name may have.
        """
        embedder = self._embedder()
        roles = [embedder.identity("document", self.embedding_type), embedder.identity("query", self.embedding_type)]
        return f"jina-{hashlib.sha256(' '.join(roles).encode()).hexdigest()[:32]}-"

    def _embed(self, inputs: Any) -> list[list[float]]:
        embedder = self._embedder()
        return embedder.rows(
            embedder.embed(inputs, "document", embedding_type=self.embedding_type, show_progress=self.show_progress)
        )

    async def _aembed(self, inputs: Any) -> list[list[float]]:
        embedder = self._embedder()
        return embedder.rows(
            await embedder.aembed(
                inputs, "document", embedding_type=self.embedding_type, show_progress=self.show_progress
            )
        )

    def _embed_one(self, query: Any) -> list[float]:
        embedder = self._embedder()
        return embedder.rows(embedder.embed([query], "query", embedding_type=self.embedding_type))[0]

    async def _aembed_one(self, query: Any) -> list[float]:
        embedder = self._embedder()
        return embedder.rows(await embedder.aembed([query], "query", embedding_type=self.embedding_type))[0]

    def _embedder(self) -> Embedder:
        return Embedder(
            self._connection(),
            self.model_name,
            batch_size=self.batch_size,
            **self._embedding_options(),
        )


def _images(uris: Any) -> Any:
    """What the client takes as images; what is no list it refuses."""
    return [{"image": uri} for uri in uris] if isinstance(uris, (list, tuple)) else uris
