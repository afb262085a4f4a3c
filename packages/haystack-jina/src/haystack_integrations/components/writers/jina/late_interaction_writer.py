"""Write Documents to an index for late interaction."""

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
from haystack_integrations.common.jina.index import FirstStage, StoredPrecision
from haystack_integrations.common.jina.late_interaction import LateInteractionComponent
from jina_client import AsyncJinaClient, JinaClient
from jina_client.integration import CONNECTION_OPTIONS, ConnectionOptions, known_arguments


@component
class JinaLateInteractionWriter(LateInteractionComponent):
    """Embed Documents with one vector per token and write them to an index, for JinaLateInteractionRetriever.

    A Document without content is embedded by its image if the model takes images (`jina-embeddings-v4`).

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
        stored: StoredPrecision = "int8",
        first_stage: FirstStage = "float",
        file_path_meta_field: str = "file_path",
        root_path: str | None = None,
        image_size: tuple[int, int] | None = None,
        client: JinaClient | AsyncJinaClient | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """Create a JinaLateInteractionWriter.

        :param path: The index folder, made when the first Documents are written.
        :param api_key: The API key, resolved when the component is warmed up.
        :param model: The id of a late-interaction model, which returns one vector per token.
        :param dimensions: The length of the vectors (Matryoshka); by default the model's full length.
        :param stored: The precision of the stored vectors: `int8` or `int16`.
        :param first_stage: The precision of the pooled vectors in memory: `float`, or `bits`, which take 1/32 of it and
            have a lower recall.
        :param file_path_meta_field: The meta field with the path of an image or a PDF, or with a ByteStream, for
            Documents without content. If a Document lacks the field, its `blob` is used.
        :param root_path: The folder that these paths are relative to and may not leave. Set it if the meta comes from
            outside.
        :param image_size: Width and height in pixels; larger images are scaled down to fit before they are sent.
        :param client: A ready client to use instead of a key and connection options.
        :param options: Connection options: `base_url` (the root of the API; `"local"` is the embedded engine),
            `timeout`, `max_retries`, `retry_timeout`, `max_concurrency`, `requests_per_minute`, `tokens_per_minute`,
            `dialect`, `cache`, `headers`, `key_header` and `ca_bundle`, as for `jina_client.JinaClient`.
        :raises JinaInputError: An unknown argument, or an `image_size` that is not a pair of integers.
        """
        self.stored = stored
        self.first_stage = first_stage
        self.file_path_meta_field = file_path_meta_field
        self.root_path = root_path
        self.image_size = checked_size(image_size)
        self._set_up(
            path,
            api_key,
            model,
            dimensions=dimensions,
            stored=stored,
            first_stage=first_stage,
            client=client,
            options=options,
        )

    @component.output_types(documents_written=int)
    def run(self, documents: list[Document]) -> dict[str, int]:
        """Embed and write Documents, which are on disk when the method returns.

        :param documents: The Documents. One with the id of another replaces it, also within the list. Meta is stored
            as JSON: datetimes become strings in ISO format.
        :returns: `documents_written`: the number of Documents.
        :raises JinaInputError: The argument is not a list of Documents (also a TypeError), a Document has neither text
            nor an image that the model takes, its meta is not JSON, or the index is read-only.
        """
        self._folder.check_writable()
        inputs = self._inputs(documents)
        self._index().add(*_last_of_each_id(documents, inputs))
        return {"documents_written": len(documents)}

    @component.output_types(documents_written=int)
    async def run_async(self, documents: list[Document]) -> dict[str, int]:
        """Embed and write Documents, like `run`.

        :param documents: The Documents.
        :returns: `documents_written`: the number of Documents.
        """
        self._folder.check_writable()
        inputs = await asyncio.to_thread(self._inputs, documents)
        await self._index().aadd(*_last_of_each_id(documents, inputs))
        return {"documents_written": len(documents)}

    def _inputs(self, documents: list[Document]) -> list[Any]:
        images = DocumentImages(self.file_path_meta_field, self.root_path, self.image_size)
        make = TextOrImage(self.model_name, images, lambda document: text_of(document, (), ""))
        return DocumentInputs(self, documents, make, raise_on_failure=True, optional=False).inputs


def _last_of_each_id(documents: list[Document], inputs: list[Any]) -> tuple[list[str], list[Any], list[dict[str, Any]]]:
    """Return ids, inputs and payloads. Of several Documents with the same id the last one counts."""
    unique = {document.id: (document, value) for document, value in zip(documents, inputs, strict=True)}
    payloads = [replace(each, embedding=None, score=None).to_dict(flatten=False) for each, _ in unique.values()]
    return list(unique), [value for _, value in unique.values()], payloads
