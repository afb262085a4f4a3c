"""Jina AI's models that return one vector per token, for documents."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Unpack

from haystack import Document, component
from haystack.utils import Secret
from haystack_integrations.common.jina import (
    CLASSES,
    DEFAULT_API_KEY,
    ComponentConnection,
    DocumentImages,
    DocumentInputs,
    JinaComponent,
    TextOrImage,
    checked_size,
    meta_fields,
    text_of,
)
from jina_client import AsyncJinaClient, JinaClient
from jina_client.integration import (
    CONNECTION_OPTIONS,
    DEFAULT_BASE_URL,
    AsyncMultiVectorEmbedder,
    ConnectionOptions,
    MultiVectorEmbedder,
    check_multi_vector_embedder,
    follows,
    known_arguments,
)

MULTI_VECTOR = "multi_vector"
"""The default meta field of the vectors. A Haystack Document has an attribute for one vector only."""


@component
class JinaMultiVectorDocumentEmbedder(JinaComponent):
    """Embed Documents for late interaction, with one vector per token.

    A Document without content is embedded by its image, if the model takes images (`jina-embeddings-v4`).

    Usage example:
    ```python
    from haystack import Document
    from haystack_integrations.components.embedders.jina import JinaMultiVectorDocumentEmbedder

    embedder = JinaMultiVectorDocumentEmbedder(model="jina-colbert-v2", base_url="local", progress_bar=False)
    documents = embedder.run(documents=[Document(content="The cat sleeps.")])["documents"]
    print(len(documents[0].meta["multi_vector"]))
    ```
    """

    _DEFAULT_URL = f"{DEFAULT_BASE_URL}/embeddings"

    @known_arguments(*CONNECTION_OPTIONS)
    def __init__(
        self,
        api_key: Secret = DEFAULT_API_KEY,
        model: str = "jina-colbert-v2",
        prefix: str = "",
        suffix: str = "",
        batch_size: int = 32,
        progress_bar: bool = True,
        meta_fields_to_embed: list[str] | None = None,
        embedding_separator: str = "\n",
        dimensions: int | None = None,
        *,
        multi_vector_field: str = MULTI_VECTOR,
        file_path_meta_field: str = "file_path",
        root_path: str | None = None,
        image_size: tuple[int, int] | None = None,
        raise_on_failure: bool = True,
        client: JinaClient | AsyncJinaClient | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """Create a JinaMultiVectorDocumentEmbedder.

        :param api_key: The API key, resolved when the component is warmed up.
        :param model: The model's id.
        :param prefix: A string to put before each text.
        :param suffix: A string to put after each text.
        :param batch_size: Documents per request, at most 512.
        :param progress_bar: Show a progress bar.
        :param meta_fields_to_embed: Meta fields to put before the content.
        :param embedding_separator: The separator between the meta fields and the content.
        :param dimensions: The length of the vectors (Matryoshka); by default the model's full length.
        :param multi_vector_field: The meta field for the vectors, a list of lists of numbers.
        :param file_path_meta_field: For Documents without content: the meta field with the path of an image or a PDF,
            or with a ByteStream. If a Document lacks the field, its `blob` is used.
        :param root_path: The folder that these paths are relative to and may not leave. Set it if the meta fields come
            from an untrusted source.
        :param image_size: Width and height in pixels; larger images are scaled down to fit before they are sent.
        :param raise_on_failure: Raise an error if a Document cannot be embedded. Otherwise such Documents are returned
            without vectors, a warning is logged, and `meta["failed"]` contains the reason by the id of the Document.
        :param client: A ready client to use instead of key and connection options.
        :param options: Connection options: `base_url` (the API's root; `"local"` is the embedded engine), `timeout`,
            `max_retries`, `retry_timeout`, `max_concurrency`, `requests_per_minute`, `tokens_per_minute`, `dialect`,
            `cache`, `headers`, `key_header` and `ca_bundle`, as for `jina_client.JinaClient`.
        :raises JinaInputError: An unknown argument, or an `image_size` that is not a pair of numbers.
        """
        self.api_key = api_key
        self.model_name = model
        self.prefix = prefix
        self.suffix = suffix
        self.batch_size = batch_size
        self.progress_bar = progress_bar
        self.meta_fields_to_embed = meta_fields(meta_fields_to_embed)
        self.embedding_separator = embedding_separator
        self.dimensions = dimensions
        self.multi_vector_field = multi_vector_field
        self.file_path_meta_field = file_path_meta_field
        self.root_path = root_path
        self.image_size = checked_size(image_size)
        self.raise_on_failure = raise_on_failure
        self._connection = ComponentConnection(api_key, client, options)
        check_multi_vector_embedder(
            model, self._connection.service, CLASSES, dimensions=dimensions, batch_size=batch_size
        )

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        """Embed Documents.

        :param documents: The Documents, which are not changed.
        :returns: `documents`: copies with their vectors in a meta field; `meta`: the model and the usage.
        :raises JinaInputError: The input is not a list of Documents (also a TypeError), or a Document has neither text
            nor an image that the model takes.
        """
        document_inputs = self._inputs(documents)
        result = self._embedder().embed(
            document_inputs.inputs, "document", on_error=document_inputs.on_error, show_progress=self.progress_bar
        )
        return document_inputs.output(result, self._embedded)

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    @follows("run")
    async def run_async(self, documents: list[Document]) -> dict[str, Any]:
        """Embed Documents, asynchronously. Files are read, and pages rendered, in threads.

        :param documents: The Documents, which are not changed.
        :returns: `documents`: copies with their vectors in a meta field; `meta`: the model and the usage.
        :raises JinaInputError: The input is not a list of Documents (also a TypeError), or a Document has neither text
            nor an image that the model takes.
        """
        document_inputs = await asyncio.to_thread(self._inputs, documents)
        result = await self._async_embedder().embed(
            document_inputs.inputs, "document", on_error=document_inputs.on_error, show_progress=self.progress_bar
        )
        return document_inputs.output(result, self._embedded)

    def _inputs(self, documents: list[Document]) -> DocumentInputs:
        def text(document: Document) -> str:
            return text_of(
                document, self.meta_fields_to_embed, self.embedding_separator, prefix=self.prefix, suffix=self.suffix
            )

        images = DocumentImages(self.file_path_meta_field, self.root_path, self.image_size)
        make = TextOrImage(self.model_name, images, text)
        return DocumentInputs(self, documents, make, raise_on_failure=self.raise_on_failure)

    def _embedded(self, document: Document, vectors: list[list[float]] | None) -> Document:
        meta = {name: value for name, value in document.meta.items() if name != self.multi_vector_field}
        if vectors is not None:
            meta[self.multi_vector_field] = vectors
        return replace(document, meta=meta)

    def _embedder(self) -> MultiVectorEmbedder:
        return MultiVectorEmbedder(self._connection.open(), self.model_name, **self._options())

    def _async_embedder(self) -> AsyncMultiVectorEmbedder:
        return AsyncMultiVectorEmbedder(self._connection.open(), self.model_name, **self._options())

    def _options(self) -> dict[str, Any]:
        return {"dimensions": self.dimensions, "batch_size": self.batch_size}
