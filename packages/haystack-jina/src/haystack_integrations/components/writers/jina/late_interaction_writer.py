"""Documents into an index for late interaction."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from haystack import Document, component, default_to_dict
from haystack.utils import Secret
from haystack_integrations.common.jina import DEFAULT_API_KEY, DocumentInputs, text_of
from haystack_integrations.common.jina.late_interaction import LateInteractionComponent
from jina_client import AsyncJinaClient, JinaClient
from jina_client.arguments import known_arguments
from jina_client.components import CONNECTION_OPTIONS, ConnectionOptions
from jina_client.index.originals import Originals
from jina_client.index.store import FirstStage


@component
class JinaLateInteractionWriter(LateInteractionComponent):
    """
    Embeds Documents with one vector a token and writes them to an index, for JinaLateInteractionRetriever.

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
        first_stage: FirstStage = "bits",
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
        :param first_stage: What of the pooled vectors is in memory: `bits`, or `float` with 32 times the memory.
        :param client: A ready client to use instead of key and connection options.
        :param options: Of the connection: `base_url` (the API's root; `"local"` is the embedded engine), `timeout`,
            `max_retries`, `retry_timeout`, `max_concurrency`, `requests_per_minute`, `tokens_per_minute`, `dialect` and
            `cache`, as of `jina_client.JinaClient`.
        :raises JinaInputError: An unknown argument.
        """
        self.originals = originals
        self.first_stage = first_stage
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

    def to_dict(self) -> dict[str, Any]:
        """
        Serialize the component. Options that are not set are left out; the key is a reference, never its value.

        :returns: A dictionary for `from_dict`.
        """
        options = self._connection.to_dict(dimensions=self.dimensions)
        return default_to_dict(
            self,
            **options,
            path=self.path,
            model=self.model_name,
            originals=self.originals,
            first_stage=self.first_stage,
        )

    @component.output_types(documents_written=int)
    def run(self, documents: list[Document]) -> dict[str, int]:
        """
        Embed and write Documents; one with the id of another takes its place. They are on disk when it returns.

        :param documents: The Documents.
        :returns: `documents_written`: how many.
        :raises JinaInputError: What is given is no list of Documents (also a TypeError), or a Document has no text.
        """
        return self._written(documents, self._embedder().embed(_texts(documents), "document"))

    @component.output_types(documents_written=int)
    async def run_async(self, documents: list[Document]) -> dict[str, int]:
        """
        Embed and write Documents, asynchronously; see `run`.

        :param documents: The Documents.
        :returns: `documents_written`: how many.
        """
        vectors = await self._embedder().aembed(_texts(documents), "document")
        return await asyncio.to_thread(self._written, documents, vectors)

    def _written(self, documents: list[Document], vectors: Any) -> dict[str, int]:
        payloads = [replace(document, embedding=None, score=None).to_dict(flatten=False) for document in documents]
        self._folder.add([document.id for document in documents], vectors, payloads)
        return {"documents_written": len(documents)}


def _texts(documents: list[Document]) -> list[str]:
    return DocumentInputs(documents, lambda document: text_of(document, (), ""), raise_on_failure=True).inputs
