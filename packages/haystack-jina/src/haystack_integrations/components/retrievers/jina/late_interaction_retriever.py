"""Documents by late interaction."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Unpack

from haystack import Document, component
from haystack.utils import Secret
from haystack_integrations.common.jina import DEFAULT_API_KEY, as_query
from haystack_integrations.common.jina.late_interaction import LateInteractionComponent
from haystack_integrations.document_stores.jina.document_store import documents_of
from jina_client import AsyncJinaClient, JinaClient
from jina_client.integration import CONNECTION_OPTIONS, ConnectionOptions, known_arguments
from jina_client.retrieval import OVERSAMPLING


@component
class JinaLateInteractionRetriever(LateInteractionComponent):
    """
    Retrieves what a JinaLateInteractionWriter wrote: pooled vectors choose candidates, MaxSim ranks them.

    Usage example: see JinaLateInteractionWriter.
    """

    @known_arguments(*CONNECTION_OPTIONS)
    def __init__(
        self,
        path: str | Path,
        api_key: Secret = DEFAULT_API_KEY,
        model: str = "jina-colbert-v2",
        top_k: int = 10,
        *,
        oversampling: float = OVERSAMPLING,
        dimensions: int | None = None,
        read_only: bool = False,
        client: JinaClient | AsyncJinaClient | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """
        Create a JinaLateInteractionRetriever.

        :param path: The index's folder, the one that the writer has.
        :param api_key: The key, resolved when the component is warmed up.
        :param model: The model, the one that the writer has.
        :param top_k: How many Documents to find.
        :param oversampling: How many times as many candidates the first stage chooses.
        :param dimensions: The length of the vectors, as the writer has it.
        :param read_only: Change nothing: several processes may have one folder open that way, or one may write. A
            writer of the same process needs it off.
        :param client: A ready client to use instead of key and connection options.
        :param options: Of the connection: `base_url` (the API's root; `"local"` is the embedded engine), `timeout`,
            `max_retries`, `retry_timeout`, `max_concurrency`, `requests_per_minute`, `tokens_per_minute`, `dialect` and
            `cache`, as of `jina_client.JinaClient`.
        :raises JinaInputError: An unknown argument.
        """
        self.read_only = read_only
        self.top_k = top_k
        self.oversampling = oversampling
        self._set_up(
            path,
            api_key,
            model,
            dimensions=dimensions,
            read_only=read_only,
            client=client,
            options=options,
        )

    @component.output_types(documents=list[Document])
    def run(self, query: str, top_k: int | None = None) -> dict[str, list[Document]]:
        """
        Find Documents.

        :param query: The query.
        :param top_k: How many to find, instead of the component's own number.
        :returns: `documents`, best first, with their `score`.
        """
        return self._found(self._embedder().embed([as_query(query)], "query")[0], top_k)

    @component.output_types(documents=list[Document])
    async def run_async(self, query: str, top_k: int | None = None) -> dict[str, list[Document]]:
        """
        Find Documents, asynchronously.

        :param query: The query.
        :param top_k: How many to find, instead of the component's own number.
        :returns: `documents`, best first, with their `score`.
        """
        (vectors,) = await self._async_embedder().embed([as_query(query)], "query")
        return await asyncio.to_thread(self._found, vectors, top_k)

    def _found(self, vectors: Any, top_k: int | None) -> dict[str, list[Document]]:
        hits = self._folder.search(vectors, self.top_k if top_k is None else top_k, self.oversampling)
        return {"documents": documents_of(hits)}
