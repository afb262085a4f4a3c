"""Jina AI's embedding models for documents."""

from __future__ import annotations

import warnings
from typing import Any, Unpack

from haystack import Document, component
from haystack.utils import Secret
from haystack_integrations.common.jina import (
    CLASSES,
    DEFAULT_API_KEY,
    ComponentConnection,
    DocumentInputs,
    JinaComponent,
    meta_fields,
    text_of,
    with_embedding,
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
    frames_to_caller,
    known_arguments,
    warns_of_default_model,
)

# The meta field in which Haystack's splitters store the document of a chunk.
SOURCE_ID = "source_id"


JINA_API_URL = f"{DEFAULT_BASE_URL}/embeddings"


@component
class JinaDocumentEmbedder(JinaComponent):
    """Embed Documents.

    Usage example:
    ```python
    from haystack import Document
    from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder

    embedder = JinaDocumentEmbedder(model="jina-embeddings-v3", base_url="local", progress_bar=False)
    documents = embedder.run(documents=[Document(content="The cat sleeps.")])["documents"]
    print(len(documents[0].embedding))
    ```
    """

    _DEFAULT_URL = JINA_API_URL
    _ALWAYS_SAVED = (
        "model",
        "prefix",
        "suffix",
        "batch_size",
        "progress_bar",
        "meta_fields_to_embed",
        "embedding_separator",
    )

    @warns_of_default_model
    @known_arguments(*CONNECTION_OPTIONS)
    def __init__(
        self,
        api_key: Secret = DEFAULT_API_KEY,
        model: str = "jina-embeddings-v3",
        prefix: str = "",
        suffix: str = "",
        batch_size: int | None = None,
        progress_bar: bool = True,
        meta_fields_to_embed: list[str] | None = None,
        embedding_separator: str = "\n",
        task: str | None = None,
        dimensions: int | None = None,
        late_chunking: bool | None = None,
        *,
        late_chunking_field: str = SOURCE_ID,
        normalized: bool | None = None,
        truncate: bool | None = None,
        raise_on_failure: bool = True,
        client: JinaClient | AsyncJinaClient | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """Create a JinaDocumentEmbedder.

        :param api_key: The API key, resolved when the component is warmed up.
        :param model: The model's id.
        :param prefix: A string to put before each text.
        :param suffix: A string to put after each text.
        :param batch_size: Documents per request, at most 512; by default the client chooses. With late chunking, each
            source document is one request.
        :param progress_bar: Show a progress bar.
        :param meta_fields_to_embed: Meta fields to put before the content.
        :param embedding_separator: The separator between the meta fields and the content.
        :param task: The task; by default the model's task for documents, such as `retrieval.passage`.
        :param dimensions: The length of the vectors (Matryoshka); by default the model's full length.
        :param late_chunking: Embed the chunks of one document in each other's context, in the order of the list.
        :param late_chunking_field: The meta field that identifies the document of a chunk; by default `source_id`,
            which Haystack's splitters set. A Document without the field is treated as a document of one chunk.
        :param normalized: Scale vectors to length 1; by default yes, if the model takes the option.
        :param truncate: Cut texts longer than the model's context; by default the service rejects them.
        :param raise_on_failure: Raise an error if a Document cannot be embedded. Otherwise such Documents are returned
            without an embedding, a warning is logged, and `meta["failed"]` contains the reason by the id of the
            Document.
        :param client: A ready client to use instead of key and connection options.
        :param options: Connection options: `base_url` (the API's root; `"local"` is the embedded engine), `timeout`,
            `max_retries`, `retry_timeout`, `max_concurrency`, `requests_per_minute`, `tokens_per_minute`, `dialect`,
            `cache`, `headers`, `key_header` and `ca_bundle`, as for `jina_client.JinaClient`.
        :raises JinaInputError: An unknown argument, or a value that cannot work.
        """
        self.api_key = api_key
        self.model_name = model
        self.prefix = prefix
        self.suffix = suffix
        self.batch_size = batch_size
        self.progress_bar = progress_bar
        self.meta_fields_to_embed = meta_fields(meta_fields_to_embed)
        self.embedding_separator = embedding_separator
        self.task = task
        self.dimensions = dimensions
        self.late_chunking = late_chunking
        self.late_chunking_field = late_chunking_field
        self.normalized = normalized
        self.truncate = truncate
        self.raise_on_failure = raise_on_failure
        self._connection = ComponentConnection(api_key, client, options)
        check_embedder(model, self._connection.service, CLASSES, late_chunking=bool(late_chunking), **self._options())

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        """Embed Documents.

        :param documents: The Documents, which are not changed.
        :returns: `documents`: copies with their `embedding`; `meta`: the model and the usage.
        :raises JinaInputError: The input is not a list of Documents (also a TypeError), or a Document has no text.
        """
        document_inputs = self._inputs(documents)
        options: dict[str, Any] = {"on_error": document_inputs.on_error, "show_progress": self.progress_bar}
        if self.late_chunking:
            result = self._embedder().embed_chunks(
                document_inputs.inputs, self._sources(document_inputs.sent), **options
            )
        else:
            result = self._embedder().embed(document_inputs.inputs, "document", lists=True, **options)
        return document_inputs.output(result, with_embedding)

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    @follows("run")
    async def run_async(self, documents: list[Document]) -> dict[str, Any]:
        """Embed Documents, asynchronously.

        :param documents: The Documents, which are not changed.
        :returns: `documents`: copies with their `embedding`; `meta`: the model and the usage.
        :raises JinaInputError: The input is not a list of Documents (also a TypeError), or a Document has no text.
        """
        document_inputs = self._inputs(documents)
        options: dict[str, Any] = {"on_error": document_inputs.on_error, "show_progress": self.progress_bar}
        if self.late_chunking:
            result = await self._async_embedder().embed_chunks(
                document_inputs.inputs, self._sources(document_inputs.sent), **options
            )
        else:
            result = await self._async_embedder().embed(document_inputs.inputs, "document", lists=True, **options)
        return document_inputs.output(result, with_embedding)

    def _inputs(self, documents: list[Document]) -> DocumentInputs:
        return DocumentInputs(self, documents, self._text, raise_on_failure=self.raise_on_failure)

    def _text(self, document: Document) -> str:
        return self._prepare_texts_to_embed([document])[0]

    def _prepare_texts_to_embed(self, documents: list[Document]) -> list[str]:
        """Return the texts that are sent. Subclasses written for `jina-haystack` replace this method."""
        fields, separator = self.meta_fields_to_embed, self.embedding_separator
        return [text_of(each, fields, separator, prefix=self.prefix, suffix=self.suffix) for each in documents]

    def _sources(self, documents: list[Document]) -> list[str | None]:
        """Return what identifies the document of each chunk, and warn if some chunks do not have it."""
        sources = [document.meta.get(self.late_chunking_field) for document in documents]
        missing = sources.count(None)
        if missing and len(sources) > 1:
            warnings.warn(
                f"late_chunking needs the document of each chunk, and {missing} of {len(sources)} Documents have no "
                f"meta[{self.late_chunking_field!r}]: each of them is embedded as a document of its own. Split with a "
                "DocumentSplitter, which sets source_id, or name another meta field by late_chunking_field=",
                UserWarning,
                stacklevel=frames_to_caller(),
            )
        return [None if source is None else repr(source) for source in sources]

    def _embedder(self) -> Embedder:
        return Embedder(self._connection.open(), self.model_name, **self._options())

    def _async_embedder(self) -> AsyncEmbedder:
        return AsyncEmbedder(self._connection.open(), self.model_name, **self._options())

    def _options(self) -> dict[str, Any]:
        return {
            "document_task": self.task,
            "dimensions": self.dimensions,
            "normalized": self.normalized,
            "truncate": self.truncate,
            "batch_size": self.batch_size,
        }
