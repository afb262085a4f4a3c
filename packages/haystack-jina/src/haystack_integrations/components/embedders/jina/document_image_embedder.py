"""Jina AI's embedding models for the images of Documents."""

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
    checked_size,
)
from jina_client import AsyncJinaClient, JinaClient
from jina_client.integration import (
    CONNECTION_OPTIONS,
    DEFAULT_BASE_URL,
    AsyncEmbedder,
    ConnectionOptions,
    Embedder,
    check_embedder,
    follows,
    known_arguments,
    warns_of_default_model,
)

JINA_API_URL = f"{DEFAULT_BASE_URL}/embeddings"


@component
class JinaDocumentImageEmbedder(JinaComponent):
    """Embed the images of Documents: files, blobs, and pages of PDFs.

    The vectors can be compared with those of a JinaTextEmbedder with the same model.

    Usage example:
    ```python
    from haystack import Document
    from haystack_integrations.components.embedders.jina import JinaDocumentImageEmbedder

    documents = [
        Document(content="A cat", meta={"file_path": "cat.jpg"}),
        Document(meta={"file_path": "report.pdf", "page_number": 3}),
    ]
    embedder = JinaDocumentImageEmbedder(model="jina-clip-v2", root_path="pictures")
    print(len(embedder.run(documents=documents)["documents"][0].embedding))
    ```
    """

    _DEFAULT_URL = JINA_API_URL
    _ALWAYS_SAVED = ("model", "file_path_meta_field", "root_path", "embedding_dimension", "image_size", "batch_size")

    @warns_of_default_model
    @known_arguments(*CONNECTION_OPTIONS)
    def __init__(
        self,
        *,
        api_key: Secret = DEFAULT_API_KEY,
        model: str = "jina-clip-v2",
        file_path_meta_field: str = "file_path",
        root_path: str | None = None,
        embedding_dimension: int | None = None,
        image_size: tuple[int, int] | None = None,
        batch_size: int = 5,
        task: str | None = None,
        normalized: bool | None = None,
        progress_bar: bool = False,
        raise_on_failure: bool = True,
        client: JinaClient | AsyncJinaClient | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """Create a JinaDocumentImageEmbedder.

        :param api_key: The API key, resolved when the component is warmed up.
        :param model: The id of a model that takes images.
        :param file_path_meta_field: The meta field with the path of an image or a PDF (of which `meta["page_number"]`
            is embedded, counted from 1), or with a ByteStream. For a Document without the field, its `blob` is
            embedded.
        :param root_path: The folder that paths are relative to. A path that leads out of it, also by `..` or a symbolic
            link, raises an error. By default every path is allowed: set this option if the meta fields come from an
            untrusted source.
        :param embedding_dimension: The length of the vectors (Matryoshka); by default the model's full length.
        :param image_size: Width and height in pixels; larger images are scaled down to fit before they are sent. An
            image may have at most 8 MB.
        :param batch_size: Images per request, at most 512.
        :param task: The task; by default the model's task for documents, such as `retrieval.passage`.
        :param normalized: Scale vectors to length 1; by default yes, if the model takes the option.
        :param progress_bar: Show a progress bar.
        :param raise_on_failure: Raise an error if a Document cannot be embedded. Otherwise such Documents are returned
            without an embedding, a warning is logged, and `meta["failed"]` contains the reason by the id of the
            Document.
        :param client: A ready client to use instead of key and connection options.
        :param options: Connection options: `base_url` (the API's root; `"local"` is the embedded engine), `timeout`,
            `max_retries`, `retry_timeout`, `max_concurrency`, `requests_per_minute`, `tokens_per_minute`, `dialect`,
            `cache`, `headers`, `key_header` and `ca_bundle`, as for `jina_client.JinaClient`.
        :raises JinaInputError: An unknown argument, or an `image_size` that is not a pair of numbers.
        """
        self.api_key = api_key
        self.model_name = model
        self.file_path_meta_field = file_path_meta_field
        self.root_path = root_path or ""
        self.embedding_dimension = embedding_dimension
        self.image_size = checked_size(image_size)
        self.batch_size = batch_size
        self.task = task
        self.normalized = normalized
        self.progress_bar = progress_bar
        self.raise_on_failure = raise_on_failure
        self._connection = ComponentConnection(api_key, client, options)
        check_embedder(model, self._connection.service, CLASSES, **self._options())

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        """Embed the images of Documents.

        :param documents: The Documents, which are not changed.
        :returns: `documents`: copies with their `embedding`, and where it comes from in `meta["embedding_source"]`;
            `meta`: the model and the usage.
        :raises JinaInputError: The input is not a list of Documents (also a TypeError), or a Document has no image
            that can be read.
        """
        document_inputs = self._inputs(documents)
        result = self._embedder().embed(
            document_inputs.inputs,
            "document",
            on_error=document_inputs.on_error,
            lists=True,
            show_progress=self.progress_bar,
        )
        return document_inputs.output(result, self._embedded)

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    @follows("run")
    async def run_async(self, documents: list[Document]) -> dict[str, Any]:
        """Embed the images of Documents, asynchronously. Files are read, and pages rendered, in threads.

        :param documents: The Documents, which are not changed.
        :returns: `documents`: copies with their `embedding`, and where it comes from in `meta["embedding_source"]`;
            `meta`: the model and the usage.
        :raises JinaInputError: The input is not a list of Documents (also a TypeError), or a Document has no image
            that can be read.
        """
        document_inputs = await asyncio.to_thread(self._inputs, documents)
        result = await self._async_embedder().embed(
            document_inputs.inputs,
            "document",
            on_error=document_inputs.on_error,
            lists=True,
            show_progress=self.progress_bar,
        )
        return document_inputs.output(result, self._embedded)

    def _inputs(self, documents: list[Document]) -> DocumentInputs:
        images = DocumentImages(self.file_path_meta_field, self.root_path, self.image_size)
        return DocumentInputs(self, documents, images, raise_on_failure=self.raise_on_failure)

    def _embedded(self, document: Document, embedding: list[float] | None) -> Document:
        if embedding is None:
            return replace(document, embedding=None)
        source = {"type": "image", "file_path_meta_field": self.file_path_meta_field}
        if not document.meta.get(self.file_path_meta_field):
            source = {"type": "image", "field": "blob"}
        return replace(document, embedding=embedding, meta={**document.meta, "embedding_source": source})

    def _embedder(self) -> Embedder:
        return Embedder(self._connection.open(), self.model_name, **self._options())

    def _async_embedder(self) -> AsyncEmbedder:
        return AsyncEmbedder(self._connection.open(), self.model_name, **self._options())

    def _options(self) -> dict[str, Any]:
        return {
            "document_task": self.task,
            "dimensions": self.embedding_dimension,
            "normalized": self.normalized,
            "batch_size": self.batch_size,
        }
