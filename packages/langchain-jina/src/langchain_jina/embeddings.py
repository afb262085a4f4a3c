"""Jina AI's embedding models as LangChain embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from jina_client import JinaInputError
from jina_client.integration import (
    AsyncEmbedder,
    Embedder,
    EmbeddingFields,
    EmbeddingOptions,
    EmbeddingType,
    check_embedder,
    follows,
    replaces,
    warn_of_default_model,
)
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from pydantic import AliasChoices, Field, SecretStr

from .chunks import ready_for, texts_and_documents
from .connection import CLASSES, LangChainConnection, LangChainOptions

DEFAULT_MODEL = "jina-embeddings-v2-base-en"


class JinaEmbeddingsOptions(EmbeddingOptions, LangChainOptions, total=False):
    """The further arguments of :class:`JinaEmbeddings`."""

    model_name: str
    """Another name of ``model``."""


class JinaEmbeddings(EmbeddingFields, LangChainConnection, Embeddings):
    """Embed texts and images with Jina AI's models.

    One object embeds both queries and documents, each with the model's task for that role.

    Example:
        >>> from langchain_jina import JinaEmbeddings
        >>> embeddings = JinaEmbeddings(model="jina-embeddings-v3", base_url="local")
        >>> len(embeddings.embed_query("Where does the cat sleep?"))
        1024

    Raises:
        JinaInputError: an unknown argument or a value that cannot work; a missing key when it is first needed.
    """

    model_name: str = Field(default=DEFAULT_MODEL, validation_alias=AliasChoices("model_name", "model"))
    """The model, also accepted as ``model``. The default is that of ``langchain_community``, so that stored vectors
    stay valid."""
    embedding_type: EmbeddingType = "float"
    """With ``binary`` and ``ubinary`` the service sends one bit per dimension, and a vector is a list of 0.0 and 1.0.
    Euclidean and Manhattan distance then sort like Hamming distance. ``base64`` is the same as ``float``."""
    batch_size: int | None = None
    """Texts per request, at most 512; by default 128."""
    show_progress: bool = False
    """Show a progress bar while documents and images are embedded."""

    if TYPE_CHECKING:
        # The aliases of pydantic's fields are invisible to type checkers and editors.
        def __init__(
            self,
            *,
            model: str = DEFAULT_MODEL,
            api_key: str | SecretStr | None = None,
            embedding_type: EmbeddingType = "float",
            batch_size: int | None = None,
            show_progress: bool = False,
            **options: Unpack[JinaEmbeddingsOptions],
        ) -> None:
            """Create an embedding model.

            Args:
                model: the model's id, also accepted as ``model_name``.
                api_key: the key, also accepted as ``jina_api_key``; by default ``JINA_API_KEY``.
                embedding_type: ``float``, or ``binary`` or ``ubinary`` for one bit per dimension.
                batch_size: texts in one request, at most 512; by default the client chooses.
                show_progress: show a progress bar while documents and images are embedded.
                **options: how to embed, and where and how to call.
            """

    @property
    def model(self) -> str:
        """The model."""
        return self.model_name

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts as documents, one vector each."""
        ready = ready_for(self)
        return ready.take(texts) if ready else self._embed(texts)

    @follows("embed_documents")
    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts as documents, one vector each."""
        ready = ready_for(self)
        return ready.take(texts) if ready else await self._aembed(texts)

    def embed_query(self, text: str) -> list[float]:
        """Embed one text as a query."""
        return self._embed_one(text)

    @follows("embed_query")
    async def aembed_query(self, text: str) -> list[float]:
        """Embed one text as a query."""
        return await self._aembed_one(text)

    def embed_images(self, uris: Sequence[str | Path]) -> list[list[float]]:
        """Embed images as documents, one vector each.

        Args:
            uris: URLs, which the service fetches; data URIs, ``file://`` addresses and paths, which the client reads.

        Raises:
            JinaInputError: a model that does not take images, or a file that does not exist or is not an image.
        """
        return self._embed(_images(uris))

    @follows("embed_images")
    async def aembed_images(self, uris: Sequence[str | Path]) -> list[list[float]]:
        """Embed images as documents; see :meth:`embed_images`."""
        return await self._aembed(_images(uris))

    def embed_image(self, uris: Sequence[str | Path]) -> list[list[float]]:
        """Embed images as documents, under the name that LangChain's Chroma calls; see :meth:`embed_images`."""
        return self.embed_images(uris)

    @follows("embed_image")
    async def aembed_image(self, uris: Sequence[str | Path]) -> list[list[float]]:
        """Embed images as documents; see :meth:`embed_images`."""
        return await self.aembed_images(uris)

    def embed_image_query(self, uri: str | Path) -> list[float]:
        """Embed one image as a query."""
        return self._embed_one({"image": uri})

    @follows("embed_image_query")
    async def aembed_image_query(self, uri: str | Path) -> list[float]:
        """Embed one image as a query."""
        return await self._aembed_one({"image": uri})

    def embed_chunked(self, documents: Sequence[Sequence[str]]) -> list[list[list[float]]]:
        """Embed the chunks of documents, each in the context of its own document and of no other (late chunking).

        Args:
            documents: for each document the list of its chunks, in order. A document that is longer than the model's
                context is read in windows that overlap.

        Returns:
            For each document one vector per chunk.

        Raises:
            JinaInputError: a model without late chunking.
        """
        self._check_not_replaced("embed_chunked")
        embedder = self._embedder()
        results = embedder.embed_chunked(documents, show_progress=self.show_progress)
        return [embedder.to_lists(result) for result in results]

    @follows("embed_chunked")
    async def aembed_chunked(self, documents: Sequence[Sequence[str]]) -> list[list[list[float]]]:
        """Embed the chunks of documents; see :meth:`embed_chunked`."""
        self._check_not_replaced("aembed_chunked")
        embedder = self._async_embedder()
        results = await embedder.embed_chunked(documents, show_progress=self.show_progress)
        return [embedder.to_lists(result) for result in results]

    def embed_chunks(self, chunks: Sequence[Document], group_by: str = "source") -> list[list[float]]:
        """Embed the output of a text splitter, each chunk in the context of its document (late chunking).

        :func:`langchain_jina.add_chunks` also puts the chunks into a store.

        Args:
            chunks: those of one document in order, though not necessarily side by side.
            group_by: the metadata key that identifies the document of a chunk.

        Returns:
            One vector per chunk, in the order of ``chunks``.

        Raises:
            JinaInputError: a model without late chunking, or a chunk without the key.
        """
        self._check_not_replaced("embed_chunks")
        embedder = self._embedder()
        texts, documents = texts_and_documents(chunks, group_by)
        return embedder.to_lists(embedder.embed_chunks(texts, documents, show_progress=self.show_progress))

    @follows("embed_chunks")
    async def aembed_chunks(self, chunks: Sequence[Document], group_by: str = "source") -> list[list[float]]:
        """Embed the output of a text splitter; see :meth:`embed_chunks`."""
        self._check_not_replaced("aembed_chunks")
        embedder = self._async_embedder()
        texts, documents = texts_and_documents(chunks, group_by)
        return embedder.to_lists(await embedder.embed_chunks(texts, documents, show_progress=self.show_progress))

    @property
    def cache_namespace(self) -> str:
        """A namespace for ``CacheBackedEmbeddings`` and record managers.

        Two objects have the same namespace only if they return the same vectors: it depends on the service, the model
        and every option. It can be part of a file name.
        """
        embedder = self._embedder()
        identities = f"{embedder.identity('document')} {embedder.identity('query')}"
        return f"jina-{hashlib.sha256(identities.encode()).hexdigest()[:32]}-"

    def _check(self) -> None:
        super()._check()
        if "model_name" not in self.model_fields_set:
            warn_of_default_model(type(self), DEFAULT_MODEL)
        # A subclass that sends texts itself has models of its own.
        if not any(replaces(type(self), name, "_check") for name in ("embed_documents", "_embed")):
            check_embedder(self.model_name, self._connection().service, CLASSES, **self._options())

    def _check_not_replaced(self, method: str) -> None:
        """Raise if a subclass overrides embedding, because late chunking would still send texts to ``base_url``."""
        for name in ("embed_documents", "_embed"):
            if replaces(type(self), name, method):
                raise JinaInputError(
                    f"{type(self).__name__} overrides {name}, which {method} does not call: override {method} as well"
                )

    def _embed(self, inputs: Any) -> list[list[float]]:
        return self._embedder().embed_lists(inputs, "document", show_progress=self.show_progress)

    @follows("_embed")
    async def _aembed(self, inputs: Any) -> list[list[float]]:
        return await self._async_embedder().embed_lists(inputs, "document", show_progress=self.show_progress)

    def _embed_one(self, query: Any) -> list[float]:
        if replaces(type(self), "_embed", "_embed_one"):
            return self._embed([query])[0]
        return self._embedder().embed_lists([query], "query")[0]

    async def _aembed_one(self, query: Any) -> list[float]:
        if replaces(type(self), "_embed", "_aembed_one") or replaces(type(self), "_aembed", "_aembed_one"):
            return (await self._aembed([query]))[0]
        return (await self._async_embedder().embed_lists([query], "query"))[0]

    def _embedder(self) -> Embedder:
        return Embedder(self._connection(), self.model_name, **self._options())

    def _async_embedder(self) -> AsyncEmbedder:
        return AsyncEmbedder(self._connection(), self.model_name, **self._options())

    def _options(self) -> dict[str, Any]:
        options = {name: getattr(self, name) for name in EmbeddingFields.model_fields}
        return {**options, "batch_size": self.batch_size, "embedding_type": self.embedding_type}


def _images(uris: Any) -> Any:
    """Return images as inputs of the client, which rejects anything but a list."""
    return [{"image": uri} for uri in uris] if isinstance(uris, (list, tuple)) else uris
