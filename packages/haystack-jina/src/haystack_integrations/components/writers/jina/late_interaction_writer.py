"""Documents into an index for late interaction."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from haystack import Document, component
from haystack.utils import Secret
from haystack_integrations.common.jina import (
    DEFAULT_API_KEY,
    DocumentImages,
    DocumentInputs,
    TextOrImage,
    checked_size,
    text_of,
)
from haystack_integrations.common.jina.late_interaction import LateInteractionComponent
from jina_client import AsyncJinaClient, JinaClient
from jina_client.index.originals import Originals
from jina_client.index.store import FirstStage
from jina_client.integration import CONNECTION_OPTIONS, ConnectionOptions, known_arguments


@component
class JinaLateInteractionWriter(LateInteractionComponent):
    """
    Embeds Documents with one vector a token and writes them to an index, for JinaLateInteractionRetriever.

    A Document without content is embedded by its image, if the model takes images (`jina-embeddings-v4`).

    Usage example:
    ```python
    import tempfile

    from haystack import Document
    from haystack_integrations.components.retrievers.jina import JinaLateInteractionRetriever
    from haystack_integrations.components.writers.jina import JinaLateInteractionWriter

    folder = tempfile.mkdtemp()
    writer = JinaLateInteractionWriter(folder, base_url="local")
    writer.run([Document(content="The cat sleeps."), Document(content="Stocks fell.")])
    retriever = JinaLateInteractionRetriever(folder, base_url="local", top_k=1)
    print(retriever.run("What does the cat do?")["documents"][0].content)
    ```
    """

    @known_arguments(*CONNECTION_OPTIONS)
    def __init__(
        self,
        path: str | Path,
        api_key: Secret = DEFAULT_API_KEY,
        model: str = "jina-colbert-v2",
        *,
        dimensions: int | None = None,
        originals: Originals = "int8",
        first_stage: FirstStage = "float",
        file_path_meta_field: str = "file_path",
        root_path: str | None = None,
        image_size: tuple[int, int] | None = None,
        client: JinaClient | AsyncJinaClient | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """
        Create a JinaLateInteractionWriter.

        :param path: The index's folder, made when the first Documents come.
        :param api_key: The key, resolved when the component is warmed up.
        :param model: The model, one of those that give a vector for each token.
        :param dimensions: The length of the vectors (Matryoshka); by default the model's full length.
        :param originals: How the vectors lie on disk: `int8` or `int16`.
        :param first_stage: What of the pooled vectors is in memory: `float`, or `bits` in 1/32 of it, which find less.
        :param file_path_meta_field: For Documents without content: the meta field with the path of an image or a PDF,
            or with a ByteStream. A Document without the field has its `blob`.
        :param root_path: The folder that these paths are relative to and cannot lead out of: give it where the meta
            come from outside.
        :param image_size: Width and height; larger images are made to fit before they are sent.
        :param client: A ready client to use instead of key and connection options.
        :param options: Of the connection: `base_url` (the API's root; `"local"` is the embedded engine), `timeout`,
            `max_retries`, `retry_timeout`, `max_concurrency`, `requests_per_minute`, `tokens_per_minute`, `dialect` and
            `cache`, as of `jina_client.JinaClient`.
        :raises JinaInputError: An unknown argument, or an `image_size` that is no pair of pixels.
        """
        self.originals = originals
        self.first_stage = first_stage
        self.file_path_meta_field = file_path_meta_field
        self.root_path = root_path
        self.image_size = checked_size(image_size)
        self._set_up(
            path,
            api_key,
            model,
            dimensions=dimensions,
            originals=originals,
            first_stage=first_stage,
            client=client,
            options=options,
        )

    @component.output_types(documents_written=int)
    def run(self, documents: list[Document]) -> dict[str, int]:
        """
        Embed and write Documents; one with the id of another takes its place. They are on disk when it returns.

        :param documents: The Documents.
        :returns: `documents_written`: how many.
        :raises JinaInputError: What is given is no list of Documents (also a TypeError), or a Document has neither text
            nor an image that the model takes.
        """
        self._folder.check_writable()
        return self._written(documents, self._embedder().embed(self._inputs(documents), "document"))

    @component.output_types(documents_written=int)
    async def run_async(self, documents: list[Document]) -> dict[str, int]:
        """
        Embed and write Documents, asynchronously; see `run`.

        :param documents: The Documents.
        :returns: `documents_written`: how many.
        """
        self._folder.check_writable()
        inputs = await asyncio.to_thread(self._inputs, documents)
        vectors = await self._async_embedder().embed(inputs, "document")
        return await asyncio.to_thread(self._written, documents, vectors)

    def _inputs(self, documents: list[Document]) -> list[Any]:
        images = DocumentImages(self.file_path_meta_field, self.root_path, self.image_size)
        make = TextOrImage(self.model_name, images, lambda document: text_of(document, (), ""))
        return DocumentInputs(documents, make, raise_on_failure=True).inputs

    def _written(self, documents: list[Document], vectors: Any) -> dict[str, int]:
        payloads = [replace(document, embedding=None, score=None).to_dict(flatten=False) for document in documents]
        self._folder.add([document.id for document in documents], vectors, payloads)
        return {"documents_written": len(documents)}
